/**
 * A message on its way through the broker, in its two states.
 *
 *   BorrowedMessage   points into the receive buffer; valid until the handler of its PUBLISH ends; one reused object
 *   OwnedMessage      has its payload for itself; shared by every queue, window and store that holds it; immutable
 *
 * Whoever keeps a message calls `own()`: the first call copies the payload, later calls return the same object. Reading
 * works alike on both. Properties that the broker only forwards stay encoded, so that they leave as they came.
 */
import { copyBytes } from '../../protocol/read.ts';
import type { TopicName } from '../../protocol/topic.ts';
import type { Qos } from '../../protocol/version.ts';

export const NO_BYTES: Uint8Array = new Uint8Array(0);

/** Payloads of at least this many bytes are not copied when the frame around them can be kept instead. */
const KEPT_PAYLOAD_BYTES = 4096;

/** Who published a message, as far as rights go: what is asked when a retained one is handed out. */
export interface Publisher {
  readonly clientId: string;
  readonly userName: string | null;
  /** ListenerSettings.id of the listener it came through. */
  readonly listenerId: number;
}

/** What may be read of a message, borrowed or owned. */
export interface Message {
  readonly topic: TopicName;
  readonly qos: Qos;
  /** RETAIN as the publisher set it. */
  readonly retain: boolean;
  /** Monotonic milliseconds after which it is not delivered; Infinity = never. */
  readonly expiresAtMs: number;
  /** v5 properties to pass on unaltered, encoded: all but alias, expiry and subscription identifiers. */
  readonly forwardedProperties: Uint8Array;
  /** Client id of the publisher, for No Local. Empty for the broker's own messages. */
  readonly publisherId: string;
  /** Null for the broker's own messages. */
  readonly publisher: Publisher | null;
  /** The payload is `bytes[payloadStart, payloadEnd)`. */
  readonly bytes: Uint8Array;
  readonly payloadStart: number;
  readonly payloadEnd: number;
  /**
   * Another number for each message that one reused object stands for. Absent: it may stand for another one at the next
   * look, so that nothing may be remembered of it.
   */
  readonly serial?: number;
  own(): OwnedMessage;
}

/** What an OwnedMessage is made of. Without a publisher it is the broker's own. */
export type OwnedFields = Omit<Message, 'payloadStart' | 'payloadEnd' | 'serial' | 'own' | 'publisher'> & {
  readonly publisher?: Publisher | null;
};

export class OwnedMessage implements Message {
  readonly topic: TopicName;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly expiresAtMs: number;
  readonly forwardedProperties: Uint8Array;
  readonly publisherId: string;
  readonly publisher: Publisher | null;
  readonly bytes: Uint8Array;
  readonly payloadStart = 0;
  readonly payloadEnd: number;
  /** How many queues and windows hold it: the business of StoredMessages, and all that ever changes here. */
  holdCount = 0;

  constructor(fields: OwnedFields) {
    this.topic = fields.topic;
    this.qos = fields.qos;
    this.retain = fields.retain;
    this.expiresAtMs = fields.expiresAtMs;
    this.forwardedProperties = fields.forwardedProperties;
    this.publisherId = fields.publisherId;
    this.publisher = fields.publisher ?? null;
    this.bytes = fields.bytes;
    this.payloadEnd = fields.bytes.length;
  }

  get serial(): number {
    return 0;
  }

  own(): OwnedMessage {
    return this;
  }
}

/** Filled anew for each PUBLISH by `handle/publish`. */
export class BorrowedMessage implements Message {
  topic: TopicName;
  qos: Qos = 0;
  retain = false;
  expiresAtMs = Infinity;
  forwardedProperties: Uint8Array = NO_BYTES;
  publisherId = '';
  publisher: Publisher | null = null;
  bytes: Uint8Array = NO_BYTES;
  payloadStart = 0;
  payloadEnd = 0;
  serial = 0;
  /** `bytes` will not be used again by whoever owns them: they may be kept. */
  isFrameKept = false;
  #owned: OwnedMessage | null = null;

  constructor(topic: TopicName) {
    this.topic = topic;
  }

  /** Makes it stand for the next PUBLISH: forgets the copy made for the last one. */
  renew(): void {
    this.#owned = null;
    this.serial += 1;
  }

  own(): OwnedMessage {
    if (this.#owned !== null) return this.#owned;
    const { topic, qos, retain, expiresAtMs, publisherId, publisher, forwardedProperties } = this;
    const bytes = this.#ownPayload();
    this.#owned = new OwnedMessage({
      topic,
      qos,
      retain,
      expiresAtMs,
      forwardedProperties,
      publisherId,
      publisher,
      bytes,
    });
    return this.#owned;
  }

  #ownPayload(): Uint8Array {
    const { bytes, payloadStart, payloadEnd } = this;
    const isKept = this.isFrameKept && payloadEnd - payloadStart >= KEPT_PAYLOAD_BYTES;
    return isKept ? bytes.subarray(payloadStart, payloadEnd) : copyBytes(bytes, payloadStart, payloadEnd);
  }
}
