/**
 * The Journal that outlives the process: gathers what the core tells, hands it to the store's thread in groups, and says up to
 * where everything is safe.
 *
 *      append --> pending batch --(the store is idle, and somebody waits)--> one commit --> committed --> durable
 *
 * There is no timer on the way of what somebody waits for: the group leaves at the end of the turn, or when the one before is
 * committed, so that the groups grow with the time that a sync takes. What nobody waits for gets ticket 0; it joins the next
 * group, or makes one of its own after LATER_MS. Relaxed, everything is "durable" as soon as it is appended, and leaves after
 * a window; what stands aside (retained messages of QoS 0) leaves after the window too, but not before LATER_MS, whatever
 * leaves meanwhile.
 *
 * A batch that has become large leaves at the end of the turn, behind the groups that are under way: encoding a group never
 * takes long, and what was appended in one turn stays in one group.
 *
 * A commit that fails stays with the store, which tries it again; meanwhile the journal says that it fails, and the next
 * group gathers.
 */
import { assertNever } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { DELAY_MS_MAX } from '../../base/clock.ts';
import type { Log } from '../../base/log.ts';
import type { Turn } from '../../base/turn.ts';
import type { Journal, JournalRecord, QueueRow, StoredRecord, Ticket } from '../../core/ports.ts';
import type { StoreScale } from './bodies.ts';
import { OpenGroups } from './open-groups.ts';
import { OpWriter } from './ops.ts';
import { PendingBatch } from './pending-batch.ts';
import { RecordIntake } from './record-intake.ts';
import { SessionTable } from './session-table.ts';
import { StoreFailure } from './store-failure.ts';
import { StoreHealth } from './store-health.ts';
import { StoreLoad } from './store-load.ts';
import type { StorePort } from './store-port.ts';
import { StoreReads } from './store-reads.ts';
import { StoreTime } from './store-time.ts';
import type { FromStore, StoreCounts, StoreOpened, StoreOptions } from './thread-messages.ts';

/** Strict: nothing is acknowledged before it is synced. Relaxed: at once, and synced within `windowMs` or `changesMax`. */
export type DurabilityMode =
  | { readonly kind: 'strict' }
  | {
      readonly kind: 'relaxed';
      readonly windowMs: number;
      /** Changes after which a group leaves before its window ends; null = any number. */
      readonly changesMax: number | null;
    };

export interface StoreJournalParts {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly log: Log;
  readonly mode: DurabilityMode;
  readonly port: StorePort;
  readonly options: StoreOptions;
  /** Listeners are stored by name; see StoreScale. */
  readonly names: { nameOf(listenerId: number): string; idOf(name: string): number };
}

export interface StoreFigures {
  readonly isFailing: boolean;
  /** Why nothing can be stored; null while it can. */
  readonly failure: string | null;
  readonly commits: number;
  /** From the arrival of a commit at the store to the end of its sync. */
  readonly lastCommitMs: number;
  readonly longestCommitMs: number;
  /** An estimate of what is not synced, in bytes of memory. */
  readonly pendingBytes: number;
  readonly pendingChanges: number;
  readonly fileBytes: number;
  readonly logBytes: number;
  /** What a crash may take of what was acknowledged; 0 = nothing. */
  readonly windowMs: number;
}

/** How long a change that nobody waits for may stay in memory; relaxed, the window when that is longer. */
export const LATER_MS = 1000;
/** More bytes than this that are not synced: publishers are not read, until fewer than the second are left. */
export const BEHIND_BYTES = 64 * 1024 * 1024;
export const CAUGHT_UP_BYTES = 32 * 1024 * 1024;
/** How long the end may take, and then the end of the store's thread, which may hang in a sync. */
export const CLOSE_MS_MAX = 10_000;
export const END_MS_MAX = 1000;
/** How often the clocks are compared while nothing is stored. */
const LOOK_AT_CLOCK_MS = 60_000;
/** The ticket of what comes after the end: it is not going to be durable. */
const NEVER: Ticket = Number.MAX_SAFE_INTEGER;
/** Buffers that came back are used again up to this size, and one at a time. */
const ROOM_BYTES_MAX = 4 * 1024 * 1024;

/** Opens the store, and says in the log what that has found. @throws StoreFailure (rejects) when it cannot be opened */
export function openStoreJournal(parts: StoreJournalParts): Promise<StoreJournal> {
  const { port, log, options } = parts;
  return new Promise((resolve, reject) => {
    const fail = (lines: readonly string[]): void => {
      void port.end();
      reject(new StoreFailure(lines, false));
    };
    port.onFault = (error) => fail([`Error: The store in ${options.folder} cannot be opened: ${error.message}.`]);
    port.onMessage = (message) => {
      if (message.kind === 'open-failed') fail(message.lines);
      if (message.kind !== 'opened') return;
      for (const { level, text } of message.opened.notes) log.write(level, text);
      resolve(new StoreJournal(parts, message.opened));
    };
    port.post({ kind: 'open', options });
  });
}

export class StoreJournal implements Journal {
  readonly isVolatile = false;
  onProgress: () => void = () => undefined;
  readonly #parts: StoreJournalParts;
  readonly #time: StoreTime;
  readonly #scale: StoreScale;
  readonly #sessions: SessionTable;
  readonly #batch: PendingBatch;
  readonly #intake: RecordIntake;
  readonly #health: StoreHealth;
  readonly #reads: StoreReads;
  #mode: DurabilityMode;
  #load: StoreLoad | null = null;

  #lastTicket: Ticket = 0;
  #durable: Ticket = 0;
  #isBehind = false;
  /** What `onProgress` was called for last. */
  #told = { durable: 0, isFailing: false, isBehind: false };

  readonly #groups = new OpenGroups();
  #room: ArrayBuffer | null = null;
  #isTurnAsked = false;
  /** Relaxed: null = no window is open. */
  #cancelWindow: (() => void) | null = null;
  /** The window has ended: what is pending leaves with the next group. */
  #isWindowOver = false;
  #cancelLater: (() => void) | null = null;
  /** Its timer has run: what is pending leaves with the next group, what stands aside as well. */
  #isDue = false;
  #cancelLook: () => void = () => undefined;

  readonly #tidies: ((fault: string | null) => void)[] = [];
  #closing: Promise<void> | null = null;
  #onClosed: () => void = () => undefined;

  /** `parts.port` is open. */
  constructor(parts: StoreJournalParts, opened: StoreOpened) {
    const { clock, log, names, port, mode } = parts;
    this.#parts = parts;
    this.#mode = mode;
    const time = new StoreTime(clock, opened.time);
    this.#time = time;
    this.#scale = {
      toStored: (ms) => time.toStored(ms),
      fromStored: (ms) => time.fromStored(ms),
      nameOf: (listenerId) => names.nameOf(listenerId),
      idOf: (name) => names.idOf(name),
    };
    this.#sessions = new SessionTable(opened.nextSession);
    this.#batch = new PendingBatch(this.#scale);
    this.#intake = new RecordIntake(this.#sessions, this.#batch);
    this.#intake.isPacketIdAwaited = mode.kind === 'strict';
    this.#health = new StoreHealth(clock, log);
    this.#reads = new StoreReads({ port, log, scale: this.#scale });
    if (time.warning !== null) log.write('warning', time.warning);
    this.#sayMode();
    port.onMessage = (message) => this.#take(message);
    port.onFault = (error) => this.#onFault(error);
    this.#lookAtClock();
  }

  get durable(): Ticket {
    return this.#durable;
  }

  get isFailing(): boolean {
    return this.#health.failure !== null;
  }

  get isBehind(): boolean {
    return this.#isBehind;
  }

  /** What `load` has found; null before it has ended. */
  get counts(): StoreCounts | null {
    return this.#load?.counts ?? null;
  }

  // ------------------------------------------------------------------------------------------------------ appending

  append(record: JournalRecord): Ticket {
    if (this.#closing !== null) return NEVER;
    const isAwaited = this.#intake.take(record);
    if (this.#batch.isFull || (!this.#isBehind && this.#unsyncedBytes > BEHIND_BYTES)) this.#askTurn();
    if (!isAwaited) {
      this.#startLater();
      return 0;
    }
    this.#lastTicket += 1;
    if (this.#mode.kind === 'relaxed') this.#onRelaxed(this.#mode.changesMax);
    else if (this.#groups.isEmpty) this.#askTurn();
    return this.#lastTicket;
  }

  #onRelaxed(changesMax: number | null): void {
    if (!this.isFailing) this.#durable = this.#lastTicket;
    this.#cancelWindow ??= this.#after(this.#windowMs, () => {
      this.#isWindowOver = true;
      this.#proceed();
    });
    if (this.#isWindowFull(changesMax)) this.#askTurn();
  }

  #isWindowFull(changesMax: number | null): boolean {
    return this.#batch.isFull || (changesMax !== null && this.#batch.readyCount >= changesMax);
  }

  // -------------------------------------------------------------------------------------------------------- shipping

  #askTurn(): void {
    if (this.#isTurnAsked) return;
    this.#isTurnAsked = true;
    this.#parts.turn.atEnd(() => {
      this.#isTurnAsked = false;
      this.#proceed();
    });
  }

  /** What nobody waits for leaves at the latest then; nothing that leaves before puts it off. */
  #startLater(): void {
    this.#cancelLater ??= this.#after(Math.max(LATER_MS, this.#windowMs), () => {
      this.#cancelLater = null;
      this.#isDue = true;
      this.#proceed();
    });
  }

  #after(delayMs: number, run: () => void): () => void {
    return this.#parts.clock.after(Math.min(delayMs, DELAY_MS_MAX), run);
  }

  #endWindow(): void {
    this.#cancelWindow?.();
    this.#cancelWindow = null;
    this.#isWindowOver = false;
  }

  #stopTimers(): void {
    this.#endWindow();
    this.#cancelLater?.();
    this.#cancelLater = null;
  }

  /** Ships what is to leave now, sees what is safe, and tells. */
  #proceed(): void {
    if (this.#closing === null && !this.#isLoading) {
      if (this.#mustShip()) this.#ship();
      else if (this.#groups.isEmpty && this.#batch.awaitedCount === 0) this.#durable = this.#lastTicket;
    }
    this.#tell();
  }

  #mustShip(): boolean {
    if (this.#batch.isFull) return true;
    if (!this.#groups.isEmpty) return false;
    if (this.#isDue || this.#isWindowOver) return true;
    const mode = this.#mode;
    return mode.kind === 'strict' ? this.#batch.awaitedCount > 0 : this.#isWindowFull(mode.changesMax);
  }

  /** Everything that is pending becomes a group, unless there is nothing. `isLast`: the clocks are stored in any case. */
  #ship(isLast = false): void {
    const { port } = this.#parts;
    const batch = this.#batch;
    if (this.#isDue) {
      batch.joinLater();
      // There may be more of it than a group has room for.
      this.#isDue = batch.hasLater;
    }
    this.#endWindow();
    const pair = isLast ? this.#time.take() : this.#time.due();
    if (batch.isEmpty && pair === null) {
      // All of it was cancelled.
      batch.clear();
      if (this.#groups.isEmpty) this.#durable = this.#lastTicket;
      return;
    }
    const changes = batch.changeCount;
    const ops = this.#room === null ? new OpWriter() : new OpWriter(this.#room);
    this.#room = null;
    batch.writeTo(ops, pair);
    this.#groups.add({
      ticket: this.#lastTicket,
      changes: changes - batch.changeCount,
      byteCount: ops.byteLength,
    });
    port.post({ kind: 'commit', ops: ops.finish() });
  }

  /** The same with what stands aside, in as many groups as that takes. */
  #shipAll(isLast = false): void {
    this.#isDue = true;
    do this.#ship(isLast);
    while (this.#isDue);
  }

  #lookAtClock(): void {
    this.#cancelLook = this.#parts.clock.after(LOOK_AT_CLOCK_MS, () => {
      this.#lookAtClock();
      if (!this.#time.hasJumped) return;
      this.#isDue = true;
      this.#proceed();
    });
  }

  /** Nothing may be stored before everything is loaded, nor when that has failed. */
  get #isLoading(): boolean {
    return this.#load !== null && this.#load.counts === null;
  }

  get #unsyncedBytes(): number {
    return this.#batch.byteCount + this.#groups.byteCount;
  }

  get #pendingChanges(): number {
    return this.#batch.changeCount + this.#groups.changeCount;
  }

  get #windowMs(): number {
    return this.#mode.kind === 'relaxed' ? this.#mode.windowMs : 0;
  }

  /** Calls `onProgress` when there is something to tell. */
  #tell(): void {
    if (this.#unsyncedBytes > BEHIND_BYTES) this.#isBehind = true;
    else if (this.#unsyncedBytes < CAUGHT_UP_BYTES) this.#isBehind = false;
    const { durable, isFailing, isBehind } = this;
    const told = this.#told;
    if (told.durable === durable && told.isFailing === isFailing && told.isBehind === isBehind) return;
    this.#told = { durable, isFailing, isBehind };
    this.onProgress();
  }

  // -------------------------------------------------------------------------------------------- answers of the store

  #take(message: FromStore): void {
    switch (message.kind) {
      case 'committed':
        this.#onCommitted(message);
        break;
      case 'failing':
        this.#onFailing(message.reason);
        break;
      case 'loaded':
      case 'load-ended':
      case 'load-failed':
        this.#load?.take(message);
        break;
      case 'read':
      case 'read-failed':
        this.#onRead(message);
        break;
      case 'tidied':
        this.#tidies.shift()?.(message.fault);
        break;
      case 'closed':
        this.#onClosed();
        break;
      case 'opened':
      case 'open-failed':
        break;
      default:
        assertNever(message);
    }
  }

  #onCommitted(message: FromStore & { readonly kind: 'committed' }): void {
    const group = this.#groups.take(message);
    if (group === undefined) return;
    if (message.room.byteLength <= ROOM_BYTES_MAX) this.#room = message.room;
    this.#health.onCommitted();
    const isRelaxed = this.#mode.kind === 'relaxed';
    this.#durable = isRelaxed ? this.#lastTicket : Math.max(this.#durable, group.ticket);
    this.#proceed();
  }

  #onFailing(reason: string): void {
    this.#health.onFailing(reason, this.#windowMs);
    for (const settle of this.#tidies) settle(reason);
    this.#tell();
  }

  #onFault(error: Error): void {
    this.#health.onLost(error);
    this.#load?.fail([`Error: Loading the store failed: ${error.message}.`], false);
    this.#reads.failAll(error);
    for (const settle of this.#tidies) settle(error.message);
    this.#onClosed();
    this.#tell();
  }

  #onRead(message: FromStore & { readonly kind: 'read' | 'read-failed' }): void {
    const damaged = this.#reads.take(message);
    if (damaged === null || this.#closing !== null) return;
    for (const position of damaged.positions) this.#batch.done(damaged.session, position, false);
    if (damaged.positions.length > 0) this.#startLater();
  }

  // --------------------------------------------------------------------------------------------- reading and the end

  load(headMax: number, apply: (record: StoredRecord) => void): Promise<void> {
    const { clock, log, port, turn } = this.#parts;
    const { lost } = this.#health;
    const parts = { clock, log, port, turn, scale: this.#scale, sessions: this.#sessions, headMax, apply };
    this.#load = new StoreLoad(parts);
    if (lost === null) this.#load.start();
    else this.#load.fail([`Error: Loading the store failed: ${lost.message}.`], false);
    return this.#load.ended;
  }

  readQueue(clientId: string, after: number, limit: number): Promise<readonly QueueRow[]> {
    const session = this.#sessions.find(clientId);
    if (session === undefined) return Promise.resolve([]);
    const unreadable = this.#unreadable;
    if (unreadable !== null) return Promise.reject(new Error(unreadable));
    const wish = { session, clientId, after, limit };
    if (this.#batch.isEmpty) return this.#reads.read(wish);
    // What is pending may be what is asked for. It leaves first, but not in the middle of a turn: a crash would take a part.
    return new Promise((resolve, reject) => {
      this.#parts.turn.atEnd(() => {
        const reason = this.#unreadable;
        if (reason !== null) {
          reject(new Error(reason));
          return;
        }
        if (!this.#batch.isEmpty) this.#ship();
        this.#reads.read(wish).then(resolve, reject);
      });
    });
  }

  get #unreadable(): string | null {
    return this.#health.failure ?? (this.#closing === null ? null : 'the store is closed');
  }

  figures(): StoreFigures {
    const { commits, lastCommitMs, longestCommitMs, fileBytes, logBytes } = this.#groups;
    return {
      isFailing: this.isFailing,
      failure: this.#health.failure,
      commits,
      lastCommitMs,
      longestCommitMs,
      pendingBytes: this.#unsyncedBytes,
      pendingChanges: this.#pendingChanges,
      fileBytes,
      logBytes,
      windowMs: this.#windowMs,
    };
  }

  /** Another mode from now on; what was acknowledged under the old one counts as before. */
  setMode(mode: DurabilityMode): void {
    this.#mode = mode;
    this.#intake.isPacketIdAwaited = mode.kind === 'strict';
    this.#sayMode();
    this.#stopTimers();
    if (mode.kind === 'relaxed' && !this.isFailing) this.#durable = this.#lastTicket;
    // What is pending leaves now: no window counts from an earlier mode.
    this.#isDue = true;
    this.#proceed();
  }

  /**
   * Makes everything durable that is pending, and tidies the store's files.
   * @returns null when all is well, otherwise why not; what could not be stored is tried again as ever.
   */
  save(): Promise<string | null> {
    const { failure } = this.#health;
    if (failure !== null) return Promise.resolve(failure);
    if (this.#closing !== null) return Promise.resolve('the store is closed');
    if (this.#isLoading) return Promise.resolve('the store is being loaded');
    this.#shipAll();
    const tidied = new Promise<string | null>((resolve) => this.#tidies.push(resolve));
    this.#parts.port.post({ kind: 'tidy' });
    this.#tell();
    return tidied;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock, port } = this.#parts;
    this.#cancelLook();
    this.#stopTimers();
    const isLost = this.#health.lost !== null;
    if (!isLost) {
      if (!this.#isLoading) this.#shipAll(true);
      const closed = new Promise<void>((resolve) => {
        this.#onClosed = resolve;
      });
      const cancel = clock.after(CLOSE_MS_MAX, () => this.#onClosed());
      port.post({ kind: 'close' });
      await closed;
      cancel();
    }
    const error = new Error('the store is closed');
    this.#reads.failAll(error);
    this.#load?.fail(['Error: Loading the store was broken off.'], false);
    for (const settle of this.#tidies) settle(error.message);
    this.#sayUnsaved();
    await this.#endPort();
  }

  /** A thread that hangs in a sync does not end, and the broker must. */
  #endPort(): Promise<void> {
    const { clock, port } = this.#parts;
    return new Promise((resolve) => {
      const cancel = clock.after(END_MS_MAX, resolve);
      const end = (): void => {
        cancel();
        resolve();
      };
      port.end().then(end, end);
    });
  }

  #sayUnsaved(): void {
    const changes = this.#pendingChanges;
    if (changes === 0) return;
    const { failure } = this.#health;
    const reason = failure ?? `the store did not answer within ${CLOSE_MS_MAX / 1000} s`;
    this.#parts.log.write(
      'error',
      `Error: ${changes} changes (about ${this.#unsyncedBytes} bytes) could not be saved and are lost: ${reason}. ` +
        (this.#windowMs === 0 ? 'None of them was acknowledged.' : 'Some of them may have been acknowledged.'),
    );
  }

  #sayMode(): void {
    const mode = this.#mode;
    if (mode.kind === 'strict') return;
    const orChanges = mode.changesMax === null ? '' : `, or ${mode.changesMax} changes, whichever is first`;
    this.#parts.log.write(
      'notice',
      `Durability is relaxed: a crash may take what was acknowledged in the last ${mode.windowMs} ms${orChanges}.`,
    );
  }
}
