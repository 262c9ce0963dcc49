/**
 * Asks the Gatekeeper what an identity may do, and remembers the answers until the rules change. Remembered are answers
 * about topic names, because the same few are used over and over; filters are asked about each time. While the gatekeeper
 * has no rules nobody is asked.
 */
import type { PeerSecurity } from '../../base/link.ts';
import type { TopicFilter, TopicName } from '../../protocol/topic.ts';
import type { Publisher } from '../model/message.ts';
import { UNKNOWN_OWNER } from '../model/owner.ts';
import type { Gatekeeper, Identity } from '../ports.ts';
import { AnswerTable, PUBLISH, RECEIVE, UNKNOWN } from './answer-table.ts';
import { ClientIdentity } from './client-identity.ts';
import { isReservedForPublish } from './reserved-topics.ts';

export class Access {
  /** Null: everybody may receive everything, and nobody has to ask. */
  readonly mayReceive: ((identity: Identity, topic: TopicName) => boolean) | null;
  readonly #gatekeeper: Gatekeeper | null;
  readonly #onFault: (error: unknown) => void;
  readonly #answers = new AnswerTable();
  /** The rules that the answers were given by. */
  #rulesVersion: number;
  #lastNumber = 0;

  /** `onFault` is told of a gatekeeper that throws when asked in the middle of somebody else's matter; that counts as no. */
  constructor(gatekeeper: Gatekeeper | null, onFault: (error: unknown) => void) {
    this.#gatekeeper = gatekeeper;
    this.#onFault = onFault;
    this.#rulesVersion = gatekeeper?.rulesVersion ?? 0;
    this.mayReceive = gatekeeper === null ? null : (identity, topic) => this.#mayReceive(gatekeeper, identity, topic);
  }

  /** Another number: the gatekeeper has other rules than it had. */
  get rulesVersion(): number {
    return this.#gatekeeper === null ? 0 : this.#gatekeeper.rulesVersion;
  }

  /** The identity of a connection, about which answers can be remembered. */
  identify(fields: Identity): Identity {
    this.#lastNumber += 1;
    return new ClientIdentity(fields, this.#lastNumber);
  }

  /** May this client publish to the topic? Its final name: an alias has been resolved by now. */
  mayPublish(identity: Identity, topic: TopicName): boolean | Promise<boolean> {
    if (isReservedForPublish(topic.text)) return false;
    const gatekeeper = this.#gatekeeper;
    if (gatekeeper === null || !gatekeeper.hasRules) return true;
    const { rulesVersion } = gatekeeper;
    if (ClientIdentity.mayPublishAgain(identity, topic, rulesVersion)) return true;
    const client = ClientIdentity.numberOf(identity);
    const known = this.#answersBy(rulesVersion).find(client, topic, PUBLISH);
    if (known !== UNKNOWN) {
      // What is found there has a number of its own, so it is not lent.
      if (known === 1) ClientIdentity.allowPublish(identity, topic, rulesVersion);
      return known === 1;
    }
    const answer = gatekeeper.mayPublish(identity, topic);
    if (typeof answer === 'boolean' && client > 0) this.#answers.remember(client, topic, PUBLISH, answer);
    return answer;
  }

  /** Might who published a retained message do so today? */
  readonly mayHavePublished = (publisher: Publisher, topic: TopicName): boolean => {
    const gatekeeper = this.#gatekeeper;
    if (gatekeeper === null || !gatekeeper.hasRules) return true;
    try {
      return gatekeeper.mayHavePublished(publisher, topic);
    } catch (error) {
      this.#onFault(error);
      return false;
    }
  };

  maySubscribe(identity: Identity, filter: TopicFilter): boolean | Promise<boolean> {
    const gatekeeper = this.#gatekeeper;
    return gatekeeper === null || !gatekeeper.hasRules ? true : gatekeeper.maySubscribe(identity, filter);
  }

  /** Would this client, which is connected, still be let in? */
  isStillWelcome(identity: Identity, security: PeerSecurity | null): boolean {
    if (this.#gatekeeper === null) return true;
    try {
      return this.#gatekeeper.isStillWelcome(identity, security);
    } catch (error) {
      this.#onFault(error);
      return false;
    }
  }

  #mayReceive(gatekeeper: Gatekeeper, identity: Identity, topic: TopicName): boolean {
    if (!gatekeeper.hasRules) return true;
    const { rulesVersion } = gatekeeper;
    if (ClientIdentity.mayReceiveAgain(identity, topic, rulesVersion)) return true;
    // It only waits: it is asked about again when it is handed out, to somebody with a name.
    if (identity.userName === UNKNOWN_OWNER) return true;
    const client = ClientIdentity.numberOf(identity);
    const known = this.#answersBy(rulesVersion).find(client, topic, RECEIVE);
    if (known !== UNKNOWN) {
      if (known === 1) ClientIdentity.allowReceive(identity, topic, rulesVersion);
      return known === 1;
    }
    try {
      const answer = gatekeeper.mayReceive(identity, topic);
      if (client > 0) this.#answers.remember(client, topic, RECEIVE, answer);
      return answer;
    } catch (error) {
      // It is asked in the middle of somebody else's message: the fault must not be theirs.
      this.#onFault(error);
      return false;
    }
  }

  /** The answers that were given by these rules. */
  #answersBy(rulesVersion: number): AnswerTable {
    if (rulesVersion !== this.#rulesVersion) {
      this.#rulesVersion = rulesVersion;
      this.#answers.clear();
    }
    return this.#answers;
  }
}
