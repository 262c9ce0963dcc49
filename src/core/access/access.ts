/**
 * Asks the Gatekeeper what an identity may do, and remembers the answers until the rules change. Remembered are topic
 * names, because the same few are used over and over; filters are asked each time.
 */
import type { TopicFilter, TopicName } from '../../protocol/topic.ts';
import type { Gatekeeper, Identity } from '../ports.ts';
import { isReservedForPublish } from './reserved-topics.ts';

/** Answers remembered per identity and kind; when full they are forgotten and asked anew. */
const ANSWERS_MAX = 256;
/** Answers about longer topics are asked anew each time, so that what is remembered has a bound in bytes. */
const REMEMBERED_TOPIC_CHARS_MAX = 512;

interface Answers {
  rulesVersion: number;
  readonly publish: Map<string, boolean>;
  readonly receive: Map<string, boolean>;
}

export class Access {
  /** Null: everybody may receive everything, and nobody has to ask. */
  readonly mayReceive: ((identity: Identity, topic: TopicName) => boolean) | null;
  readonly #gatekeeper: Gatekeeper | null;
  readonly #onFault: (error: unknown) => void;
  readonly #answers = new WeakMap<Identity, Answers>();

  /** `onFault` is told of a gatekeeper that throws when asked what may be received; that counts as no. */
  constructor(gatekeeper: Gatekeeper | null, onFault: (error: unknown) => void) {
    this.#gatekeeper = gatekeeper;
    this.#onFault = onFault;
    this.mayReceive = gatekeeper === null ? null : (identity, topic) => this.#askReceive(gatekeeper, identity, topic);
  }

  /** May this client publish to the topic? Its final name: an alias has been resolved by now. */
  mayPublish(identity: Identity, topic: TopicName): boolean | Promise<boolean> {
    if (isReservedForPublish(topic.text)) return false;
    const gatekeeper = this.#gatekeeper;
    if (gatekeeper === null) return true;
    const answers = this.#of(gatekeeper, identity);
    const known = answers.publish.get(topic.text);
    if (known !== undefined) return known;
    const answer = gatekeeper.mayPublish(identity, topic);
    if (typeof answer !== 'boolean') return answer;
    return remember(answers.publish, topic.text, answer);
  }

  maySubscribe(identity: Identity, filter: TopicFilter): boolean | Promise<boolean> {
    return this.#gatekeeper === null ? true : this.#gatekeeper.maySubscribe(identity, filter);
  }

  #askReceive(gatekeeper: Gatekeeper, identity: Identity, topic: TopicName): boolean {
    const answers = this.#of(gatekeeper, identity);
    const known = answers.receive.get(topic.text);
    if (known !== undefined) return known;
    try {
      return remember(answers.receive, topic.text, gatekeeper.mayReceive(identity, topic));
    } catch (error) {
      // It is asked in the middle of somebody else's message: the fault must not be theirs.
      this.#onFault(error);
      return false;
    }
  }

  #of(gatekeeper: Gatekeeper, identity: Identity): Answers {
    const { rulesVersion } = gatekeeper;
    let answers = this.#answers.get(identity);
    if (answers === undefined) {
      answers = { rulesVersion, publish: new Map(), receive: new Map() };
      this.#answers.set(identity, answers);
    } else if (answers.rulesVersion !== rulesVersion) {
      answers.rulesVersion = rulesVersion;
      answers.publish.clear();
      answers.receive.clear();
    }
    return answers;
  }
}

function remember(answers: Map<string, boolean>, topic: string, answer: boolean): boolean {
  if (topic.length > REMEMBERED_TOPIC_CHARS_MAX) return answer;
  if (answers.size >= ANSWERS_MAX) answers.clear();
  answers.set(topic, answer);
  return answer;
}
