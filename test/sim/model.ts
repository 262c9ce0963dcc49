/**
 * What a broker owes, written down as plainly as it can be: sessions, subscriptions, retained messages and wills, without
 * bytes, queues or windows. The simulation tells it what has reached the broker, in order; each delivery is then held
 * against it.
 *
 * Topics below `work/` are only subscribed to by shared subscriptions, all others only by ordinary ones, so that a delivery
 * tells why it came.
 */
import assert from 'node:assert/strict';
import type { Qos } from '../../src/protocol/version.ts';
import { matches } from './matches.ts';

/** Session Expiry Interval of a session that never ends. */
export const NEVER = 0xffff_ffff;

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

export interface SimWill {
  readonly message: SimMessage;
  readonly delaySeconds: number;
}

/** One delivery, as the application behind a client sees it. */
export interface Delivered {
  readonly text: string;
  readonly topic: string;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
}

/** Copies of one message that a session, or a shared group, is owed by QoS, and has got. */
class Owed {
  readonly message: SimMessage;
  /** When it was taken in first for this receiver. */
  readonly order: number;
  readonly copies = [0, 0, 0];
  readonly got = [0, 0, 0];

  constructor(message: SimMessage, order: number) {
    this.message = message;
    this.order = order;
  }

  add(qos: Qos): void {
    this.copies[qos] = (this.copies[qos] ?? 0) + 1;
  }

  take(seen: Delivered): void {
    const owed = this.copies[seen.qos] ?? 0;
    const got = (this.got[seen.qos] ?? 0) + 1;
    this.got[seen.qos] = got;
    const isRepeat = seen.qos === 1 && seen.dup;
    assert.ok(got <= owed || isRepeat || this.got[1] !== got - 0, `${seen.text} came ${got} times, owed ${owed}`);
    assert.ok(seen.qos === 1 || got <= owed, `${seen.text} came ${got} times with QoS ${seen.qos}, owed ${owed}`);
  }
}
