/** What goes into and comes out of the client: options, messages, outcomes, errors. */
import type { ConnackPacket, Packet, Properties, PublishPacket, UserProperty } from '../protocol/packets.ts';
import type { ProtocolError } from '../protocol/protocol-error.ts';
import type { ReasonCode } from '../protocol/reasons.ts';
import type { TopicName } from '../protocol/topic.ts';
import type { ProtocolVersion, Qos } from '../protocol/version.ts';
import type { ClientSession } from './client-session.ts';

/** Properties as a caller states them: what is left out is absent. Ignored in 3.1 and 3.1.1. */
export type SomeProperties = Partial<Properties>;

export interface WillOptions {
  readonly topic: string;
  readonly payload: Uint8Array | string;
  readonly qos?: Qos;
  readonly retain?: boolean;
  /** Will Delay Interval, v5. */
  readonly delaySeconds?: number;
  /** The other will properties, v5. */
  readonly properties?: SomeProperties;
}

/** Properties of CONNECT, v5. */
export interface ConnectProperties {
  readonly sessionExpiryInterval?: number;
  /** Also the number of QoS 1 and 2 messages that the client holds at once. Default 65535. */
  readonly receiveMaximum?: number;
  /** Larger packets end the connection, also in 3.x. Default: the protocol's limit, 268435460. */
  readonly maximumPacketSize?: number;
  readonly topicAliasMaximum?: number;
  readonly requestResponseInformation?: 0 | 1;
  readonly requestProblemInformation?: 0 | 1;
  readonly userProperties?: readonly UserProperty[];
  readonly authenticationMethod?: string;
  readonly authenticationData?: Uint8Array;
}

export interface ConnectOptions {
  readonly host: string;
  readonly port: number;
  readonly version: ProtocolVersion;
  /** Empty: the server chooses. */
  readonly clientId: string;
  /** Clean Session in 3.x. Default true. */
  readonly cleanStart?: boolean;
  /** Seconds, 0 to 65535; 0 = none. Default 60. */
  readonly keepAliveSeconds?: number;
  readonly userName?: string;
  readonly password?: Uint8Array | string;
  readonly will?: WillOptions;
  readonly properties?: ConnectProperties;
  /** From the call to CONNACK. Default 30000. */
  readonly connectTimeoutMs?: number;
  /** QoS 1 and 2 messages on their way at once; the server's Receive Maximum may lower it. Default 65535. */
  readonly inflightMax?: number;
  /** What of an earlier connection goes on. Without it whatever is unanswered at the end of this one is given up. */
  readonly session?: ClientSession;
  /**
   * When an incoming QoS 2 message is handed out. `publish` (default): before PUBREC, so that it is acknowledged only
   * once the handler is done. `release`: after PUBREL, as Mosquitto's tools do; it waits in memory until then.
   */
  readonly deliverQos2At?: 'publish' | 'release';
  /** See MqttClient.onMessage; here it misses nothing that comes right after CONNACK. */
  readonly onMessage?: MessageHandler;
  /** Answers the server's AUTH with the next data (v5, section 4.12). Needs `authenticationMethod`. */
  readonly onAuthenticate?: (data: Uint8Array | null) => Uint8Array | null | Promise<Uint8Array | null>;
  /** Told of every packet, for debug output. Must not throw. */
  readonly onTrace?: (direction: 'sending' | 'received', packet: TracedPacket) => void;
}

/** A received message. Its bytes are its own: it may be kept. */
export interface IncomingMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly retain: boolean;
  readonly dup: boolean;
  /** 0 for QoS 0. */
  readonly packetId: number;
  readonly properties: Properties;
}

/**
 * Takes a message. It is acknowledged when this returns or, if it returns a promise, when that is fulfilled; should it
 * throw or reject, the connection ends and the message remains unacknowledged. Calls do not wait for each other; the
 * acknowledgements leave in the order of arrival.
 */
export type MessageHandler = (message: IncomingMessage) => void | Promise<void>;

export interface PublishOptions {
  readonly qos?: Qos;
  readonly retain?: boolean;
  readonly properties?: SomeProperties;
  /** v5: 1 to the server's Topic Alias Maximum. The topic itself is left out when the server knows it by this alias. */
  readonly topicAlias?: number;
}

/**
 * How a publish ended.
 * `done`: QoS 0: the operating system has it; QoS 1 and 2: the server answered with `reason`, which may be a refusal.
 * `refused`: it was never sent; `reason` and `text` say why. `lost`: the connection ended before the answer; the server
 * may or may not have it.
 */
export interface PublishOutcome {
  readonly kind: 'done' | 'refused' | 'lost';
  /** 0 for QoS 0 and for what was never sent. */
  readonly packetId: number;
  readonly reason: ReasonCode;
  readonly properties: Properties;
  /** Why, when it was not sent or is lost; otherwise empty. */
  readonly text: string;
}

export interface SubscribeFilter {
  readonly filter: string;
  readonly qos?: Qos;
  /** v5. */
  readonly noLocal?: boolean;
  /** v5. */
  readonly retainAsPublished?: boolean;
  /** v5. 0 always, 1 for a new subscription only, 2 never. */
  readonly retainHandling?: 0 | 1 | 2;
}

/** Why a connection is over. */
export type ClosedReason =
  /** `disconnect` was called. */
  | { readonly kind: 'disconnected' }
  /** `destroy` was called. */
  | { readonly kind: 'destroyed' }
  /** The server sent DISCONNECT (v5). */
  | { readonly kind: 'server-disconnect'; readonly reason: ReasonCode; readonly properties: Properties }
  /** The link ended; `error` when not orderly. */
  | { readonly kind: 'lost'; readonly error: Error | null }
  /** The server broke the protocol. */
  | { readonly kind: 'protocol-error'; readonly error: ProtocolError }
  /** No PINGRESP within a keep-alive interval. */
  | { readonly kind: 'ping-timeout' }
  /** A handler of the caller threw or rejected, or a promise of our own code was broken. */
  | { readonly kind: 'fault'; readonly error: Error };

/** A PUBLISH in a trace. An empty topic stands for one that was left out because of its alias. */
export interface TracedPublish extends Pick<PublishPacket, 'type' | 'dup' | 'qos' | 'retain' | 'packetId'> {
  readonly topic: string;
  readonly payloadBytes: number;
}

export type TracedPacket = Exclude<Packet, PublishPacket> | TracedPublish;

/** A request that was not sent, or whose answer will not come. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly kind: 'refused' | 'closed' | 'timeout';

  constructor(kind: 'refused' | 'closed' | 'timeout', message: string) {
    super(message);
    this.kind = kind;
  }
}

/** The server answered CONNECT with a refusal. `reason`: v5 reason code; in 3.x the return code 1 to 5. */
export class ConnectRefusedError extends Error {
  override readonly name = 'ConnectRefusedError';
  readonly reason: number;
  readonly connack: ConnackPacket;

  constructor(connack: ConnackPacket, text: string) {
    super(`the server refused the connection: ${text} (${connack.reason})`);
    this.reason = connack.reason;
    this.connack = connack;
  }
}

/** The connection ended before CONNACK. */
export class ConnectFailedError extends Error {
  override readonly name = 'ConnectFailedError';
  readonly closed: ClosedReason;

  constructor(closed: ClosedReason) {
    super(`the connection ended before it was accepted: ${describeClosed(closed)}`);
    this.closed = closed;
  }
}

/** One line on why a connection is over. */
export function describeClosed(closed: ClosedReason): string {
  switch (closed.kind) {
    case 'disconnected':
      return 'it was disconnected here';
    case 'destroyed':
      return 'it was destroyed here';
    case 'server-disconnect':
      return `the server disconnected with reason ${closed.reason}`;
    case 'lost':
      return closed.error === null ? 'the server closed the connection' : closed.error.message;
    case 'protocol-error':
    case 'fault':
      return closed.error.message;
    case 'ping-timeout':
      return 'the server did not answer a PINGREQ';
  }
}

/** A topic that was checked already, or its text. */
export type Topic = TopicName | string;
