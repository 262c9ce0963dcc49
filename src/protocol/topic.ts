/**
 * Topic names and filters as types: what carries these types has been checked, and nothing else can make them. A topic
 * keeps its bytes beside its text, so that sending it on is a copy and not an encoding.
 */
declare const brand: unique symbol;

/** A valid topic name: 1 to 65535 bytes of MQTT's UTF-8, no wildcard, at most 200 levels. */
export interface TopicName {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly [brand]: 'TopicName';
}

/** A valid topic filter, without its `$share/name/` prefix. `shareName` is null for an ordinary subscription. */
export interface TopicFilter {
  /** The whole text as the client sent it, `$share/…` included: the key of the subscription. */
  readonly text: string;
  /** What is matched against topic names. */
  readonly filter: string;
  readonly shareName: string | null;
  readonly [brand]: 'TopicFilter';
}

/** Levels of a topic name or filter; more is refused, as Mosquitto does. */
export const TOPIC_LEVELS_MAX = 200;
