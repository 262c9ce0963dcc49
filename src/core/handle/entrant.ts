import type { PeerSecurity } from '../../base/link.ts';
import type { ReasonCode } from '../../protocol/reasons.ts';
import type { Channel } from '../delivery/channel.ts';
import type { ListenerSettings } from '../model/listener.ts';
import type { BrokerSettings } from '../model/settings.ts';
import type { Client, EndReason } from './client.ts';

/** A connection that is not a client yet, as the handlers of CONNECT and AUTH see it. Made by intake. */
export interface Entrant {
  readonly channel: Channel;
  /** Of a unix socket its path. */
  readonly remoteAddress: string;
  readonly remotePort: number;
  /** What TLS says of it; null where nothing is encrypted. */
  readonly security: PeerSecurity | null;
  /** The listener it came through, as it was then. */
  readonly listener: ListenerSettings;
  /** The settings that were in force when it came: what CONNACK promises of them holds while it is connected. */
  readonly promised: BrokerSettings;
  /** False once the link is gone or being closed: an answer that comes now is for nobody. */
  readonly isOpen: boolean;
  /** The client id given or assigned, for the log. */
  clientId: string;
  /**
   * Answers CONNECT with a refusal in the client's version and closes the link. `returnCode`: what 3.x is told, where that
   * is not what usually stands for `reason`.
   */
  refuse(reason: ReasonCode, words: EndReason, returnCode?: number): void;
  /** An enhanced authentication begins: `abandon` is called if the connection ends before `endAuth`. */
  beginAuth(abandon: () => void): void;
  /** The client's next AUTH goes to `next`. */
  awaitAuth(next: (data: Uint8Array | null, method: string | null) => void | Promise<void>): void;
  endAuth(): void;
  /** From now on packets go to the handlers of connected clients. `keepAliveSeconds` 0 = none. */
  admit(client: Client, keepAliveSeconds: number): void;
  /** Ends the connection from our side; a client is told `reason` if its version knows how. */
  disconnect(reason: ReasonCode, words: EndReason): void;
  /** Ends it without a word. */
  leave(words: EndReason | null): void;
}
