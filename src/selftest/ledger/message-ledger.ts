/**
 * Who must receive which message. Messages are numbered per stream (one publisher, one topic, one QoS), so their order and
 * whether they were ever sent can be told from their number. Each receiver is owed every message of every stream.
 *
 *   sent -> acknowledged ----------------------------> settled: every receiver has it, it is forgotten
 *        -> abandoned (its publisher has no session) -> settled: may have come, or not
 *
 * What is settled stays known as a number per stream: whatever comes at or below it comes again.
 */
import type { Qos } from '../../protocol/version.ts';
import type { Report } from './faults.ts';

/** Messages that are not settled, in all streams together: a campaign that does not settle is a fault of ours. */
const OPEN_MAX = 1_000_000;

export interface StreamName {
  readonly topic: string;
  readonly qos: Qos;
}

export interface ReceivedMessage {
  readonly topic: string;
  readonly number: number;
  readonly qos: Qos;
}

export interface MessageCounts {
  sent: number;
  acknowledged: number;
  delivered: number;
  /** Repetitions that QoS 1 allows. */
  repeated: number;
}

interface OpenMessage {
  acknowledgedMs: number | null;
  isAbandoned: boolean;
}

interface Stream extends StreamName {
  lastSent: number;
  settled: number;
  /** Numbers above `settled`. */
  readonly open: Map<number, OpenMessage>;
}

interface Receiver {
  readonly name: string;
  /** The QoS of its subscription. */
  readonly qos: Qos;
  readonly isOrdered: boolean;
  readonly byTopic: Map<string, Arrivals>;
}

interface Arrivals {
  /** Numbers above the stream's `settled`. */
  readonly seen: Set<number>;
  /** Abandoned ones of the last settlement that had not come: they still may. */
  late: Set<number>;
  highest: number;
}

export class MessageLedger {
  readonly counts: MessageCounts = { sent: 0, acknowledged: 0, delivered: 0, repeated: 0 };
  readonly #report: Report;
  readonly #now: () => number;
  readonly #streams = new Map<string, Stream>();
  readonly #receivers = new Map<string, Receiver>();
  #owed = 0;
  #openCount = 0;
  #crashMs = 0;

  /** `now`: milliseconds, for the text of faults. */
  constructor(report: Report, now: () => number) {
    this.#report = report;
    this.#now = now;
  }

  addStream(name: StreamName): void {
    this.#streams.set(name.topic, { ...name, lastSent: 0, settled: 0, open: new Map() });
  }

  /** From now on it is owed all that is sent. The members of a shared subscription are one receiver, without an order. */
  addReceiver(name: string, qos: Qos, isOrdered = true): void {
    this.#receivers.set(name, { name, qos, isOrdered, byTopic: new Map() });
  }

  /** Deliveries that are owed and have not come. */
  get owed(): number {
    return this.#owed;
  }

  /** @returns the number of the next message of the stream, which is sent now */
  sent(topic: string): number {
    const stream = this.#stream(topic);
    if (this.#openCount >= OPEN_MAX) throw new Error(`more than ${OPEN_MAX} messages are not settled`);
    stream.lastSent += 1;
    stream.open.set(stream.lastSent, { acknowledgedMs: null, isAbandoned: false });
    this.#openCount += 1;
    this.#owed += this.#receivers.size;
    this.counts.sent += 1;
    return stream.lastSent;
  }

  /** PUBACK or PUBREC came. */
  acknowledged(topic: string, number: number): void {
    const message = this.#stream(topic).open.get(number);
    if (message === undefined || message.acknowledgedMs !== null) return;
    message.acknowledgedMs = this.#now();
    this.counts.acknowledged += 1;
  }

  /** It was not acknowledged and will not be sent again: it may come, or not. */
  abandoned(topic: string, number: number): void {
    const message = this.#stream(topic).open.get(number);
    if (message === undefined || message.isAbandoned) return;
    message.isAbandoned = true;
    for (const receiver of this.#receivers.values()) {
      if (!arrivalsOf(receiver, topic).seen.has(number)) this.#owed -= 1;
    }
  }

  /** A receiver takes a message in as new, by its own state of QoS 2. */
  received(name: string, message: ReceivedMessage): void {
    const receiver = this.#receivers.get(name);
    const stream = this.#streams.get(message.topic);
    if (receiver === undefined) return;
    if (stream === undefined || message.number > stream.lastSent || message.number < 1) {
      this.#report('never-sent', `${name} received ${textOf(message)}`);
      return;
    }
    this.counts.delivered += 1;
    const expectedQos = Math.min(stream.qos, receiver.qos);
    if (message.qos !== expectedQos) {
      this.#report('wrong-qos', `${name} received ${textOf(message)} with QoS ${message.qos}, not ${expectedQos}`);
    }
    this.#takeIn(stream, receiver, message);
  }

  #takeIn(stream: Stream, receiver: Receiver, message: ReceivedMessage): void {
    const { number } = message;
    const arrivals = arrivalsOf(receiver, stream.topic);
    if (arrivals.late.delete(number)) return;
    if (number <= stream.settled || arrivals.seen.has(number)) {
      if (message.qos === 1) this.counts.repeated += 1;
      else
        this.#report('twice', `${receiver.name} received ${textOf(message)} again; ${this.#stateText(stream, number)}`);
      return;
    }
    if (receiver.isOrdered && number < arrivals.highest) {
      this.#report('disorder', `${receiver.name} received ${textOf(message)} after number ${arrivals.highest}`);
    }
    arrivals.highest = Math.max(arrivals.highest, number);
    arrivals.seen.add(number);
    if (stream.open.get(number)?.isAbandoned !== true) this.#owed -= 1;
  }

  /** The broker died. */
  crash(): void {
    this.#crashMs = this.#now();
  }

  /** Everything must be there now. Tells what is not, and forgets all of it. */
  settle(): void {
    for (const stream of this.#streams.values()) {
      for (const [number, message] of stream.open) this.#judge(stream, number, message);
      for (const receiver of this.#receivers.values()) {
        const arrivals = arrivalsOf(receiver, stream.topic);
        arrivals.late = new Set();
        for (const [number, { isAbandoned }] of stream.open) {
          if (isAbandoned && !arrivals.seen.has(number)) arrivals.late.add(number);
        }
        arrivals.seen.clear();
      }
      stream.open.clear();
      stream.settled = stream.lastSent;
    }
    this.#owed = 0;
    this.#openCount = 0;
  }

  #judge(stream: Stream, number: number, message: OpenMessage): void {
    if (message.isAbandoned) return;
    const text = textOf({ topic: stream.topic, number });
    if (message.acknowledgedMs === null) {
      this.#report('unacknowledged', `${text} (QoS ${stream.qos})`);
      return;
    }
    for (const receiver of this.#receivers.values()) {
      if (arrivalsOf(receiver, stream.topic).seen.has(number)) continue;
      this.#report('lost', `${receiver.name} did not receive ${text}; ${this.#stateText(stream, number)}`);
    }
  }

  #stateText(stream: Stream, number: number): string {
    const atMs = stream.open.get(number)?.acknowledgedMs ?? null;
    const word = stream.qos === 2 ? 'PUBREC' : 'PUBACK';
    if (number <= stream.settled) return `it was acknowledged by ${word} and delivered in an earlier cycle`;
    if (atMs === null) return `it was not acknowledged`;
    const beforeMs = this.#crashMs - atMs;
    const distance = `${Math.abs(beforeMs).toFixed(1)} ms ${beforeMs >= 0 ? 'before' : 'after'} the last kill`;
    return `it was acknowledged by ${word} ${distance}`;
  }

  #stream(topic: string): Stream {
    const stream = this.#streams.get(topic);
    if (stream === undefined) throw new Error(`there is no stream ${topic}`);
    return stream;
  }
}

function arrivalsOf(receiver: Receiver, topic: string): Arrivals {
  const known = receiver.byTopic.get(topic);
  if (known !== undefined) return known;
  const arrivals = { seen: new Set<number>(), late: new Set<number>(), highest: 0 };
  receiver.byTopic.set(topic, arrivals);
  return arrivals;
}

function textOf({ topic, number }: { readonly topic: string; readonly number: number }): string {
  return `message ${number} of ${topic}`;
}
