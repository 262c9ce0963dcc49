/** Seeded commits as a broker makes them, for the tests that damage what comes of them. */
import { OpWriter, type RowPlace, RowState } from '../../src/modules/persistence/ops.ts';
import type { Chance } from '../fixtures/chance.ts';

const SESSIONS = 4;
const TOPICS = 60;
const LARGE_BYTES = 9000;

/** Makes one commit after the other. Positions grow, rows are sent and end in order, sessions never come again. */
export class StoreTraffic {
  readonly #chance: Chance;
  readonly #queues = new Map<number, { next: number; first: number }>();
  #nextSession = 1;
  #nextMessage = 1;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  /** One commit of up to `size` changes. */
  next(size: number): Uint8Array<ArrayBuffer> {
    const writer = new OpWriter();
    while (this.#queues.size < SESSIONS) this.#begin(writer);
    for (let left = this.#chance.between(1, size); left > 0; left -= 1) this.#change(writer);
    writer.time(this.#chance.below(1e9), this.#chance.below(1e9));
    return writer.finish();
  }

  #change(writer: OpWriter): void {
    const chance = this.#chance;
    const session = chance.pick([...this.#queues.keys()]);
    chance.weighted<readonly [number, () => void]>([
      [40, [0, () => writer.queued(this.#place(session), this.#body())]],
      [10, [0, () => this.#share(writer)]],
      [20, [0, () => this.#finish(session, writer)]],
      [20, [0, () => writer.retained(this.#topic(), this.#body())]],
      [5, [0, () => writer.retainedRemoved(this.#topic())]],
      [5, [0, () => writer.subscribed(session, this.#topic(), chance.bytes(12))]],
      [2, [0, () => writer.unsubscribed(session, this.#topic())]],
      [3, [0, () => writer.received(session, chance.between(1, 9))]],
      [3, [0, () => writer.receivedDone(session, chance.between(1, 9))]],
      [3, [0, () => writer.will(this.#topic(), this.#body())]],
      [2, [0, () => writer.willRemoved(this.#topic())]],
      [1, [0, () => this.#end(session, writer)]],
    ])[1]();
  }

  #begin(writer: OpWriter): void {
    const session = this.#nextSession;
    this.#nextSession += 1;
    this.#queues.set(session, { next: 1, first: 1 });
    writer.session(session, this.#chance.bytes(30));
  }

  #end(session: number, writer: OpWriter): void {
    this.#queues.delete(session);
    writer.sessionRemoved(session);
    this.#begin(writer);
  }

  #share(writer: OpWriter): void {
    const message = this.#nextMessage;
    this.#nextMessage += 1;
    writer.message(message, this.#body());
    for (const session of this.#queues.keys()) {
      writer.queuedShared(this.#place(session), message, this.#chance.bytes(4));
    }
  }

  #finish(session: number, writer: OpWriter): void {
    const queue = this.#queues.get(session);
    if (queue === undefined || queue.first === queue.next) return;
    const state = this.#chance.pick([RowState.Sent, RowState.Released]);
    if (this.#chance.percent(30)) {
      writer.moved(session, queue.first, state, this.#chance.between(1, 0xffff));
      return;
    }
    writer.done(session, queue.first);
    queue.first += 1;
  }

  #place(session: number): RowPlace {
    const queue = this.#queues.get(session) ?? { next: 1, first: 1 };
    const position = queue.next;
    queue.next += 1;
    return { session, position, state: RowState.Queued, packetId: 0, payloadBytes: this.#chance.below(1000) };
  }

  #topic(): Uint8Array {
    return new TextEncoder().encode(`plant/line/${this.#chance.below(TOPICS)}`);
  }

  /** Mostly small, now and then longer than a page. */
  #body(): Uint8Array {
    return this.#chance.bytes(this.#chance.percent(4) ? this.#chance.below(LARGE_BYTES) : this.#chance.between(1, 200));
  }
}
