import type { TopicName } from '../../protocol/topic.ts';
import type { Identity } from '../ports.ts';

/**
 * An identity about which answers are remembered: it has a number, by which they are found (see AnswerTable), and knows what
 * it was allowed last, because most clients do the same again. No two ever have the same number: a client that connects
 * again gets another.
 */
export class ClientIdentity implements Identity {
  readonly clientId: string;
  readonly userName: string | null;
  readonly listenerId: number;
  readonly proof: unknown;
  readonly #number: number;
  /** The topics that it was allowed to publish to and to receive last, by the rules of `#rulesVersion`. */
  #published: TopicName | null = null;
  #received: TopicName | null = null;
  #rulesVersion = 0;

  /** `number`: above 0. */
  constructor(fields: Identity, number: number) {
    this.clientId = fields.clientId;
    this.userName = fields.userName;
    this.listenerId = fields.listenerId;
    this.proof = fields.proof;
    this.#number = number;
  }

  /** The number of an identity; 0 when it has none. */
  static numberOf(identity: Identity): number {
    return #number in identity ? identity.#number : 0;
  }

  /** True: it was allowed to publish to this very object last, and the rules are the same. */
  static mayPublishAgain(identity: Identity, topic: TopicName, rulesVersion: number): boolean {
    return #number in identity && identity.#published === topic && identity.#rulesVersion === rulesVersion;
  }

  /** The same for what it receives. */
  static mayReceiveAgain(identity: Identity, topic: TopicName, rulesVersion: number): boolean {
    return #number in identity && identity.#received === topic && identity.#rulesVersion === rulesVersion;
  }

  /** It may publish to this topic, an object that will never stand for another one. */
  static allowPublish(identity: Identity, topic: TopicName, rulesVersion: number): void {
    if (!(#number in identity)) return;
    if (identity.#rulesVersion !== rulesVersion) identity.#received = null;
    identity.#published = topic;
    identity.#rulesVersion = rulesVersion;
  }

  static allowReceive(identity: Identity, topic: TopicName, rulesVersion: number): void {
    if (!(#number in identity)) return;
    if (identity.#rulesVersion !== rulesVersion) identity.#published = null;
    identity.#received = topic;
    identity.#rulesVersion = rulesVersion;
  }
}
