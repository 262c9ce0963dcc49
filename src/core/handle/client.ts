/**
 * A client as the handlers see it: one that is connected. A connection that is not there yet has no such object, so a
 * handler cannot be called for it.
 */
import type { PeerSecurity } from '../../base/link.ts';
import type { ReasonCode } from '../../protocol/reasons.ts';
import type { ProtocolVersion } from '../../protocol/version.ts';
import type { Channel } from '../delivery/channel.ts';
import type { ListenerSettings } from '../model/listener.ts';
import type { BrokerSettings } from '../model/settings.ts';
import type { ClientView, EnhancedAuthentication, Identity } from '../ports.ts';
import type { Session, SessionHolder } from '../session/session.ts';
import type { Entrant } from './entrant.ts';
import { TopicAliases } from './topic-aliases.ts';

/** Why a connection ended, in the words of the log; null: the client said DISCONNECT or hung up in order. */
export type EndReason = string;

/** What its CONNECT says of a client for as long as it is connected. */
export interface ClientTraits {
  /** Mosquitto's private bridge mark: its subscriptions are no-local and retain-as-published. */
  readonly isBridge: boolean;
  /** Its CONNECT asked for a session that outlives the connection: a DISCONNECT may not ask for one first. */
  readonly wantedExpiry: boolean;
  /** v5 Authentication Method of its CONNECT; null = none. */
  readonly authenticationMethod: string | null;
}

export class Client implements SessionHolder, ClientView {
  readonly session: Session;
  readonly channel: Channel;
  readonly isBridge: boolean;
  readonly wantedExpiry: boolean;
  readonly authenticationMethod: string | null;
  /** QoS 2 messages taken in on this connection that wait for PUBREL. */
  unreleasedCount = 0;
  /** A re-authentication under way. */
  reauthentication: EnhancedAuthentication | null = null;
  readonly #entrant: Entrant;
  #aliases: TopicAliases | null = null;

  constructor(entrant: Entrant, session: Session, traits: ClientTraits) {
    this.session = session;
    this.channel = entrant.channel;
    this.isBridge = traits.isBridge;
    this.wantedExpiry = traits.wantedExpiry;
    this.authenticationMethod = traits.authenticationMethod;
    this.#entrant = entrant;
  }

  get identity(): Identity {
    return this.session.identity;
  }

  get version(): ProtocolVersion {
    return this.channel.version;
  }

  get remoteAddress(): string {
    return this.#entrant.remoteAddress;
  }

  get security(): PeerSecurity | null {
    return this.#entrant.security;
  }

  /** The listener it came through: what it was told of it holds while it is connected. */
  get listener(): ListenerSettings {
    return this.#entrant.listener;
  }

  /** The settings by which it was let in: what its CONNACK promised of them holds while it is connected. */
  get promised(): BrokerSettings {
    return this.#entrant.promised;
  }

  /** The topics that it has given aliases to. */
  get aliases(): TopicAliases {
    this.#aliases ??= new TopicAliases();
    return this.#aliases;
  }

  /** Ends the connection: v5 clients are told `reason` first. `words` go to the log. */
  disconnect(reason: ReasonCode, words: EndReason): void {
    this.#entrant.disconnect(reason, words);
  }

  /** The client said DISCONNECT: the link is closed without another word. */
  leave(words: EndReason | null): void {
    this.#entrant.leave(words);
  }
}
