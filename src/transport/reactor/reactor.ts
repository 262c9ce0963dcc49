/**
 * One epoll instance that holds all sockets, and the turn of the broker around it.
 *
 *   libuv: epoll is readable ──▶ take a batch of events ──▶ each source handles its own ──▶ ends are told
 *            ▲                                                                                    │
 *            └──── stay: wait a little in our own epoll, or leave ◀──── the turn's end: output ◀──┘
 *
 * The epoll descriptor is watched by the event loop of node, so that timers, promises and files go on as usual. Going
 * back to libuv costs two system calls and a callback for each batch; under load the reactor therefore stays: it waits
 * in its own epoll as long as events come, for STAY_MS at most. What another thread wakes libuv with (a worker's message,
 * the end of file work) ends that at once. Timers and the sockets of node may have to wait that much longer, and WAIT_MS
 * more when the events cease just then. Blocking in a uv_prepare callback would save one call more, but then a descriptor
 * that libuv has not registered yet is not heard of.
 *
 * Node runs neither promises nor process.nextTick after a callback that C made. An immediate that does nothing makes
 * them run within the same turn of the loop; it is set whenever the reactor leaves. What pauses a link, opens or ends
 * one has probably started something that goes on by promise: the reactor leaves at once then.
 */
import type { Turn } from '../../base/turn.ts';
import { eventDescriptorsIn } from './loop-wakers.ts';
import { EAGAIN, EINTR, EPOLLET, EPOLLIN, EVENT_LAYOUTS, Native, type PollHandle } from './native.ts';
import { systemError } from './system-error.ts';

/** A busy reactor goes back to libuv after this time, so that everything else of the process has its turn. */
const STAY_MS = 10;
/**
 * The longest single wait of a busy reactor. Not shorter: below the kernel's tick (4 ms at 250 Hz) each wait programs the
 * processor's timer anew, which a virtual machine pays with 4 us, twice: 51 us of processor time for a message, not 45.
 */
const WAIT_MS = 5;
/** The reactor stays only while events come at most this far apart. */
const STAY_GAP_MS = 0.5;
/** A batch is cut after this time, so that output leaves and timers run; the rest of it comes first in the next one. */
const BATCH_MS = 4;

/**
 * What an entry of the epoll set belongs to. Sources that carry bytes are told of a change only (EPOLLET): one that does
 * not take all there is must ask for its next turn with `again`.
 */
export interface Source {
  /** `mask`: what epoll has reported. Must not throw. */
  onReady(mask: number): void;
}

/** A source that has not taken all there was. */
export interface Eager {
  /** Its next turn has come. Called once for each call of `again`, also when it is over with it meanwhile. */
  onAgain(): void;
}

/** Something to be done when the present batch, or turn, is over. */
export interface Deferred {
  /** Must not throw. */
  runDeferred(): void;
}

export interface ReactorOptions {
  /** Time after which a batch is cut; only tests have another, which a slow machine must not cut. */
  readonly batchMs?: number;
}

/** Makes the reactor of this process. @throws Error that says why there can be none */
export function createReactor({ batchMs = BATCH_MS }: ReactorOptions = {}): Reactor {
  if (process.platform !== 'linux') throw new Error(`it needs Linux, this is ${process.platform}`);
  const layout = EVENT_LAYOUTS[process.arch];
  if (layout === undefined) throw new Error(`it does not know the processor ${process.arch}`);
  const ffi = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) throw new Error(`this Node (${process.version}) has no node:ffi`);
  return new Reactor(new Native(ffi, layout), batchMs);
}

export class Reactor {
  readonly native: Native;
  /** The end of the reactor's batch while there is one, else that of node's turn. */
  readonly turn: Turn = { atEnd: (run) => this.#atEnd(run) };
  readonly #batchMs: number;
  readonly #epoll: number;
  readonly #poll: PollHandle;
  readonly #sources: (Source | null)[] = [];
  /** Grows when a slot is given up: an event that was on its way to the last owner does not reach the next. */
  readonly #generations: number[] = [];
  readonly #freeSlots: number[] = [];
  #sourceCount = 0;
  /** The batch being handled: events `[#at, #count)` are still to come. */
  #at = 0;
  #count = 0;
  #isInBatch = false;
  #mustLeave = false;
  #runs: (() => void)[] = [];
  #isEnding = false;
  #hasImmediate = false;
  /** Sources that have more to do, and what they are told. */
  #again: Eager[] = [];
  #deferred: Deferred[] = [];
  #lastEventMs = 0;
  /** Whether it hears what wakes libuv, without which it does not stay; null before it has looked for that. */
  #hearsLoop: boolean | null = null;
  /** libuv was woken and has not had its turn since. */
  #isLoopDue = false;
  readonly #onImmediate = (): void => this.#endNodeTurn();
  readonly #runNextTurn = (what: Deferred): void => {
    what.runDeferred();
    this.#tellDeferred();
  };

  /** @throws Error when the system refuses */
  constructor(native: Native, batchMs: number) {
    this.native = native;
    this.#batchMs = batchMs;
    this.#epoll = native.epollCreate();
    if (this.#epoll < 0) throw systemError('epoll_create1', -this.#epoll);
    this.#poll = native.poll(this.#epoll, () => this.#onReadable());
    this.#poll.keepAlive(false);
    // While the process ends libuv goes on for a while, but nothing of ours may run any more.
    process.once('exit', () => this.#poll.stop());
  }

  // ------------------------------------------------------------------------------------------------------ sources

  /** Watches a descriptor. @returns its slot, or -errno */
  add(fd: number, mask: number, source: Source): number {
    const slot = this.#enter(fd, mask, source);
    if (slot < 0) return slot;
    this.#sourceCount += 1;
    if (this.#sourceCount === 1) this.#poll.keepAlive(true);
    return slot;
  }

  #enter(fd: number, mask: number, source: Source): number {
    const slot = this.#freeSlots.pop() ?? this.#sources.length;
    const generation = this.#generations[slot] ?? 0;
    const result = this.native.epollAdd(this.#epoll, fd, mask, slot, generation);
    if (result < 0) {
      if (slot < this.#sources.length) this.#freeSlots.push(slot);
      return result;
    }
    this.#sources[slot] = source;
    this.#generations[slot] = generation;
    return slot;
  }

  /** Whether it hears what libuv is woken with, which it watches from the first time on that this is asked. */
  #isHearing(): boolean {
    // Not at the start: libuv takes it into its own set in its first turn.
    this.#hearsLoop ??= this.#hearLoop();
    return this.#hearsLoop;
  }

  #hearLoop(): boolean {
    const onReady = (): void => {
      this.#mustLeave = true;
      this.#isLoopDue = true;
    };
    const waker: Source = { onReady };
    // For a change, not a state: it is libuv that reads it. Not counted: it keeps no process alive.
    const slots = eventDescriptorsIn(this.native.loopEpoll()).map((fd) => this.#enter(fd, EPOLLIN | EPOLLET, waker));
    return slots.some((slot) => slot >= 0);
  }

  /** Changes what is watched for. @returns 0 or -errno */
  change(slot: number, fd: number, mask: number): number {
    return this.native.epollChange(this.#epoll, fd, mask, slot, this.#generations[slot] ?? 0);
  }

  /** Takes the descriptor out of the set, but keeps the slot: not even a hang-up is reported. @returns 0 or -errno */
  suspend(fd: number): number {
    return this.native.epollRemove(this.#epoll, fd);
  }

  /** Puts a suspended one back. @returns 0 or -errno */
  restore(slot: number, fd: number, mask: number): number {
    return this.native.epollAdd(this.#epoll, fd, mask, slot, this.#generations[slot] ?? 0);
  }

  /** A turn in the next batch. A source asks for one at a time, or the busiest would have the most. */
  again(source: Eager): void {
    this.#again.push(source);
    if (!this.#isInBatch) this.#askImmediate();
  }

  /** Gives up the slot. The caller closes the descriptor next, which takes it out of the set. */
  remove(slot: number): void {
    this.#sources[slot] = null;
    this.#generations[slot] = ((this.#generations[slot] ?? 0) + 1) | 0;
    this.#freeSlots.push(slot);
    this.#sourceCount -= 1;
    if (this.#sourceCount === 0) this.#poll.keepAlive(false);
  }

  // ------------------------------------------------------------------------------------------------------- turns

  /** Runs `what` at the end of the present batch, or in node's next turn when there is none. */
  defer(what: Deferred): void {
    this.#deferred.push(what);
    this.#mustLeave = true;
    if (!this.#isInBatch) this.#askImmediate();
  }

  /** Runs `what` after everything that was set up until now: promises, ticks, immediates. */
  deferToNextTurn(what: Deferred): void {
    this.#mustLeave = true;
    // One of its own: an immediate that was set earlier would run before what the turn has set up since.
    setImmediate(this.#runNextTurn, what);
  }

  /** The reactor gives way to promises and the like after this batch. */
  leaveSoon(): void {
    this.#mustLeave = true;
  }

  #atEnd(run: () => void): void {
    this.#runs.push(run);
    // A run of this batch's end that asks again waits for the next one.
    if (!this.#isInBatch || this.#isEnding) this.#askImmediate();
  }

  #askImmediate(): void {
    if (this.#hasImmediate) return;
    this.#hasImmediate = true;
    setImmediate(this.#onImmediate);
  }

  #endNodeTurn(): void {
    this.#hasImmediate = false;
    if (this.#again.length > 0 || this.#at < this.#count) this.#takeBatches(!this.#isLoopDue);
    this.#tellDeferred();
    this.#runEnds();
  }

  #tellDeferred(): void {
    // What is deferred meanwhile (a link that ends because another has) has its turn as well.
    for (let index = 0; index < this.#deferred.length; index++) {
      try {
        this.#deferred[index]?.runDeferred();
      } catch (error) {
        raise(error);
      }
    }
    this.#deferred.length = 0;
  }

  #runEnds(): void {
    const due = this.#runs;
    if (due.length === 0) return;
    this.#runs = [];
    this.#isEnding = true;
    for (const run of due) {
      try {
        run();
      } catch (error) {
        raise(error);
      }
    }
    this.#isEnding = false;
  }

  // ------------------------------------------------------------------------------------------------------- batches

  /** Called by libuv, from C: nothing may be thrown out of here. */
  #onReadable(): void {
    // What libuv was woken for is in the same turn of its, but may come after this: another stay would hold it up.
    const mayStay = !this.#isLoopDue;
    this.#isLoopDue = false;
    try {
      this.#takeBatches(mayStay);
    } catch (error) {
      this.#isInBatch = false;
      raise(error);
    }
    this.#askImmediate();
  }

  #takeBatches(mayStay: boolean): void {
    const startMs = performance.now();
    let isBusy = startMs - this.#lastEventMs < STAY_GAP_MS;
    this.#isInBatch = true;
    this.#mustLeave = false;
    let nowMs = startMs;
    let timeoutMs = 0;
    do {
      const isDue = this.#again.length > 0 || this.#runs.length > 0;
      if (!this.#takeBatch(isDue ? 0 : timeoutMs)) break;
      this.#handleBatch();
      this.#tellDeferred();
      this.#runEnds();
      nowMs = performance.now();
      isBusy ||= nowMs - startMs > STAY_GAP_MS;
      timeoutMs = isBusy ? WAIT_MS : 0;
    } while (mayStay && isBusy && !this.#mustLeave && nowMs - startMs < STAY_MS && this.#isHearing());
    this.#lastEventMs = nowMs;
    this.#isInBatch = false;
    if (this.#again.length > 0 || this.#at < this.#count) this.#askImmediate();
  }

  /** @returns false when nothing has come */
  #takeBatch(timeoutMs: number): boolean {
    if (this.#at < this.#count) return true;
    this.#at = 0;
    this.#count = this.native.epollWait(this.#epoll, timeoutMs);
    if (this.#count > 0 || (this.#count === 0 && this.#again.length > 0)) return true;
    const errno = -this.#count;
    this.#count = 0;
    if (errno !== 0 && errno !== EINTR && errno !== EAGAIN) raise(systemError('epoll_wait', errno));
    return false;
  }

  #handleBatch(): void {
    const startMs = performance.now();
    const { events, layout } = this.native;
    const { words, dataWord } = layout;
    while (this.#at < this.#count) {
      const word = this.#at * words;
      this.#at += 1;
      const slot = events[word + dataWord]!;
      const source = this.#sources[slot];
      if (source === null || source === undefined) continue;
      if (this.#generations[slot] !== events[word + dataWord + 1]) continue;
      try {
        source.onReady(events[word]!);
      } catch (error) {
        raise(error);
      }
      // What an event costs is not seen in its bytes: ten of them may go to a thousand subscribers.
      if (performance.now() - startMs > this.#batchMs) break;
    }
    if (this.#again.length > 0) this.#handleAgain(startMs);
  }

  /** Those that have not taken all there was, in order, as far as the time of the batch goes: one at least. */
  #handleAgain(startMs: number): void {
    const dueCount = this.#again.length;
    let count = 0;
    while (count < dueCount) {
      const source = this.#again[count];
      count += 1;
      try {
        source?.onAgain();
      } catch (error) {
        raise(error);
      }
      if (performance.now() - startMs > this.#batchMs) break;
    }
    this.#again.splice(0, count);
  }
}

/** A defect of ours: reported where node reports what nobody has caught, outside of the callback. */
function raise(error: unknown): void {
  setImmediate(() => {
    throw error;
  });
}
