import { encodeAuth } from '../protocol/encode/packet.ts';
import { type AuthPacket, EMPTY_PROPERTIES } from '../protocol/packets.ts';
import { violation } from '../protocol/protocol-error.ts';
import { Reason } from '../protocol/reasons.ts';
import type { ConnectOptions } from './client-types.ts';
import { ClientError } from './client-types.ts';
import type { Connection } from './connection.ts';

interface Waiting {
  readonly resolve: (packet: AuthPacket) => void;
  readonly reject: (error: Error) => void;
}

/** Enhanced authentication (v5, section 4.12), before CONNACK and again later. */
export class Authentication {
  readonly #connection: Connection;
  readonly #method: string | null;
  readonly #answer: ConnectOptions['onAuthenticate'] | null;
  /** Who asked for a re-authentication that is not over. */
  #waiting: Waiting | null = null;

  constructor(connection: Connection, options: ConnectOptions) {
    this.#connection = connection;
    this.#method = options.properties?.authenticationMethod ?? null;
    this.#answer = options.onAuthenticate ?? null;
  }

  /** @throws ProtocolError for an AUTH that is out of place. */
  onAuth(packet: AuthPacket): void {
    // [MQTT-4.12.0-6]
    if (this.#method === null) throw violation('MQTT-4.12.0-6', 'AUTH came, but CONNECT named no method');
    // [MQTT-4.12.0-5]
    if (packet.properties.authenticationMethod !== this.#method) {
      throw violation('MQTT-4.12.0-5', 'AUTH came with another authentication method');
    }
    if (packet.reason === Reason.ContinueAuthentication) {
      this.#continue(packet.properties.authenticationData);
      return;
    }
    if (this.#waiting === null) throw violation('', 'AUTH says success, but nobody asked');
    this.#waiting.resolve(packet);
    this.#waiting = null;
  }

  /** Sends AUTH 0x19 with the same method `[MQTT-4.12.1-1]`; fulfilled by the server's AUTH 0x00. */
  start(data: Uint8Array | null): Promise<AuthPacket> {
    const promise = new Promise<AuthPacket>((resolve, reject) => {
      if (this.#method === null) reject(new ClientError('refused', 'CONNECT named no authentication method'));
      else if (this.#waiting !== null) reject(new ClientError('refused', 'an authentication is under way'));
      else if (!this.#connection.isOpen) reject(new ClientError('closed', 'the connection is over'));
      else {
        this.#waiting = { resolve, reject };
        this.#send(Reason.ReAuthenticate, data);
      }
    });
    promise.catch(() => {});
    return promise;
  }

  end(text: string): void {
    this.#waiting?.reject(new ClientError('closed', text));
    this.#waiting = null;
  }

  /** `[MQTT-4.12.0-3]` */
  #continue(data: Uint8Array | null): void {
    if (!this.#answer) throw violation('', 'AUTH came, but there is nobody to answer it');
    Promise.resolve(this.#answer(data)).then(
      (next) => this.#send(Reason.ContinueAuthentication, next),
      (error: unknown) => this.#connection.fault(error),
    );
  }

  #send(reason: typeof Reason.ContinueAuthentication | typeof Reason.ReAuthenticate, data: Uint8Array | null): void {
    const properties = { ...EMPTY_PROPERTIES, authenticationMethod: this.#method, authenticationData: data };
    const packet: AuthPacket = { type: 'auth', reason, properties };
    this.#connection.send(encodeAuth(packet), packet);
  }
}
