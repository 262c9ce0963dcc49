/**
 * From a call to an accepted connection: link, CONNECT, perhaps AUTH, CONNACK. One deadline covers it all.
 *
 * The client is made inside the handling of CONNACK, so that what follows it in the same chunk already has its owner.
 */
import type { Clock } from '../base/clock.ts';
import type { Link, LinkEvents, Transport } from '../base/link.ts';
import { encodeConnect } from '../protocol/encode/packet.ts';
import { FRAME_BYTES_MAX } from '../protocol/frame.ts';
import type { ConnackPacket, ConnectPacket, Packet } from '../protocol/packets.ts';
import { violation } from '../protocol/protocol-error.ts';
import { Reason, reasonText } from '../protocol/reasons.ts';
import { Authentication } from './authentication.ts';
import { ClientError, ConnectFailedError, type ConnectOptions, ConnectRefusedError } from './client-types.ts';
import { connectPacket } from './connect-packet.ts';
import { Connection } from './connection.ts';
import { MqttClient } from './mqtt-client.ts';

const CONNECT_TIMEOUT_MS = 30_000;
const RETURN_CODE_TEXT = [
  'accepted',
  'unacceptable protocol version',
  'identifier rejected',
  'server unavailable',
  'bad user name or password',
  'not authorized',
];

/**
 * Connects to a server. Who wants to go on with a session passes the ClientSession of the connection before.
 *
 * A server that says "session present" to a client whose ClientSession is new is believed: packets of the old session
 * are then answered as those of unknown ids. (`[MQTT-3.2.2-4]` would have such a client close; but then a subscriber with
 * a fixed id could not be started again, which is what its session is for.)
 *
 * @throws ConnectRefusedError when the server says no, ConnectFailedError when the connection ends before, ClientError
 * (timeout; refused when the options cannot be sent), or the transport's error with the system's code.
 */
export function connectClient(transport: Transport, clock: Clock, options: ConnectOptions): Promise<MqttClient> {
  return new Promise((resolve, reject) => {
    const attempt = new Attempt(clock, options, { resolve, reject });
    attempt.start(transport);
  });
}

interface Outcome {
  readonly resolve: (client: MqttClient) => void;
  readonly reject: (error: unknown) => void;
}

class Attempt {
  readonly #clock: Clock;
  readonly #options: ConnectOptions;
  readonly #packet: ConnectPacket;
  readonly #outcome: Outcome;
  #connection: Connection | null = null;
  #authentication: Authentication | null = null;
  #isSettled = false;
  #cancelTimer: () => void = () => {};

  constructor(clock: Clock, options: ConnectOptions, outcome: Outcome) {
    this.#clock = clock;
    this.#options = options;
    this.#packet = connectPacket(options);
    this.#outcome = outcome;
  }

  start(transport: Transport): void {
    const timeoutMs = this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS;
    this.#cancelTimer = this.#clock.after(timeoutMs, () => this.#onTimeout(timeoutMs));
    const { host, port } = this.#options;
    transport.connect({ host, port }, (link) => this.#onLink(link)).catch((error: unknown) => this.#reject(error));
  }

  #onLink(link: Link): LinkEvents {
    if (this.#isSettled) {
      link.destroy();
      return { onBytes() {}, onSent() {}, onEnd() {} };
    }
    const owner = {
      onPacket: (packet: Packet) => this.#onPacket(packet),
      onEnd: () => this.#onEnd(),
      onSent() {},
      onReceived() {},
    };
    const connection = new Connection(link, this.#options, owner);
    this.#connection = connection;
    this.#authentication = new Authentication(connection, this.#options);
    // [MQTT-3.1.0-1]: the first packet.
    connection.send(encodeConnect(this.#packet), this.#packet);
    return connection.events;
  }

  #onPacket(packet: Packet): void {
    if (packet.type === 'connack') this.#onConnack(packet);
    else if (packet.type === 'auth') this.#authentication?.onAuth(packet);
    else throw violation('MQTT-3.2.0-1', `${packet.type.toUpperCase()} came before CONNACK`);
  }

  #onConnack(connack: ConnackPacket): void {
    const { version } = this.#options;
    if (connack.reason !== Reason.Success) {
      const text = version === 5 ? reasonText(connack.reason) : (RETURN_CODE_TEXT[connack.reason] ?? 'unknown');
      this.#reject(new ConnectRefusedError(connack, text));
      return;
    }
    if (this.#packet.cleanStart && connack.sessionPresent) {
      throw violation('MQTT-3.2.2-2', 'session present after a clean start');
    }
    const connection = this.#connection;
    const authentication = this.#authentication;
    if (connection === null || authentication === null) return;
    connection.accept(this.#options.properties?.maximumPacketSize ?? FRAME_BYTES_MAX);
    const client = new MqttClient({ connection, authentication, clock: this.#clock, options: this.#options, connack });
    this.#settle();
    this.#outcome.resolve(client);
  }

  #onEnd(): void {
    const closed = this.#connection?.closedReason ?? { kind: 'lost', error: null };
    this.#reject(new ConnectFailedError(closed));
  }

  #onTimeout(timeoutMs: number): void {
    this.#reject(new ClientError('timeout', `no CONNACK within ${timeoutMs} ms`));
  }

  #reject(error: unknown): void {
    if (this.#isSettled) return;
    this.#settle();
    this.#connection?.destroy();
    this.#outcome.reject(error);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#cancelTimer();
  }
}
