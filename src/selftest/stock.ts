/** What the publishers publish, with its place in the ledgers. */
import type { TopicName } from '../protocol/topic.ts';
import type { Chance } from './chance.ts';
import { topicNameOf } from './frames.ts';
import type { Ledgers } from './ledger/ledgers.ts';
import { payloadOf } from './payloads.ts';
import type { Article } from './publisher.ts';

export const STREAM_FILTER = 'crash/#';
export const RETAINED_FILTER = 'keep/#';

const STREAMS = [
  { name: 'q1a', qos: 1 },
  { name: 'q1b', qos: 1 },
  { name: 'q2a', qos: 2 },
  { name: 'q2b', qos: 2 },
] as const;
const RETAINED_TOPICS = 5;
const RETAINED_PERCENT = 25;
const CLEAR_PERCENT = 30;
const SMALL_BYTES_MAX = 300;
const LARGE_PERCENT = 3;
const LARGE_BYTES = 8000;
const NO_BYTES = new Uint8Array(0);

export class Stock {
  readonly #ledgers: Ledgers;
  readonly #chance: Chance;
  readonly #nonce: number;
  readonly #streams: readonly { readonly topic: TopicName; readonly qos: 1 | 2 }[];
  /** A version of QoS 1 that is sent again comes after one of QoS 2 that is not: each topic has one QoS. */
  readonly #retained: readonly { readonly topic: TopicName; readonly qos: 1 | 2 }[];

  /** All topics of one publisher. */
  constructor(publisher: string, ledgers: Ledgers, chance: Chance, nonce: number) {
    this.#ledgers = ledgers;
    this.#chance = chance;
    this.#nonce = nonce;
    this.#streams = STREAMS.map(({ name, qos }) => ({ topic: topicNameOf(`crash/${publisher}/${name}`), qos }));
    this.#retained = Array.from({ length: RETAINED_TOPICS }, (_, index) => {
      return { topic: topicNameOf(`keep/${publisher}/${index}`), qos: index % 2 === 0 ? 1 : 2 };
    });
    for (const { topic, qos } of this.#streams) ledgers.messages.addStream({ topic: topic.text, qos });
    for (const { topic } of this.#retained) ledgers.retained.addTopic(topic.text);
  }

  readonly next = (): Article => {
    return this.#chance.percent(RETAINED_PERCENT) ? this.#nextRetained() : this.#nextOfStream();
  };

  #nextOfStream(): Article {
    const { topic, qos } = this.#chance.pick(this.#streams);
    const { messages } = this.#ledgers;
    const number = messages.sent(topic.text);
    const bytes = this.#chance.percent(LARGE_PERCENT) ? LARGE_BYTES : this.#chance.below(SMALL_BYTES_MAX);
    return {
      topic,
      payload: payloadOf(this.#nonce, topic.text, number, bytes),
      qos,
      isRetained: false,
      onAcknowledged: () => messages.acknowledged(topic.text, number),
      onAbandoned: () => messages.abandoned(topic.text, number),
    };
  }

  #nextRetained(): Article {
    const { topic, qos } = this.#chance.pick(this.#retained);
    const isClear = this.#chance.percent(CLEAR_PERCENT);
    const { retained } = this.#ledgers;
    const number = retained.sent(topic.text, isClear);
    const payload = payloadOf(this.#nonce, topic.text, number, this.#chance.below(SMALL_BYTES_MAX));
    return {
      topic,
      payload: isClear ? NO_BYTES : payload,
      qos,
      isRetained: true,
      onAcknowledged: () => retained.acknowledged(topic.text, number),
      onAbandoned: () => {},
    };
  }
}
