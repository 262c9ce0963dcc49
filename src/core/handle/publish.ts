/**
 * PUBLISH from a client:
 *
 *      decode -> alias -> limits -> QoS 2 duplicate? -> access -> distribute -> acknowledge when durable
 *
 * The alias is resolved before access is asked: what has no topic name yet cannot be judged.
 */

import { decodePublish } from '../../protocol/decode/publish.ts';
import type { FrameHeader } from '../../protocol/frame.ts';
import type { PublishPacket } from '../../protocol/packets.ts';
import { copyForwardedProperties } from '../../protocol/properties.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import type { TopicName } from '../../protocol/topic.ts';
import { type BorrowedMessage, type Message, NO_BYTES } from '../model/message.ts';
import type { Ticket } from '../ports.ts';
import type { Client } from './client.ts';
import { type HandleContext, receiveMaximumOf } from './context.ts';

/** What is left of a PUBLISH once its message stands by itself. */
interface PublishHead {
  readonly qos: 0 | 1 | 2;
  readonly packetId: number;
  readonly dup: boolean;
}

/** @returns a promise when access or the journal answers later; the message is owned by then. */
export function handlePublish(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  frameStart: number,
  header: FrameHeader,
): void | Promise<void> {
  const packet = context.publish;
  decodePublish(bytes, frameStart, header, client.version, context.topics, packet);
  context.counters.publishesReceived += 1;
  const topic = resolveTopic(context, client, packet);
  checkLimits(context, client, packet);
  if (context.log.has('debug')) logPublish(context, client, packet, topic);
  if (packet.qos === 2 && client.session.hasReceived(packet.packetId)) {
    // It was taken in before: acknowledged again, not delivered again [MQTT-4.3.3-10].
    client.channel.ack(0, 'pubrec', packet.packetId, Reason.Success);
    return undefined;
  }
  const message = fillMessage(context, client, packet, topic);
  const allowed = context.access.mayPublish(client.identity, topic);
  if (typeof allowed !== 'boolean' || mustWait(context, client, packet, topic))
    return publishLater(context, client, packet, message, allowed);
  publishNow(context, client, packet, message, allowed);
  return undefined;
}

/** [MQTT-3.3.2-8] [MQTT-3.3.2-12]: an alias is 1 to the announced maximum, and known or named here. */
function resolveTopic(context: HandleContext, client: Client, packet: PublishPacket): TopicName {
  const { topic, topicAlias } = packet;
  if (topicAlias === 0 && topic !== null) return topic;
  const { maxTopicAlias } = context.settings;
  if (topicAlias > maxTopicAlias) {
    throw new ProtocolError(
      Reason.TopicAliasInvalid,
      'MQTT-3.2.2-17',
      `topic alias ${topicAlias} is above ${maxTopicAlias}`,
    );
  }
  if (topic !== null) {
    client.aliases.set(topicAlias, topic);
    return topic;
  }
  const known = client.aliases.get(topicAlias);
  if (known === undefined) {
    throw new ProtocolError(Reason.ProtocolError, '', `topic alias ${topicAlias} was not introduced with a topic name`);
  }
  return known;
}

function checkLimits(context: HandleContext, client: Client, packet: PublishPacket): void {
  const { settings } = context;
  if (packet.hasSubscriptionIdentifier) {
    throw new ProtocolError(Reason.ProtocolError, 'MQTT-3.3.4-6', 'a client sent a subscription identifier in PUBLISH');
  }
  if (packet.qos > settings.maxQos) {
    throw new ProtocolError(Reason.QosNotSupported, 'MQTT-3.2.2-11', `QoS ${packet.qos} is above ${settings.maxQos}`);
  }
  if (packet.retain && !settings.retainAvailable) {
    throw new ProtocolError(Reason.RetainNotSupported, 'MQTT-3.2.2-14', 'retained messages are switched off');
  }
  if (packet.qos === 0 || client.version !== 5) return;
  const open = client.unreleasedCount + client.channel.heldAnswerCount;
  const receiveMaximum = receiveMaximumOf(settings);
  if (open >= receiveMaximum && !client.session.hasReceived(packet.packetId)) {
    throw new ProtocolError(
      Reason.ReceiveMaximumExceeded,
      'MQTT-3.3.4-7',
      `more than ${receiveMaximum} messages without acknowledgement`,
    );
  }
}

function fillMessage(context: HandleContext, client: Client, packet: PublishPacket, topic: TopicName): BorrowedMessage {
  const { message } = context;
  const { propertiesStart, propertiesEnd, messageExpiryInterval } = packet;
  message.renew();
  message.topic = topic;
  message.qos = packet.qos;
  message.retain = packet.retain;
  message.expiresAtMs =
    messageExpiryInterval === null ? Number.POSITIVE_INFINITY : context.timers.now + messageExpiryInterval * 1000;
  message.forwardedProperties =
    propertiesEnd > propertiesStart ? copyForwardedProperties(packet.bytes, propertiesStart, propertiesEnd) : NO_BYTES;
  message.publisherId = client.identity.clientId;
  message.bytes = packet.bytes;
  message.isFrameKept = context.isFrameKept;
  message.payloadStart = packet.payloadStart;
  message.payloadEnd = packet.payloadEnd;
  return message;
}

/** While the journal fails, QoS 1 and 2 of 3.x clients wait for it if a durable session would get them. */
function mustWait(context: HandleContext, client: Client, packet: PublishPacket, topic: TopicName): boolean {
  if (!context.durability.journal.isFailing || packet.qos === 0 || client.version === 5) return false;
  return context.router.hasDurableReceiver(topic);
}

async function publishLater(
  context: HandleContext,
  client: Client,
  packet: PublishPacket,
  message: BorrowedMessage,
  answer: boolean | Promise<boolean>,
): Promise<void> {
  const owned = message.own();
  const { qos, packetId, dup } = packet;
  const allowed = await answer;
  const isWaiting = allowed && qos > 0 && client.version !== 5 && context.router.hasDurableReceiver(owned.topic);
  if (isWaiting) await client.channel.whenRecovered();
  if (client.channel.isOpen) publishNow(context, client, { qos, packetId, dup }, owned, allowed);
}

function publishNow(
  context: HandleContext,
  client: Client,
  head: PublishHead,
  message: Message,
  allowed: boolean,
): void {
  if (!allowed) {
    context.counters.publishesDropped += 1;
    context.log.write(
      'debug',
      `Denied PUBLISH from ${client.identity.clientId} (q${head.qos}, '${message.topic.text}')`,
    );
    refuse(client, head, Reason.NotAuthorized);
    return;
  }
  if (isRefusedByJournal(context, client, head, message)) {
    refuse(client, head, Reason.QuotaExceeded);
    return;
  }
  const ticket = context.router.distribute(message);
  if (head.qos === 1) {
    // 0x10 exists only in v5 [MQTT-3.4.2-1].
    const isUnheard = client.version === 5 && !context.router.hadMatch;
    client.channel.ack(ticket, 'puback', head.packetId, isUnheard ? Reason.NoMatchingSubscribers : Reason.Success);
  } else if (head.qos === 2) takeIn(client, head.packetId, ticket);
}

function isRefusedByJournal(context: HandleContext, client: Client, head: PublishHead, message: Message): boolean {
  if (!context.durability.journal.isFailing || head.qos === 0 || client.version !== 5) return false;
  return context.router.hasDurableReceiver(message.topic);
}

/** Keeps the id of a QoS 2 message until PUBREL; the id goes into the same commit as the message [MQTT-4.3.3-8]. */
function takeIn(client: Client, packetId: number, ticket: Ticket): void {
  client.session.takeIn(packetId);
  client.unreleasedCount += 1;
  const stored = client.session.tell({ kind: 'received', clientId: client.identity.clientId, packetId });
  client.channel.ack(Math.max(ticket, stored), 'pubrec', packetId, Reason.Success);
}

/** v5 is told why; 3.x has no such answer and gets the ordinary acknowledgement [MQTT-3.3.5-2]. */
function refuse(client: Client, head: PublishHead, reason: ReasonCode): void {
  if (head.qos === 0) return;
  if (client.version === 5) {
    client.channel.ack(0, head.qos === 1 ? 'puback' : 'pubrec', head.packetId, reason);
    return;
  }
  if (head.qos === 1) client.channel.ack(0, 'puback', head.packetId, Reason.Success);
  else takeIn(client, head.packetId, 0);
}

function logPublish(context: HandleContext, client: Client, packet: PublishPacket, topic: TopicName): void {
  const { dup, qos, retain, packetId } = packet;
  const flags = `d${Number(dup)}, q${qos}, r${Number(retain)}, m${packetId}`;
  const size = packet.payloadEnd - packet.payloadStart;
  context.log.write(
    'debug',
    `Received PUBLISH from ${client.identity.clientId} (${flags}, '${topic.text}', ... (${size} bytes))`,
  );
}
