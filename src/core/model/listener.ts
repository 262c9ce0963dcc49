import type { ProtocolVersion, Qos } from '../../protocol/version.ts';

/** What one listener says of the clients that come through it. Names follow mosquitto.conf. */
export interface ListenerSettings {
  /** Stands in the identity of its clients, so that the rules of the listener are found; a reload keeps it. */
  readonly id: number;
  /** For the log and for the gatekeeper; 0 = unix socket. */
  readonly port: number;
  /** '1883', or the path of a unix socket: for messages. */
  readonly name: string;
  /** In front of all topics of its clients; '' = none. */
  readonly mountPoint: string;
  /** Connections at a time; one more is closed when it is accepted. -1 = no limit. */
  readonly maxConnections: number;
  readonly maxQos: Qos;
  /** Aliases taken from a v5 client. */
  readonly maxTopicAlias: number;
  /** Aliases given to a v5 client, at most what it allows. */
  readonly maxTopicAliasBroker: number;
  /** `accept_protocol_versions` */
  readonly protocolVersions: readonly ProtocolVersion[];
  readonly allowZeroLengthClientId: boolean;
  /** In front of ids that the broker assigns. */
  readonly autoIdPrefix: string;
  /**
   * Where the user name comes from: CONNECT, or the client's certificate (`use_identity_as_username`,
   * `use_subject_as_username`; of a pre-shared key its identity). With the latter two nobody is asked to authenticate.
   */
  readonly userNameSource: 'connect' | 'common-name' | 'subject';
  /** `use_username_as_clientid` */
  readonly isUserNameClientId: boolean;
}

export const DEFAULT_LISTENER: ListenerSettings = Object.freeze({
  id: 0,
  port: 1883,
  name: '1883',
  mountPoint: '',
  maxConnections: -1,
  maxQos: 2,
  maxTopicAlias: 10,
  maxTopicAliasBroker: 10,
  protocolVersions: Object.freeze([3, 4, 5] as const),
  allowZeroLengthClientId: true,
  autoIdPrefix: 'auto-',
  userNameSource: 'connect',
  isUserNameClientId: false,
});
