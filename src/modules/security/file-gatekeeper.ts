/**
 * The Gatekeeper by files: one for all listeners, each with its own rules, found by the listener's id. New rules take the
 * place of the old ones in one step, and the version grows, so that answers that others remember are asked anew.
 *
 * Who comes in, as Mosquitto decides it:
 *
 *   user name | password file | let in when
 *   none      | -             | allow_anonymous
 *   given     | none          | allow_anonymous: nobody is there who could check it
 *   given     | there         | the user is in it and the password is right
 *
 * A name out of a certificate or a key is not asked about: the core lets such a client in without us.
 *
 * Whatever is asked about a listener that is not there (any more) is denied: a session that outlives its listener must
 * not gain by it.
 */
import { assert } from '../../base/assert.ts';
import type { PeerSecurity } from '../../base/link.ts';
import type { Log } from '../../base/log.ts';
import type { Publisher } from '../../core/model/message.ts';
import type { AuthenticateAnswer, ConnectRequest, Gatekeeper, Identity } from '../../core/ports.ts';
import { Reason } from '../../protocol/reasons.ts';
import type { TopicName } from '../../protocol/topic.ts';
import type { AclVerdict } from './acl-rules.ts';
import { PasswordEntry, type PasswordTable } from './password-file.ts';
import type { PasswordVerifier } from './password-verifier.ts';
import { AclAccess } from './rule-tree.ts';
import { shown } from './security-file-error.ts';
import type { ListenerRules, PreparedRules } from './security-rules.ts';

/** The proof of those who were let in without one. An identity that has none at all did not come past `authenticate`. */
const UNCHECKED = Object.freeze({});

const ALLOWED: AuthenticateAnswer = { kind: 'allowed', proof: UNCHECKED };
/** A 3.x client is told return code 5, not authorized, as by Mosquitto. */
const REFUSED: AuthenticateAnswer = { kind: 'refused', reason: Reason.NotAuthorized };
const BUSY: AuthenticateAnswer = { kind: 'refused', reason: Reason.ServerBusy };

/** Listeners that are gone whose rules are kept. */
const GONE_MAX = 64;

export interface FileGatekeeperOptions {
  readonly log: Log;
  readonly verifier: PasswordVerifier;
  /** Bytes that nobody can guess; they choose whose work is done for users who are not there. */
  readonly secret: Uint8Array;
}

/** A user name and password that were sent, with the users to look in. */
interface Attempt {
  readonly userName: string;
  readonly password: Uint8Array;
  readonly listenerId: number;
  readonly passwords: PasswordTable;
}

export class FileGatekeeper implements Gatekeeper {
  readonly #log: Log;
  readonly #verifier: PasswordVerifier;
  readonly #secret: Uint8Array;
  /** Those whose dangerous name was told. */
  readonly #told = new WeakSet<Identity>();
  #byListener: ReadonlyMap<number, ListenerRules> = new Map();
  /**
   * Of listeners that are gone, as they were last: their sessions still have wills and queues. Not their users and keys, which
   * may be many: nobody comes in by them.
   */
  readonly #gone = new Map<number, ListenerRules['acl']>();
  #isRuledForgotten = false;
  #rulesVersion = 0;
  #hasRules = false;

  constructor({ log, verifier, secret }: FileGatekeeperOptions) {
    assert(secret.length > 0, 'the secret is empty');
    this.#log = log;
    this.#verifier = verifier;
    this.#secret = secret;
  }

  get rulesVersion(): number {
    return this.#rulesVersion;
  }

  /** Stays true when a listener with an ACL has gone: its sessions are still judged. */
  get hasRules(): boolean {
    return this.#hasRules;
  }

  /** Puts these rules in force, all at once. */
  apply({ byListener, warnings }: PreparedRules): void {
    for (const warning of warnings) this.#log.write('warning', warning);
    for (const [id, { acl }] of this.#byListener) {
      if (!byListener.has(id)) this.#gone.set(id, acl);
    }
    for (const id of byListener.keys()) this.#gone.delete(id);
    for (const [id, acl] of this.#gone) {
      if (this.#gone.size <= GONE_MAX) break;
      // The one that went first is forgotten: its sessions may do nothing from now on.
      this.#gone.delete(id);
      this.#isRuledForgotten ||= acl !== null;
    }
    const all = [...[...byListener.values()].map(({ acl }) => acl), ...this.#gone.values()];
    this.#hasRules = this.#isRuledForgotten || all.some((acl) => acl !== null);
    this.#byListener = byListener;
    this.#rulesVersion++;
  }

  /** The key of a PSK identity on a listener; null = it has none. */
  pskKeyOf(listenerId: number, identity: string): Uint8Array | null {
    return this.#byListener.get(listenerId)?.pskKeys?.get(identity) ?? null;
  }

  authenticate({ listenerId, userName, password }: ConnectRequest): AuthenticateAnswer | Promise<AuthenticateAnswer> {
    const rules = this.#byListener.get(listenerId);
    if (rules === undefined) return REFUSED;
    const { passwords, allowAnonymous } = rules;
    if (passwords === null || userName === null) return allowAnonymous ? ALLOWED : REFUSED;
    return password === null ? REFUSED : this.#check({ userName, password, listenerId, passwords });
  }

  mayPublish(identity: Identity, topic: TopicName): boolean {
    return this.#isAllowed(identity, topic, AclAccess.Write);
  }

  mayReceive(identity: Identity, topic: TopicName): boolean {
    return this.#isAllowed(identity, topic, AclAccess.Read);
  }

  mayHavePublished(publisher: Publisher, topic: TopicName): boolean {
    // A listener of before a restart: whoever changed its port did not mean to lose what was retained.
    if (!this.#byListener.has(publisher.listenerId) && !this.#gone.has(publisher.listenerId)) return true;
    // Not told in the log: it is asked for each subscriber anew.
    return this.#verdictOn(publisher, topic, AclAccess.Write) === 'allowed';
  }

  /** What a subscription brings is judged message by message, as by Mosquitto. */
  maySubscribe(identity: Identity): boolean {
    return this.#byListener.has(identity.listenerId);
  }

  startEnhanced(): null {
    return null;
  }

  /** Would this client come in by the rules in force now? */
  isStillWelcome({ listenerId, userName, proof }: Identity, security: PeerSecurity | null): boolean {
    const rules = this.#byListener.get(listenerId);
    if (rules === undefined) return false;
    const pskIdentity = security?.pskIdentity ?? null;
    if (pskIdentity !== null && this.pskKeyOf(listenerId, pskIdentity) === null) return false;
    if (proof === undefined && security !== null && userName !== null) return isNameOf(security, userName);
    const { passwords, allowAnonymous } = rules;
    if (passwords === null || userName === null) return allowAnonymous;
    return proof instanceof PasswordEntry && passwords.find(userName)?.isSame(proof) === true;
  }

  async #check(attempt: Attempt): Promise<AuthenticateAnswer> {
    const { userName, password, listenerId, passwords } = attempt;
    const entry = passwords.find(userName);
    const checked = entry ?? passwords.standInFor(userName, this.#secret);
    if (checked === undefined) return REFUSED;
    const answer = await this.#verifier.verify(checked.hash, password);
    if (answer === 'busy') return BUSY;
    if (answer === 'wrong' || entry === undefined) return REFUSED;
    // The rules may have changed meanwhile, and with them the password.
    const isStillThere = this.#byListener.get(listenerId)?.passwords?.find(userName)?.isSame(entry) === true;
    return isStillThere ? { kind: 'allowed', proof: entry } : REFUSED;
  }

  #isAllowed(identity: Identity, topic: TopicName, right: number): boolean {
    const verdict = this.#verdictOn(identity, topic, right);
    if (verdict === 'allowed') return true;
    if (verdict !== 'denied') this.#tellOnce(identity, verdict);
    return false;
  }

  #verdictOn(names: Publisher, topic: TopicName, right: number): AclVerdict {
    const rules = this.#byListener.get(names.listenerId);
    const acl = rules === undefined ? this.#gone.get(names.listenerId) : rules.acl;
    if (acl === undefined) return 'denied';
    return acl === null ? 'allowed' : acl.judge(names, topic, right);
  }

  #tellOnce(identity: Identity, verdict: AclVerdict): void {
    if (this.#told.has(identity)) return;
    this.#told.add(identity);
    const name =
      verdict === 'dangerous-user-name'
        ? `username "${shown(identity.userName ?? '')}"`
        : `client id "${shown(identity.clientId)}"`;
    this.#log.write('notice', `ACL denying access to client with dangerous ${name}`);
    this.#log.write('notice', "Its '+', '#' or '/' could be read as a part of a pattern; patterns give it nothing.");
  }
}

/** True when the name came out of the certificate or the key. */
function isNameOf({ certificate, pskIdentity }: PeerSecurity, userName: string): boolean {
  if (pskIdentity === userName) return true;
  return certificate !== null && (certificate.commonName === userName || certificate.subject === userName);
}
