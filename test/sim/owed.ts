import assert from 'node:assert/strict';
import type { Qos } from '../../src/protocol/version.ts';

export interface SimMessage {
  /** Different for each message, but empty for those that clear a topic. */
  readonly text: string;
  readonly topic: string;
  readonly publisher: string;
  readonly qos: Qos;
  readonly retain: boolean;
  /** It has an expiry: it may never come. */
  readonly isOptional: boolean;
}

/** One delivery, as the application behind a client sees it. */
export interface Delivered {
  readonly text: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
}

/** The copies of one message that one receiver (a session, or a shared group) is owed, and has got. */
export class Owed {
  readonly message: SimMessage;
  /** Its place among all messages that were taken in, for the first time. */
  readonly order: number;
  /** It was taken in again (its PUBACK was lost): it has more than one place. */
  isRepeated = false;
  /** By QoS. */
  readonly #copies: [number, number, number] = [0, 0, 0];
  readonly #got: [number, number, number] = [0, 0, 0];
  /** Copies of QoS 0 that may have been lost with a connection. */
  #excusedCount = 0;
  /** Copies of QoS 1 that came without DUP. */
  #firstCount = 0;

  constructor(message: SimMessage, order: number) {
    this.message = message;
    this.order = order;
  }

  get wasSeen(): boolean {
    return this.#got.some((count) => count > 0);
  }

  /** One more copy is owed since the message was taken in as number `order`. */
  add(qos: Qos, order: number): void {
    this.#copies[qos] += 1;
    if (order !== this.order) this.isRepeated = true;
  }

  /** A copy has come. Of QoS 0 and 2 none may come that is not owed, of QoS 1 only as a repetition. */
  take({ text, topic, qos, dup }: Delivered): void {
    this.#got[qos] += 1;
    if (qos === 1 && !dup) this.#firstCount += 1;
    assert.equal(topic, this.message.topic, `${text} came on another topic`);
    const counted = qos === 1 ? this.#firstCount : this.#got[qos];
    const owed = this.#copies[qos];
    assert.ok(counted <= owed, `${text} came ${counted} times with QoS ${qos}, ${owed} were owed`);
    assert.ok(owed > 0, `${text} came with QoS ${qos}, which nobody asked for`);
  }

  /** The connection has ended: what of QoS 0 has not come by now will not come. */
  excuseQos0(): void {
    this.#excusedCount = this.#copies[0];
  }

  /**
   * At the end: QoS 1 has come at least as often as it was owed, QoS 2 exactly so often, and QoS 0 all the while that
   * the connection has stood.
   */
  assertComplete(receiver: string): void {
    if (this.message.isOptional) return;
    const { text } = this.message;
    const [quick, once, exactly] = this.#copies;
    const [gotQuick, gotOnce, gotExactly] = this.#got;
    const expected = quick - this.#excusedCount;
    assert.ok(gotQuick >= expected, `${receiver} got ${text} ${gotQuick} times with QoS 0, ${expected} were owed`);
    assert.ok(gotOnce >= once, `${receiver} got ${text} ${gotOnce} times with QoS 1, ${once} were owed`);
    assert.equal(gotExactly, exactly, `${receiver} got ${text} ${gotExactly} times with QoS 2, ${exactly} were owed`);
  }
}
