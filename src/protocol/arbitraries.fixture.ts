/** Random packets of every kind and version, each as decoding would give it, so that a round trip can compare. */
import fc from 'fast-check';
import { filterOf, propertiesOf, topicOf } from './codec.fixture.ts';
import { createPublishPacket, decodePublish } from './decode/publish.ts';
import { encodePublishPacket } from './encode/packet.ts';
import type { PublishFields } from './encode/publish.ts';
import { createFrameHeader, readFrame } from './frame.ts';
import {
  type AckPacket,
  type AuthPacket,
  type ConnackPacket,
  type ConnectPacket,
  type DisconnectPacket,
  EMPTY_PROPERTIES,
  type Packet,
  PacketType,
  type Properties,
  type PublishPacket,
  type SubackPacket,
  type SubscribePacket,
  type UnsubscribePacket,
  type WillPacket,
} from './packets.ts';
import {
  copyForwardedProperties,
  type PropertyPacket,
  propertiesBytes,
  propertyBlockBytes,
  WILL,
  writeProperties,
} from './properties.ts';
import { PROPERTIES, type PropertyDefinition, Wire } from './property-table.ts';
import {
  CLIENT_AUTH_REASONS,
  CLIENT_DISCONNECT_REASONS,
  CONNACK_REASONS,
  PUBACK_REASONS,
  PUBREL_REASONS,
  type ReasonCode,
  type ReasonTable,
  SERVER_DISCONNECT_REASONS,
  SUBACK_REASONS,
  SUBACK_RETURN_CODES,
  UNSUBACK_REASONS,
} from './reasons.ts';
import { parseTopicFilter, parseTopicName, TopicNames } from './topic.ts';
import { isMqttText } from './utf8.ts';
import type { ProtocolVersion, Qos } from './version.ts';

const flag = fc.constantFrom<0 | 1>(0, 1);
const qos = fc.constantFrom<Qos>(0, 1, 2);
const u16 = fc.integer({ min: 0, max: 0xffff });
const u32 = fc.oneof(
  fc.integer({ min: 0, max: 0xffff_ffff }),
  fc.constantFrom(0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff),
);
const packetId = fc.integer({ min: 1, max: 0xffff });
const binary = fc.uint8Array({ maxLength: 150 }).map((bytes) => Uint8Array.from(bytes));
const text = fc.oneof(
  fc.string({ maxLength: 60 }),
  fc.string({ unit: 'grapheme', maxLength: 40 }).filter(isMqttText),
  fc.constant('x'.repeat(300)),
);
const level = fc.oneof(fc.constantFrom('', 'Plant1', 'Line2', '$SYS', '$share', 'Öl'), text);
const topic = fc
  .array(level, { minLength: 1, maxLength: 6 })
  .map((levels) => levels.join('/').replaceAll(/[+#]/g, ''))
  .filter((name) => parseTopicName(name) !== null);
const filter = fc
  .tuple(fc.constantFrom('', '', '$share/group/'), topic, fc.constantFrom('', '/#', '/+', '/+/x'))
  .map((parts) => parts.join(''))
  .filter((name) => parseTopicFilter(name) !== null);
const identifier = fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 268_435_455 }));

function listed(table: ReasonTable): fc.Arbitrary<ReasonCode> {
  return fc.constantFrom(...table.filter((code) => code !== null));
}

/** A value for one property, as part of Properties. */
function propertyArbitrary(definition: PropertyDefinition, packet: PropertyPacket): fc.Arbitrary<Partial<Properties>> {
  const { name } = definition;
  const min = definition.isNonZero ? 1 : 0;
  switch (definition.wire) {
    case Wire.Flag:
      return flag.map((value) => ({ [name]: value }));
    case Wire.U16:
      return fc.integer({ min, max: 0xffff }).map((value) => ({ [name]: value }));
    case Wire.U32:
      return u32.map((value) => ({ [name]: Math.max(value, min) }));
    case Wire.Text:
      return (name === 'responseTopic' ? topic : text).map((value) => ({ [name]: value }));
    case Wire.Binary:
      return binary.map((value) => ({ [name]: value }));
    case Wire.VariableInteger: {
      const maxLength = packet === PacketType.Publish ? 3 : 1;
      return fc.array(identifier, { minLength: 1, maxLength }).map((values) => ({ subscriptionIdentifiers: values }));
    }
    case Wire.Pair: {
      const pair = fc.record({ name: text, value: text }, { noNullPrototype: true });
      return fc.array(pair, { minLength: 1, maxLength: 3 }).map((pairs) => ({ userProperties: pairs }));
    }
  }
}

/** Any properties that may stand in this packet; those named in `without` are left out. */
function propertiesArbitrary(
  version: ProtocolVersion,
  packet: PropertyPacket,
  without: readonly (keyof Properties)[] = [],
): fc.Arbitrary<Properties> {
  if (version !== 5) return fc.constant(EMPTY_PROPERTIES);
  const allowed = PROPERTIES.filter(({ packets, name }) => packets.includes(packet) && !without.includes(name));
  const some = allowed.map((definition) => fc.option(propertyArbitrary(definition, packet), { nil: {} }));
  return fc.tuple(...some).map((parts) => {
    const all = propertiesOf(Object.assign({}, ...parts));
    // Data is not allowed without a method.
    return all.authenticationMethod === null ? { ...all, authenticationData: null } : all;
  });
}

function encoded(properties: Properties, packet: PropertyPacket): Uint8Array {
  const bytes = new Uint8Array(propertyBlockBytes(properties));
  writeProperties(properties, packet, bytes, 0);
  return copyForwardedProperties(bytes, bytes.length - propertiesBytes(properties), bytes.length);
}

function willArbitrary(version: ProtocolVersion): fc.Arbitrary<WillPacket> {
  return fc
    .record({ topic, payload: binary, qos, retain: fc.boolean(), properties: propertiesArbitrary(version, WILL) })
    .map(({ properties, ...will }) => ({
      ...will,
      topic: topicOf(will.topic),
      delaySeconds: properties.willDelayInterval ?? 0,
      messageExpiryInterval: properties.messageExpiryInterval,
      forwardedProperties: encoded(properties, WILL),
    }));
}

function connectArbitrary(version: ProtocolVersion): fc.Arbitrary<ConnectPacket> {
  return fc
    .record({
      isBridge: version === 5 ? fc.constant(false) : fc.boolean(),
      clientId: text,
      cleanStart: fc.boolean(),
      keepAlive: u16,
      userName: fc.option(text),
      password: fc.option(binary),
      will: fc.option(willArbitrary(version)),
      properties: propertiesArbitrary(version, PacketType.Connect),
    })
    .map((fields) => {
      const password = version === 5 || fields.userName !== null ? fields.password : null;
      return { type: 'connect', version, ...fields, password };
    });
}

function connackArbitrary(version: ProtocolVersion): fc.Arbitrary<ConnackPacket> {
  return fc
    .record({
      isPresent: fc.boolean(),
      reason: version === 5 ? listed(CONNACK_REASONS) : fc.integer({ min: 0, max: 5 }),
      properties: propertiesArbitrary(version, PacketType.Connack),
    })
    .map(({ isPresent, reason, properties }) => {
      return { type: 'connack', sessionPresent: isPresent && reason === 0 && version !== 3, reason, properties };
    });
}

function publishArbitrary(version: ProtocolVersion): fc.Arbitrary<PublishPacket> {
  return fc
    .record({
      topic: fc.option(topic),
      packetId,
      qos,
      retain: fc.boolean(),
      dup: fc.boolean(),
      properties: propertiesArbitrary(version, PacketType.Publish),
      payload: binary,
    })
    .map(({ properties, payload, ...rest }) => {
      const isAliasOnly = version === 5 && rest.topic === null && properties.topicAlias !== null;
      return publishOf(version, {
        ...rest,
        topic: isAliasOnly ? null : topicOf(rest.topic ?? 'a/b'),
        topicAlias: properties.topicAlias ?? 0,
        messageExpiryInterval: properties.messageExpiryInterval,
        subscriptionIdentifiers: properties.subscriptionIdentifiers,
        forwardedProperties: encoded(properties, PacketType.Publish),
        bytes: payload,
        payloadStart: 0,
        payloadEnd: payload.length,
      });
    });
}

/** A decoded PUBLISH points into a frame, so it is made by way of one. */
function publishOf(version: ProtocolVersion, fields: PublishFields): PublishPacket {
  const frame = encodePublishPacket(fields, version);
  const header = createFrameHeader();
  readFrame(frame, 0, frame.length, header);
  const packet = createPublishPacket();
  decodePublish(frame, 0, header, version, new TopicNames(), packet);
  return packet;
}

function ackArbitrary(version: ProtocolVersion): fc.Arbitrary<AckPacket> {
  const one = (type: AckPacket['type'], packet: PropertyPacket, reasons: ReasonTable): fc.Arbitrary<AckPacket> =>
    fc.record(
      {
        type: fc.constant(type),
        packetId,
        reason: version === 5 ? listed(reasons) : fc.constant<ReasonCode>(0),
        properties: propertiesArbitrary(version, packet),
      },
      { noNullPrototype: true },
    );
  return fc.oneof(
    one('puback', PacketType.Puback, PUBACK_REASONS),
    one('pubrec', PacketType.Pubrec, PUBACK_REASONS),
    one('pubrel', PacketType.Pubrel, PUBREL_REASONS),
    one('pubcomp', PacketType.Pubcomp, PUBREL_REASONS),
  );
}

function subscribeArbitrary(version: ProtocolVersion): fc.Arbitrary<SubscribePacket> {
  const option = version === 5 ? fc.boolean() : fc.constant(false);
  const request = fc
    .record({
      filter,
      qos,
      noLocal: option,
      retainAsPublished: option,
      retainHandling: version === 5 ? qos : fc.constant<Qos>(0),
    })
    .map((fields) => {
      const checked = filterOf(fields.filter);
      return { ...fields, filter: checked, noLocal: fields.noLocal && checked.shareName === null };
    });
  return fc
    .record({
      packetId,
      subscriptions: fc.array(request, { minLength: 1, maxLength: 5 }),
      properties: propertiesArbitrary(version, PacketType.Subscribe),
    })
    .map((fields) => ({ type: 'subscribe', ...fields }));
}

function unsubscribeArbitrary(version: ProtocolVersion): fc.Arbitrary<UnsubscribePacket> {
  return fc
    .record({
      packetId,
      filters: fc.array(filter.map(filterOf), { minLength: 1, maxLength: 5 }),
      properties: propertiesArbitrary(version, PacketType.Unsubscribe),
    })
    .map((fields) => ({ type: 'unsubscribe', ...fields }));
}

function subackArbitrary(version: ProtocolVersion): fc.Arbitrary<SubackPacket> {
  const suback = fc
    .record({
      packetId,
      reasons: fc.array(listed(version === 5 ? SUBACK_REASONS : SUBACK_RETURN_CODES), { minLength: 1, maxLength: 5 }),
      properties: propertiesArbitrary(version, PacketType.Suback),
    })
    .map((fields): SubackPacket => ({ type: 'suback', ...fields }));
  const unsuback = fc
    .record({
      packetId,
      reasons: version === 5 ? fc.array(listed(UNSUBACK_REASONS), { minLength: 1, maxLength: 5 }) : fc.constant([]),
      properties: propertiesArbitrary(version, PacketType.Unsuback),
    })
    .map((fields): SubackPacket => ({ type: 'unsuback', ...fields }));
  return fc.oneof(suback, unsuback);
}

function disconnectArbitrary(version: ProtocolVersion, from: 'client' | 'server'): fc.Arbitrary<DisconnectPacket> {
  const without = from === 'server' ? (['sessionExpiryInterval'] as const) : [];
  const reasons = from === 'server' ? SERVER_DISCONNECT_REASONS : CLIENT_DISCONNECT_REASONS;
  return fc
    .record({
      reason: version === 5 ? listed(reasons) : fc.constant<ReasonCode>(0),
      properties: propertiesArbitrary(version, PacketType.Disconnect, without),
    })
    .map((fields) => ({ type: 'disconnect', ...fields }));
}

function authArbitrary(): fc.Arbitrary<AuthPacket> {
  return fc
    .record({ reason: listed(CLIENT_AUTH_REASONS), properties: propertiesArbitrary(5, PacketType.Auth) })
    .map(({ reason, properties }) => {
      const method = properties.authenticationMethod ?? 'method';
      return { type: 'auth', reason, properties: { ...properties, authenticationMethod: method } };
    });
}

/** Any packet that this side may send. */
export function packetArbitrary(version: ProtocolVersion, from: 'client' | 'server'): fc.Arbitrary<Packet> {
  const both: fc.Arbitrary<Packet>[] = [publishArbitrary(version), ackArbitrary(version)];
  if (from === 'client') {
    both.push(connectArbitrary(version), subscribeArbitrary(version), unsubscribeArbitrary(version));
    both.push(fc.constant<Packet>({ type: 'pingreq' }), disconnectArbitrary(version, from));
    if (version === 5) both.push(authArbitrary());
  } else {
    both.push(connackArbitrary(version), subackArbitrary(version), fc.constant<Packet>({ type: 'pingresp' }));
    if (version === 5) both.push(disconnectArbitrary(version, from));
  }
  return fc.oneof(...both);
}
