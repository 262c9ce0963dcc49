import type { TopicName } from '../../protocol/topic.ts';

/** Bytes of all topics that one peer is given aliases for. */
const ALIAS_TOPIC_BYTES_MAX = 1024 * 1024;

/**
 * The aliases that a v5 peer was given: topics get 1..N as they come, later ones keep their names [MQTT-3.1.2-26]
 * [MQTT-3.1.2-27].
 */
export class GivenAliases {
  readonly #max: number;
  readonly #byTopic = new Map<string, number>();
  #topicBytes = 0;

  constructor(max: number) {
    this.#max = max;
  }

  /** The topic's alias; 0 = it has none. */
  find(topic: TopicName): number {
    return this.#byTopic.get(topic.text) ?? 0;
  }

  /** The alias that `give` would give it; 0 = there is none left. */
  nextFor(topic: TopicName): number {
    const isFull = this.#byTopic.size >= this.#max || this.#topicBytes + topic.bytes.length > ALIAS_TOPIC_BYTES_MAX;
    return isFull ? 0 : this.#byTopic.size + 1;
  }

  give(topic: TopicName): void {
    this.#byTopic.set(topic.text, this.#byTopic.size + 1);
    this.#topicBytes += topic.bytes.length;
  }
}
