/**
 * The 27 properties of MQTT 5.0 (section 2.2.2.2, table 2-4) in one table, from which everything about properties follows:
 * what may stand where, how often, in which form. Each property has a bit, so that "allowed here" and "seen before" are
 * one operation each.
 */
import { PacketType, type Properties } from './packets.ts';

/** The will inside CONNECT has properties of its own. */
export const WILL = 0;
/** Whose properties are meant. */
export type PropertyPacket = PacketType | typeof WILL;

/** The names in Properties whose value is exactly a `Value` or null. */
type NameOf<Value> = {
  [Name in keyof Properties]: [Properties[Name]] extends [Value | null]
    ? [Value | null] extends [Properties[Name]]
      ? Name
      : never
    : never;
}[keyof Properties];

/** A flag is one byte, 0 or 1. A pair is two texts. */
export const Wire = { Flag: 1, U16: 2, U32: 3, VariableInteger: 4, Text: 5, Binary: 6, Pair: 7 } as const;
export type Wire = (typeof Wire)[keyof typeof Wire];

export type PropertyDefinition = {
  readonly id: number;
  readonly packets: readonly PropertyPacket[];
  /** The value 0 is refused. */
  readonly isNonZero?: true;
} & (
  | { readonly wire: typeof Wire.Flag; readonly name: NameOf<0 | 1> }
  | { readonly wire: typeof Wire.U16 | typeof Wire.U32; readonly name: NameOf<number> }
  | { readonly wire: typeof Wire.Text; readonly name: NameOf<string> }
  | { readonly wire: typeof Wire.Binary; readonly name: NameOf<Uint8Array> }
  | { readonly wire: typeof Wire.VariableInteger; readonly name: 'subscriptionIdentifiers' }
  | { readonly wire: typeof Wire.Pair; readonly name: 'userProperties' }
);

/** Ids that the code treats by name. */
export const PropertyId = {
  MessageExpiryInterval: 0x02,
  ResponseTopic: 0x08,
  SubscriptionIdentifier: 0x0b,
  AuthenticationMethod: 0x15,
  AuthenticationData: 0x16,
  WillDelayInterval: 0x18,
  TopicAlias: 0x23,
  UserProperty: 0x26,
} as const;

const { Connect, Connack, Publish, Puback, Pubrec, Pubrel, Pubcomp, Subscribe, Suback } = PacketType;
const { Unsubscribe, Unsuback, Disconnect, Auth } = PacketType;

/** In the order in which they are encoded, which for CONNACK is Mosquitto's. */
export const PROPERTIES: readonly PropertyDefinition[] = [
  { id: 0x13, name: 'serverKeepAlive', wire: Wire.U16, packets: [Connack] },
  { id: 0x22, name: 'topicAliasMaximum', wire: Wire.U16, packets: [Connect, Connack] },
  { id: 0x12, name: 'assignedClientIdentifier', wire: Wire.Text, packets: [Connack] },
  { id: 0x15, name: 'authenticationMethod', wire: Wire.Text, packets: [Connect, Connack, Auth] },
  { id: 0x16, name: 'authenticationData', wire: Wire.Binary, packets: [Connect, Connack, Auth] },
  { id: 0x25, name: 'retainAvailable', wire: Wire.Flag, packets: [Connack] },
  { id: 0x27, name: 'maximumPacketSize', wire: Wire.U32, packets: [Connect, Connack], isNonZero: true },
  { id: 0x21, name: 'receiveMaximum', wire: Wire.U16, packets: [Connect, Connack], isNonZero: true },
  { id: 0x24, name: 'maximumQos', wire: Wire.Flag, packets: [Connack] },
  { id: 0x11, name: 'sessionExpiryInterval', wire: Wire.U32, packets: [Connect, Connack, Disconnect] },
  { id: 0x28, name: 'wildcardSubscriptionAvailable', wire: Wire.Flag, packets: [Connack] },
  { id: 0x29, name: 'subscriptionIdentifierAvailable', wire: Wire.Flag, packets: [Connack] },
  { id: 0x2a, name: 'sharedSubscriptionAvailable', wire: Wire.Flag, packets: [Connack] },
  { id: 0x1a, name: 'responseInformation', wire: Wire.Text, packets: [Connack] },
  { id: 0x1c, name: 'serverReference', wire: Wire.Text, packets: [Connack, Disconnect] },
  { id: 0x17, name: 'requestProblemInformation', wire: Wire.Flag, packets: [Connect] },
  { id: 0x19, name: 'requestResponseInformation', wire: Wire.Flag, packets: [Connect] },
  { id: 0x18, name: 'willDelayInterval', wire: Wire.U32, packets: [WILL] },
  { id: 0x23, name: 'topicAlias', wire: Wire.U16, packets: [Publish], isNonZero: true },
  { id: 0x02, name: 'messageExpiryInterval', wire: Wire.U32, packets: [Publish, WILL] },
  {
    id: 0x0b,
    name: 'subscriptionIdentifiers',
    wire: Wire.VariableInteger,
    packets: [Publish, Subscribe],
    isNonZero: true,
  },
  { id: 0x01, name: 'payloadFormatIndicator', wire: Wire.Flag, packets: [Publish, WILL] },
  { id: 0x03, name: 'contentType', wire: Wire.Text, packets: [Publish, WILL] },
  { id: 0x08, name: 'responseTopic', wire: Wire.Text, packets: [Publish, WILL] },
  { id: 0x09, name: 'correlationData', wire: Wire.Binary, packets: [Publish, WILL] },
  {
    id: 0x1f,
    name: 'reasonString',
    wire: Wire.Text,
    packets: [Connack, Puback, Pubrec, Pubrel, Pubcomp, Suback, Unsuback, Disconnect, Auth],
  },
  {
    id: 0x26,
    name: 'userProperties',
    wire: Wire.Pair,
    packets: [
      WILL,
      Connect,
      Connack,
      Publish,
      Puback,
      Pubrec,
      Pubrel,
      Pubcomp,
      Subscribe,
      Suback,
      Unsubscribe,
      Unsuback,
      Disconnect,
      Auth,
    ],
  },
];

/** By id: the definition; undefined for a number that is no property. */
export const PROPERTY_BY_ID: ReadonlyMap<number, PropertyDefinition> = new Map(
  PROPERTIES.map((definition) => [definition.id, definition]),
);

/** By id: the property's bit, 0 for a number that is no property. */
export const PROPERTY_BIT = new Int32Array(256);
/** By id: its Wire. */
export const PROPERTY_WIRE = new Uint8Array(256);
/** By id: 1 when the value 0 is refused. */
export const PROPERTY_NON_ZERO = new Uint8Array(256);
/** By packet: bits of the properties that may stand in it. */
export const ALLOWED_IN = new Int32Array(16);
/** By packet: bits of the properties that may stand in it more than once. */
export const REPEATABLE_IN = new Int32Array(16);

for (const [index, { id, wire, packets, isNonZero }] of PROPERTIES.entries()) {
  const bit = 1 << index;
  PROPERTY_BIT[id] = bit;
  PROPERTY_WIRE[id] = wire;
  PROPERTY_NON_ZERO[id] = isNonZero ? 1 : 0;
  for (const packet of packets) ALLOWED_IN[packet]! |= bit;
}
REPEATABLE_IN.fill(PROPERTY_BIT[PropertyId.UserProperty]!);
REPEATABLE_IN[Publish]! |= PROPERTY_BIT[PropertyId.SubscriptionIdentifier]!;
