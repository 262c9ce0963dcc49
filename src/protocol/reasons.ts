/**
 * All reason codes of MQTT 5.0 (section 2.4), and the packets in which each may stand. One number may have several
 * names: 0x00 is success, normal disconnection or granted QoS 0.
 */
export const Reason = {
  Success: 0x00,
  GrantedQos1: 0x01,
  GrantedQos2: 0x02,
  DisconnectWithWill: 0x04,
  NoMatchingSubscribers: 0x10,
  NoSubscriptionExisted: 0x11,
  ContinueAuthentication: 0x18,
  ReAuthenticate: 0x19,
  UnspecifiedError: 0x80,
  MalformedPacket: 0x81,
  ProtocolError: 0x82,
  ImplementationSpecificError: 0x83,
  UnsupportedProtocolVersion: 0x84,
  ClientIdentifierNotValid: 0x85,
  BadUserNameOrPassword: 0x86,
  NotAuthorized: 0x87,
  ServerUnavailable: 0x88,
  ServerBusy: 0x89,
  Banned: 0x8a,
  ServerShuttingDown: 0x8b,
  BadAuthenticationMethod: 0x8c,
  KeepAliveTimeout: 0x8d,
  SessionTakenOver: 0x8e,
  TopicFilterInvalid: 0x8f,
  TopicNameInvalid: 0x90,
  PacketIdentifierInUse: 0x91,
  PacketIdentifierNotFound: 0x92,
  ReceiveMaximumExceeded: 0x93,
  TopicAliasInvalid: 0x94,
  PacketTooLarge: 0x95,
  MessageRateTooHigh: 0x96,
  QuotaExceeded: 0x97,
  AdministrativeAction: 0x98,
  PayloadFormatInvalid: 0x99,
  RetainNotSupported: 0x9a,
  QosNotSupported: 0x9b,
  UseAnotherServer: 0x9c,
  ServerMoved: 0x9d,
  SharedSubscriptionsNotSupported: 0x9e,
  ConnectionRateExceeded: 0x9f,
  MaximumConnectTime: 0xa0,
  SubscriptionIdentifiersNotSupported: 0xa1,
  WildcardSubscriptionsNotSupported: 0xa2,
} as const;

export type ReasonCode = (typeof Reason)[keyof typeof Reason];

/** Indexed by code: the code where it is listed for a packet, null where it is not. */
export type ReasonTable = readonly (ReasonCode | null)[];

const PUBLISH_ANSWERS = [0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99] as const;
const SIDE_FREE_DISCONNECTS = [0x00, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99] as const;

/** [MQTT-3.2.2-8] */
export const CONNACK_REASONS = tableOf([
  0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c, 0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b,
  0x9c, 0x9d, 0x9f,
]);
/** [MQTT-3.4.2-1] */
export const PUBACK_REASONS = tableOf(PUBLISH_ANSWERS);
/** [MQTT-3.5.2-1] */
export const PUBREC_REASONS = PUBACK_REASONS;
/** [MQTT-3.6.2-1] */
export const PUBREL_REASONS = tableOf([0x00, 0x92]);
/** [MQTT-3.7.2-1] */
export const PUBCOMP_REASONS = PUBREL_REASONS;
/** [MQTT-3.9.3-2] */
export const SUBACK_REASONS = tableOf([0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8f, 0x91, 0x97, 0x9e, 0xa1, 0xa2]);
/** MQTT 3.1.1, section 3.9.3. */
export const SUBACK_RETURN_CODES = tableOf([0x00, 0x01, 0x02, 0x80]);
/** [MQTT-3.11.3-2] */
export const UNSUBACK_REASONS = tableOf([0x00, 0x11, 0x80, 0x83, 0x87, 0x8f, 0x91]);
/** [MQTT-3.14.2-1], those a client may send. */
export const CLIENT_DISCONNECT_REASONS = tableOf([...SIDE_FREE_DISCONNECTS, 0x04]);
/** [MQTT-3.14.2-1], those a server may send. 0x8C stands in section 2.4 only. */
export const SERVER_DISCONNECT_REASONS = tableOf([
  ...SIDE_FREE_DISCONNECTS,
  ...([0x87, 0x89, 0x8b, 0x8c, 0x8d, 0x8e, 0x8f, 0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2] as const),
]);
/** [MQTT-3.15.2-1], those a client may send. */
export const CLIENT_AUTH_REASONS = tableOf([0x18, 0x19]);
/** [MQTT-3.15.2-1], those a server may send. */
export const SERVER_AUTH_REASONS = tableOf([0x00, 0x18]);

/** The standard's name for each code, for log lines. 0x00 is given as success. */
export const REASON_TEXT: ReadonlyMap<number, string> = new Map<ReasonCode, string>([
  [Reason.Success, 'Success'],
  [Reason.GrantedQos1, 'Granted QoS 1'],
  [Reason.GrantedQos2, 'Granted QoS 2'],
  [Reason.DisconnectWithWill, 'Disconnect with Will Message'],
  [Reason.NoMatchingSubscribers, 'No matching subscribers'],
  [Reason.NoSubscriptionExisted, 'No subscription existed'],
  [Reason.ContinueAuthentication, 'Continue authentication'],
  [Reason.ReAuthenticate, 'Re-authenticate'],
  [Reason.UnspecifiedError, 'Unspecified error'],
  [Reason.MalformedPacket, 'Malformed Packet'],
  [Reason.ProtocolError, 'Protocol Error'],
  [Reason.ImplementationSpecificError, 'Implementation specific error'],
  [Reason.UnsupportedProtocolVersion, 'Unsupported Protocol Version'],
  [Reason.ClientIdentifierNotValid, 'Client Identifier not valid'],
  [Reason.BadUserNameOrPassword, 'Bad User Name or Password'],
  [Reason.NotAuthorized, 'Not authorized'],
  [Reason.ServerUnavailable, 'Server unavailable'],
  [Reason.ServerBusy, 'Server busy'],
  [Reason.Banned, 'Banned'],
  [Reason.ServerShuttingDown, 'Server shutting down'],
  [Reason.BadAuthenticationMethod, 'Bad authentication method'],
  [Reason.KeepAliveTimeout, 'Keep Alive timeout'],
  [Reason.SessionTakenOver, 'Session taken over'],
  [Reason.TopicFilterInvalid, 'Topic Filter invalid'],
  [Reason.TopicNameInvalid, 'Topic Name invalid'],
  [Reason.PacketIdentifierInUse, 'Packet Identifier in use'],
  [Reason.PacketIdentifierNotFound, 'Packet Identifier not found'],
  [Reason.ReceiveMaximumExceeded, 'Receive Maximum exceeded'],
  [Reason.TopicAliasInvalid, 'Topic Alias invalid'],
  [Reason.PacketTooLarge, 'Packet too large'],
  [Reason.MessageRateTooHigh, 'Message rate too high'],
  [Reason.QuotaExceeded, 'Quota exceeded'],
  [Reason.AdministrativeAction, 'Administrative action'],
  [Reason.PayloadFormatInvalid, 'Payload format invalid'],
  [Reason.RetainNotSupported, 'Retain not supported'],
  [Reason.QosNotSupported, 'QoS not supported'],
  [Reason.UseAnotherServer, 'Use another server'],
  [Reason.ServerMoved, 'Server moved'],
  [Reason.SharedSubscriptionsNotSupported, 'Shared Subscriptions not supported'],
  [Reason.ConnectionRateExceeded, 'Connection rate exceeded'],
  [Reason.MaximumConnectTime, 'Maximum connect time'],
  [Reason.SubscriptionIdentifiersNotSupported, 'Subscription Identifiers not supported'],
  [Reason.WildcardSubscriptionsNotSupported, 'Wildcard Subscriptions not supported'],
]);

/** The name of a reason code; a code that the standard does not know is shown as a number. */
export function reasonText(code: number): string {
  return REASON_TEXT.get(code) ?? `reason code 0x${code.toString(16).padStart(2, '0')}`;
}

/**
 * The CONNACK return code by which a 3.x client is told a v5 refusal. As Mosquitto: a wrong password is 5 (not
 * authorized), not 4; what has no code of its own is 5 as well.
 */
export function connackReturnCode(reason: ReasonCode): 1 | 2 | 3 | 4 | 5 {
  switch (reason) {
    case Reason.UnsupportedProtocolVersion:
      return 1;
    case Reason.ClientIdentifierNotValid:
      return 2;
    case Reason.ServerUnavailable:
    case Reason.ServerBusy:
    case Reason.QuotaExceeded:
      return 3;
    default:
      return 5;
  }
}

function tableOf(codes: readonly ReasonCode[]): ReasonTable {
  const table = new Array<ReasonCode | null>(256).fill(null);
  for (const code of codes) table[code] = code;
  return table;
}
