/**
 * PUBLISH from a client:
 *
 *      decode -> alias -> limits -> mount point -> QoS 2 duplicate? -> access -> distribute -> acknowledge when durable
 *
 * The alias is resolved before access is asked: what has no topic name yet cannot be judged. Everything after the mount point
 * knows the full topic only.
 */

import { decodePublish } from '../../protocol/decode/publish.ts';
import type { FrameHeader } from '../../protocol/frame.ts';
import type { PublishPacket } from '../../protocol/packets.ts';
import { copyForwardedProperties } from '../../protocol/properties.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import type { TopicName } from '../../protocol/topic.ts';
import { type BorrowedMessage, type Message, NO_BYTES } from '../model/message.ts';
import { mountTopic } from '../model/mount-point.ts';
import type { Ticket } from '../ports.ts';
import type { Client } from './client.ts';
import { type HandleContext, receiveMaximumOf } from './context.ts';

/** What is left of a PUBLISH once its message stands by itself. */
interface PublishHead {
  readonly qos: 0 | 1 | 2;
  readonly packetId: number;
  readonly dup: boolean;
}

/** What the log says of it beside that. */
type PublishSize = Pick<Message, 'retain' | 'payloadStart' | 'payloadEnd'>;

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
  context.counters.publishBytesReceived += packet.payloadEnd - packet.payloadStart;
  const named = resolveTopic(client, packet);
  checkLimits(context, client, packet);
  const topic = mountTopic(client.channel.mount, named);
  if (packet.qos === 2 && client.session.hasReceived(packet.packetId)) {
    // It was taken in before: acknowledged again, not delivered again [MQTT-4.3.3-10].
    if (context.log.has('debug')) logPublish(context, client, 'Received', packet, topic ?? named, packet);
    client.channel.ack(0, 'pubrec', packet.packetId, Reason.Success);
    return undefined;
  }
  if (topic === null) return dropPublish(context, client, packet, named, Reason.TopicNameInvalid);
  // Mosquitto says 0x95, which the standard does not have for acknowledgements [MQTT-3.4.2-1].
  if (isTooLarge(context, packet)) return dropPublish(context, client, packet, topic, TOO_LARGE);
  const message = fillMessage(context, client, packet, topic);
  const allowed = context.access.mayPublish(client.identity, topic);
  if (typeof allowed !== 'boolean' || mustWait(context, client, message))
    return publishLater(context, client, packet, message, allowed);
  publishNow(context, client, packet, message, allowed);
  return undefined;
}

/** [MQTT-3.3.2-8] [MQTT-3.3.2-12]: an alias is 1 to the announced maximum, and known or named here. */
function resolveTopic(client: Client, packet: PublishPacket): TopicName {
  const { topic, topicAlias } = packet;
  if (topicAlias === 0 && topic !== null) return topic;
  const { maxTopicAlias } = client.listener;
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
  const { maxQos } = client.listener;
  if (packet.hasSubscriptionIdentifier) {
    throw new ProtocolError(Reason.ProtocolError, 'MQTT-3.3.4-6', 'a client sent a subscription identifier in PUBLISH');
  }
  if (packet.qos > maxQos) {
    throw new ProtocolError(Reason.QosNotSupported, 'MQTT-3.2.2-11', `QoS ${packet.qos} is above ${maxQos}`);
  }
  if (packet.retain && !context.settings.retainAvailable) {
    throw new ProtocolError(Reason.RetainNotSupported, 'MQTT-3.2.2-14', 'retained messages are switched off');
  }
  if (packet.qos === 0 || client.version !== 5) return;
  const open = client.unreleasedCount + client.channel.heldAnswerCount;
  const receiveMaximum = receiveMaximumOf(client.promised);
  if (open >= receiveMaximum && !client.session.hasReceived(packet.packetId)) {
    throw new ProtocolError(
      Reason.ReceiveMaximumExceeded,
      'MQTT-3.3.4-7',
      `more than ${receiveMaximum} messages without acknowledgement`,
    );
  }
}

/** `message_size_limit`. Mosquitto's code for it, 0x95, is not in the standard's list for PUBACK and PUBREC. */
function isTooLarge(context: HandleContext, packet: PublishPacket): boolean {
  const { messageSizeLimit } = context.settings;
  return messageSizeLimit > 0 && packet.payloadEnd - packet.payloadStart > messageSizeLimit;
}

const TOO_LARGE = Reason.ImplementationSpecificError;

/** Takes a message no further; its exchange is completed all the same. */
function dropPublish(
  context: HandleContext,
  client: Client,
  packet: PublishPacket,
  topic: TopicName,
  reason: ReasonCode,
): undefined {
  const verb = reason === TOO_LARGE ? 'Dropped too large' : 'Denied';
  context.counters.publishesDropped += 1;
  if (context.log.has('debug')) logPublish(context, client, verb, packet, topic, packet);
  refuse(client, packet, reason);
  return undefined;
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
  message.publisher = client.identity;
  message.bytes = packet.bytes;
  message.isFrameKept = context.isFrameKept;
  message.payloadStart = packet.payloadStart;
  message.payloadEnd = packet.payloadEnd;
  return message;
}

/**
 * Whether a message of QoS 1 or 2 that has to be stored waits for the journal, and its client is not read: while there is more
 * than it can make durable, and while it fails, which v5 clients are told instead (`isRefused`).
 */
function mustWait(context: HandleContext, client: Client, message: Message): boolean {
  if (message.qos === 0 || context.durability.takesFrom(client.version)) return false;
  return context.router.isForStore(message);
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
  if (allowed && qos > 0 && context.router.isForStore(owned)) await client.channel.whenJournalTakes();
  if (client.channel.isOpen) publishNow(context, client, { qos, packetId, dup }, owned, allowed);
}

function publishNow(
  context: HandleContext,
  client: Client,
  head: PublishHead,
  message: Message,
  allowed: boolean,
): void {
  if (context.log.has('debug'))
    logPublish(context, client, allowed ? 'Received' : 'Denied', head, message.topic, message);
  if (!allowed) {
    context.counters.publishesDropped += 1;
    refuse(client, head, Reason.NotAuthorized);
    return;
  }
  if (isRefused(context, client, head, message)) {
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

/** Nothing new is taken on for want of memory or of a journal: v5 clients are told so. */
function isRefused(context: HandleContext, client: Client, head: PublishHead, message: Message): boolean {
  if (head.qos === 0 || client.version !== 5) return false;
  if (context.settings.memoryLimitBytes > 0 && context.memory.isFull) return true;
  return context.durability.journal.isFailing && context.router.isForStore(message);
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

function logPublish(
  context: HandleContext,
  client: Client,
  verb: string,
  head: PublishHead,
  topic: TopicName,
  size: PublishSize,
): void {
  const flags = `d${Number(head.dup)}, q${head.qos}, r${Number(size.retain)}, m${head.packetId}`;
  const bytes = size.payloadEnd - size.payloadStart;
  context.log.write(
    'debug',
    `${verb} PUBLISH from ${client.identity.clientId} (${flags}, '${topic.text}', ... (${bytes} bytes))`,
  );
}
