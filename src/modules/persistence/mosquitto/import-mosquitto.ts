/**
 * A store of Mosquitto's as operations for a new store of ours: sessions with their subscriptions, what is in flight and
 * queued, retained messages, wills. What cannot be carried over is counted and said.
 *
 * - The clock of the new store stands at 0 now; moments of the file lie before or after that.
 * - Mosquitto hands a QoS 2 message on when PUBREL comes, we do it at PUBLISH. So what waits for PUBREL there has been
 *   acknowledged and has reached nobody: it is handed on here, and its packet id is kept.
 * - Rows go in order of their messages, so that a message which many sessions wait for is written once for all of them.
 */
import { statSync } from 'node:fs';
import type { OwnedMessage } from '../../../core/model/message.ts';
import { encodeMessage, encodeRetained, encodeRow, encodeRowShared, encodeWill, keyOf } from '../bodies.ts';
import { RowState } from '../ops.ts';
import { MADE_MS, YEARS_BETWEEN_RUNS_MAX } from '../store-time.ts';
import type { StoreCounts, StoreOpened } from '../thread-messages.ts';
import { ImportOutput } from './import-output.ts';
import { receiversOf } from './import-receivers.ts';
import { ImportSessions, type PlannedRow } from './import-sessions.ts';
import { messageIn, plainText } from './import-values.ts';
import type { MosquittoMessage, MosquittoSource, MosquittoWill, StoreId } from './mosquitto-source.ts';
import { PORT_SCALE } from './port-scale.ts';
import { openMosquittoDb } from './read-mosquitto-db.ts';
import { isSqliteFile, openMosquittoSqlite } from './read-mosquitto-sqlite.ts';

const YEAR_MS = 365.25 * 24 * 3600 * 1000;

export interface Imported {
  /** For the log: what was found, and what could not be carried over. */
  readonly notes: StoreOpened['notes'];
  readonly counts: StoreCounts;
}

/**
 * Reads `file` and applies it to a new store, in several pieces: a store that got only some of them is to be thrown away.
 * `file` stays as it is.
 * @throws MosquittoDbError when it is damaged or none of Mosquitto's; the error of the file system; what `apply` throws
 */
export function importMosquitto(file: string, apply: (ops: Uint8Array) => void, wallMs: number): Imported {
  const source = openMosquitto(file);
  try {
    return new Import(source, apply, { file, wallMs, writtenMs: statSync(file).mtimeMs }).run();
  } finally {
    source.close();
  }
}

/** Opens either form of a store of Mosquitto's. Errors are those of `importMosquitto`. */
export function openMosquitto(file: string): MosquittoSource {
  return isSqliteFile(file) ? openMosquittoSqlite(file) : openMosquittoDb(file);
}

interface ImportOptions {
  readonly file: string;
  readonly wallMs: number;
  readonly writtenMs: number;
}

class Import {
  readonly #source: MosquittoSource;
  readonly #options: ImportOptions;
  readonly #output: ImportOutput;
  readonly #sessions: ImportSessions;
  /** The time of day at which the store's clock shows 0: that of the file when this machine's cannot be right. */
  readonly #nowMs: number;
  readonly #unreleased = new Map<StoreId, OwnedMessage>();
  readonly #retainedTopics = new Set<string>();
  #rowCount = 0;
  #willCount = 0;
  #lastMessage = 0;

  constructor(source: MosquittoSource, apply: (ops: Uint8Array) => void, options: ImportOptions) {
    this.#source = source;
    this.#options = options;
    this.#nowMs = isPlausible(options) ? options.wallMs : options.writtenMs;
    this.#output = new ImportOutput(apply);
    this.#sessions = new ImportSessions(this.#output, this.#nowMs);
  }

  run(): Imported {
    this.#output.ops.time(0, this.#options.wallMs);
    this.#sessions.take(this.#source);
    this.#takeMessages();
    this.#routeUnreleased();
    for (const will of this.#source.wills()) this.#takeWill(will);
    this.#output.flush();
    const counts = {
      sessions: this.#sessions.byId.size,
      subscriptions: this.#sessions.subscriptionCount,
      rows: this.#rowCount,
      retained: this.#retainedTopics.size,
      wills: this.#willCount,
    };
    return { notes: this.#notes(counts), counts };
  }

  #takeMessages(): void {
    const retained = new Set<StoreId>();
    for (const id of this.#source.retained()) retained.add(id);
    const { rows, unreleased } = this.#sessions;
    const kept = new Set(unreleased.map(({ storeId }) => storeId));
    for (const message of this.#source.messages()) {
      const { storeId } = message;
      const planned = rows.get(storeId);
      const isRetained = retained.delete(storeId);
      if (planned === undefined && !isRetained && !kept.has(storeId)) continue;
      rows.delete(storeId);
      const own = this.#messageOf(message, planned?.length ?? 1);
      if (own === null) continue;
      if (planned !== undefined) this.#writeRows(own, planned);
      if (isRetained) this.#retain(own);
      if (kept.has(storeId)) this.#unreleased.set(storeId, own);
    }
    let missing = retained.size;
    for (const planned of rows.values()) missing += planned.length;
    if (missing > 0) this.#output.leave('messages that are not there', missing);
  }

  /** Null: it is left out, and `useCount` with it. */
  #messageOf(message: MosquittoMessage, useCount: number): OwnedMessage | null {
    const own = messageIn(message, this.#nowMs);
    if (own === null) this.#output.leave('messages that cannot be read', useCount);
    else if (own.expiresAtMs > 0) return own;
    else this.#output.leave('messages that have expired', useCount);
    return null;
  }

  #writeRows(message: OwnedMessage, planned: readonly PlannedRow[]): void {
    const isShared = planned.length > 1;
    if (isShared) this.#writeMessage(message);
    for (const row of planned) {
      const { qos, isRetained, identifiers } = row;
      const delivery = { message, qos, retain: isRetained, subscriptionIdentifiers: identifiers, shared: null };
      const place = { ...row, payloadBytes: message.payloadEnd };
      if (isShared) this.#output.ops.queuedShared(place, this.#lastMessage, encodeRowShared(delivery));
      else this.#output.ops.queued(place, encodeRow(delivery, PORT_SCALE));
      if (!this.#output.isFull) continue;
      this.#output.flush();
      // Numbers of messages end with a piece.
      if (isShared) this.#writeMessage(message);
    }
    this.#rowCount += planned.length;
  }

  #writeMessage(message: OwnedMessage): void {
    this.#lastMessage += 1;
    this.#output.ops.message(this.#lastMessage, encodeMessage(message, PORT_SCALE));
  }

  /** A message without a payload takes the one of its topic away. */
  #retain(message: OwnedMessage): void {
    const { text, bytes } = message.topic;
    if (text === '$SYS' || text.startsWith('$SYS/')) {
      this.#output.leave('retained messages of $SYS');
      return;
    }
    if (message.payloadEnd === 0) {
      this.#retainedTopics.delete(text);
      this.#output.ops.retainedRemoved(bytes);
      return;
    }
    this.#retainedTopics.add(text);
    this.#output.ops.retained(bytes, encodeRetained(message, 0, PORT_SCALE));
    if (this.#output.isFull) this.#output.flush();
  }

  #routeUnreleased(): void {
    for (const { storeId, senderId } of this.#sessions.unreleased) {
      const message = this.#unreleased.get(storeId);
      if (message === undefined) continue;
      if (message.retain) this.#retain(message);
      const planned: PlannedRow[] = [];
      for (const { session, qos, isRetained, identifiers } of receiversOf(message, senderId, this.#sessions.byId)) {
        const row = { state: RowState.Queued, packetId: 0, qos, isRetained, identifiers };
        planned.push(this.#sessions.append(session, row));
      }
      this.#writeRows(message, planned);
    }
  }

  #takeWill(will: MosquittoWill): void {
    const clientId = plainText(will.clientId);
    const owner = clientId === null ? undefined : this.#sessions.owners.get(clientId);
    if (clientId === null || owner === undefined) {
      this.#output.leave('wills of clients that are not there');
      return;
    }
    const message = messageIn(
      {
        ...will,
        storeId: 0,
        expiresAt: 0,
        sourceId: will.clientId,
        sourceUserName: keyOf(owner.userName ?? ''),
        sourcePort: owner.listenerId,
      },
      this.#nowMs,
    );
    if (message === null) {
      this.#output.leave('wills that cannot be read');
      return;
    }
    const { delaySeconds, expirySeconds } = will;
    this.#output.ops.will(keyOf(clientId), encodeWill(owner, { message, delaySeconds, expirySeconds }, PORT_SCALE));
    this.#willCount += 1;
    if (this.#output.isFull) this.#output.flush();
  }

  #notes({ sessions, subscriptions, rows, retained, wills }: StoreCounts): StoreOpened['notes'] {
    const { file } = this.#options;
    const { leftWords } = this.#output;
    const found =
      `Imported ${file} (${this.#source.description}): ${sessions} sessions, ${subscriptions} subscriptions, ` +
      `${rows} messages queued or in flight, ${retained} retained messages, ${wills} wills. The file is left as it is.`;
    const left = `Warning: Not imported from ${file}: ${leftWords}.`;
    const { doubtfulCount } = this.#sessions;
    const doubt =
      `Warning: ${doubtfulCount} sessions stand in ${file} with the user name of another client, by a fault of ` +
      'Mosquitto 2.0, or have the same one. They are taken to have none.';
    const nameless =
      `Warning: ${file} does not say which users its sessions belong to. Each goes to the first client that connects with ` +
      'its client id, whatever its user name.';
    const hasNames = this.#source.hasUserNames || sessions === 0;
    const clock =
      'Warning: The clock of this machine is implausible, so it is not known how long ago ' +
      `${file} was written: no time is counted, and what expires does so later than it should.`;
    return [
      { level: 'notice', text: found },
      ...(leftWords === '' ? [] : [{ level: 'warning' as const, text: left }]),
      ...(hasNames ? [] : [{ level: 'warning' as const, text: nameless }]),
      ...(doubtfulCount === 0 ? [] : [{ level: 'warning' as const, text: doubt }]),
      ...(isPlausible(this.#options) ? [] : [{ level: 'warning' as const, text: clock }]),
    ];
  }
}

/** Whether the time since the file was written can be right: a box without a battery starts in 1970. */
function isPlausible({ wallMs, writtenMs }: ImportOptions): boolean {
  // Files have fractions of milliseconds.
  const agoMs = wallMs - Math.floor(writtenMs);
  return wallMs >= MADE_MS && agoMs >= 0 && agoMs <= YEARS_BETWEEN_RUNS_MAX * YEAR_MS;
}
