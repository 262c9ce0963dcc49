/**
 * A client as the handlers see it: one that is connected. A connection that is not there yet has no such object, so a
 * handler cannot be called for it.
 */
import type { ReasonCode } from '../../protocol/reasons.ts';
import type { ProtocolVersion } from '../../protocol/version.ts';
import type { Channel } from '../delivery/channel.ts';
import type { EnhancedAuthentication, Identity } from '../ports.ts';
import type { Session } from '../session/session.ts';
import type { TopicAliases } from './topic-aliases.ts';

/** Why a connection ended, in the words of the log; null: the client said DISCONNECT or hung up in order. */
export type EndReason = string;

export interface Client {
  readonly session: Session;
  readonly channel: Channel;
  readonly identity: Identity;
  readonly version: ProtocolVersion;
  readonly remoteAddress: string;
  readonly listenerPort: number;
  /** Mosquitto's private bridge mark: its subscriptions are no-local and retain-as-published. */
  readonly isBridge: boolean;
  /** Most QoS 1 and 2 messages that it may have unacknowledged: the announced Receive Maximum; Infinity in 3.x. */
  readonly receiveMaximum: number;
  /** QoS 2 messages taken in on this connection that wait for PUBREL. */
  unreleasedCount: number;
  /** Session Expiry Interval of its CONNECT: a DISCONNECT may not raise it from 0. */
  readonly connectExpirySeconds: number;
  readonly aliases: TopicAliases;
  /** v5 Authentication Method of its CONNECT; null = none. */
  readonly authenticationMethod: string | null;
  /** A re-authentication under way. */
  reauthentication: EnhancedAuthentication | null;
  /** Ends the connection: v5 clients are told `reason` first. `words` go to the log. */
  readonly disconnect: (reason: ReasonCode, words: EndReason) => void;
  /** The client said DISCONNECT: the link is closed without another word. */
  readonly leave: (words: EndReason | null) => void;
}
