/**
 * The topics that a v5 client has given aliases to. Their number is announced (Topic Alias Maximum); their bytes have a
 * limit as well, because 65535 aliases of the longest topics would be 4 GiB for one connection.
 */
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { Reason } from '../../protocol/reasons.ts';
import type { TopicName } from '../../protocol/topic.ts';

/** Bytes of all topics that one client may have aliases for: more than the default ten aliases can ever take. */
const TOPIC_BYTES_MAX = 1024 * 1024;

export class TopicAliases {
  readonly #topics = new Map<number, TopicName>();
  #topicBytes = 0;

  get(alias: number): TopicName | undefined {
    return this.#topics.get(alias);
  }

  /** The alias stands for this topic from now on. @throws ProtocolError when the topics of all aliases are too long. */
  set(alias: number, topic: TopicName): void {
    const before = this.#topics.get(alias);
    if (before === topic) return;
    this.#topicBytes += topic.bytes.length - (before?.bytes.length ?? 0);
    if (this.#topicBytes > TOPIC_BYTES_MAX) {
      throw new ProtocolError(
        Reason.QuotaExceeded,
        '',
        `the topics of its aliases have more than ${TOPIC_BYTES_MAX} bytes`,
      );
    }
    this.#topics.set(alias, topic);
  }
}
