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

/** One time that a message was taken in. */
export interface Taking {
  /** Its place among everything that was taken in. */
  readonly order: number;
  /** False: it was not acknowledged before a crash, which may have undone it. */
  isSure: boolean;
  /** It is on the disk: no crash undoes it. */
  isSafe: boolean;
}

/**
 * A message with all the times that it has reached the broker. One of QoS 2 comes again only after a crash, under its old
 * identifier: then exactly one of those times counts, and nobody knows which.
 */
export class Story {
  readonly message: SimMessage;
  readonly takings: Taking[] = [];

  constructor(message: SimMessage) {
    this.message = message;
  }

  get isRepeated(): boolean {
    return this.takings.length > 1;
  }

  /** What has been taken in is on the disk. */
  settle(): void {
    for (const taking of this.takings) taking.isSafe = true;
  }

  /** The process has died before anybody was told that the message is safe. */
  doubt(): void {
    for (const taking of this.takings) taking.isSure &&= taking.isSafe;
  }
}

/** How many copies of each QoS: from so many to so many. */
export interface Copies {
  readonly least: [number, number, number];
  readonly most: [number, number, number];
}

export function noCopies(): Copies {
  return { least: [0, 0, 0], most: [0, 0, 0] };
}

/** The copies of one message that one receiver (a session, or a shared group) is owed, and has got. */
export class Owed {
  readonly story: Story;
  /** Its place among all messages, when it was taken in for this receiver for the first time. */
  readonly order: number;
  readonly #copies = new Map<Taking, Copies>();
  /** By QoS. */
  readonly #got: [number, number, number] = [0, 0, 0];
  /** Copies of QoS 1 that came without DUP since the broker was started. */
  #firstCount = 0;

  constructor(story: Story, order: number) {
    this.story = story;
    this.order = order;
  }

  get wasSeen(): boolean {
    return this.#got.some((count) => count > 0);
  }

  /** More copies are owed since this taking; with `isSure` false perhaps. */
  add(taking: Taking, qos: Qos, isSure: boolean): void {
    const copies = this.#copies.get(taking) ?? noCopies();
    this.#copies.set(taking, copies);
    copies.most[qos] += 1;
    if (isSure) copies.least[qos] += 1;
  }

  /** A copy has come. Of QoS 0 and 2 none may come that is not owed, of QoS 1 only as a repetition. */
  take({ text, topic, qos, dup }: Delivered): void {
    this.#got[qos] += 1;
    if (qos === 1 && !dup) this.#firstCount += 1;
    assert.equal(topic, this.story.message.topic, `${text} came on another topic`);
    const counted = qos === 1 ? this.#firstCount : this.#got[qos];
    const owed = this.#most(qos);
    assert.ok(counted <= owed, `${text} came ${counted} times with QoS ${qos}, ${owed} were owed`);
    assert.ok(owed > 0, `${text} came with QoS ${qos}, which nobody asked for`);
  }

  /** The connection has ended: what of QoS 0 has not come by now will not come. */
  excuseQos0(): void {
    for (const { least } of this.#copies.values()) least[0] = 0;
  }

  /** The broker's process has died: it may have forgotten that it sent this before. */
  onCrash(): void {
    this.excuseQos0();
    this.#firstCount = 0;
  }

  /**
   * At the end: QoS 1 has come at least as often as it was owed, QoS 2 exactly so often, and QoS 0 all the while that
   * the connection has stood.
   */
  assertComplete(receiver: string): void {
    const { text, isOptional } = this.story.message;
    if (isOptional) return;
    const [gotQuick, gotOnce, gotExactly] = this.#got;
    const quick = this.#least(0);
    const once = this.#least(1);
    const exactly = this.#least(2);
    assert.ok(gotQuick >= quick, `${receiver} got ${text} ${gotQuick} times with QoS 0, ${quick} were owed`);
    assert.ok(gotOnce >= once, `${receiver} got ${text} ${gotOnce} times with QoS 1, ${once} were owed`);
    assert.ok(gotExactly >= exactly, `${receiver} got ${text} ${gotExactly} times with QoS 2, ${exactly} were owed`);
  }

  #least(qos: Qos): number {
    const { takings, message } = this.story;
    const counts = takings.map((taking) => this.#copies.get(taking)?.least[qos] ?? 0);
    if (message.qos === 2 && takings.length > 1) return takings.at(-1)?.isSure === true ? Math.min(...counts) : 0;
    return counts.reduce((sum, count, index) => sum + (takings[index]?.isSure === true ? count : 0), 0);
  }

  #most(qos: Qos): number {
    const counts = [...this.#copies.values()].map(({ most }) => most[qos]);
    // What leaves with QoS 2 leaves when its taking is durable: it is not undone.
    return qos === 2 ? Math.max(0, ...counts) : counts.reduce((sum, count) => sum + count, 0);
  }
}
