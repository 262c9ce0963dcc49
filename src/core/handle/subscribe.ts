/**
 * SUBSCRIBE: rights are asked for each filter, then all filters are applied in order in one step, answered by one SUBACK
 * [MQTT-3.8.4-5], and the retained messages follow it.
 */
import { decodeSubscribe } from '../../protocol/decode/subscribe.ts';
import { encodeSuback } from '../../protocol/encode/packet.ts';
import type { FrameHeader } from '../../protocol/frame.ts';
import { EMPTY_PROPERTIES, type SubscribePacket, type SubscriptionRequest } from '../../protocol/packets.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import type { TopicFilter } from '../../protocol/topic.ts';
import { lowerQos, type Qos } from '../../protocol/version.ts';
import { mountFilter } from '../model/mount-point.ts';
import type { Subscription } from '../model/subscription.ts';
import type { Ticket } from '../ports.ts';
import { requireAnswerFits } from './answer-size.ts';
import type { Client } from './client.ts';
import type { HandleContext } from './context.ts';

/** @returns a promise when the right to subscribe is answered later, or when the journal takes no new subscriptions now. */
export function handleSubscribe(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void | Promise<void> {
  const packet = decodeSubscribe(bytes, header, client.version);
  requireAnswerFits(client, packet.subscriptions.length);
  if (context.log.has('debug')) context.log.write('debug', `Received SUBSCRIBE from ${client.identity.clientId}`);
  if (!client.session.isStored || context.durability.takesNewKeys) return askAndSubscribe(context, client, packet);
  // Rights are asked for after that, by the rules of then.
  return client.channel.whenJournalTakesNewKeys().then(() => {
    if (client.channel.isOpen) return askAndSubscribe(context, client, packet);
    return undefined;
  });
}

function askAndSubscribe(context: HandleContext, client: Client, packet: SubscribePacket): void | Promise<void> {
  const requests = packet.subscriptions.map((request) => mountRequest(client, request));
  const answers = requests.map((request) => request !== null && ask(context, client, request));
  if (answers.every((answer) => typeof answer === 'boolean')) {
    subscribeAll(context, client, packet, requests, answers);
    return undefined;
  }
  return Promise.all(answers).then((allowed) => {
    if (client.channel.isOpen) subscribeAll(context, client, packet, requests, allowed);
  });
}

/** A request with its full filter. Null: the mount point of its listener leaves no valid one. */
type MountedRequest = SubscriptionRequest | null;

function mountRequest(client: Client, request: SubscriptionRequest): MountedRequest {
  const { mount } = client.channel;
  if (mount === null) return request;
  const filter = mountFilter(mount, request.filter);
  return filter === null ? null : { ...request, filter };
}

/** A fault is an answer that comes later, so that it cannot leave other answers without anybody to hear them. */
function ask(context: HandleContext, client: Client, request: SubscriptionRequest): boolean | Promise<boolean> {
  try {
    return context.access.maySubscribe(client.identity, request.filter);
  } catch (error) {
    return Promise.reject(error);
  }
}

/** `requests` and `allowed` are those of the packet, in order. */
function subscribeAll(
  context: HandleContext,
  client: Client,
  packet: SubscribePacket,
  requests: readonly MountedRequest[],
  allowed: readonly boolean[],
): void {
  const reasons: ReasonCode[] = [];
  const fresh: Subscription[] = [];
  let ticket: Ticket = 0;
  packet.subscriptions.forEach((asked, index) => {
    const request = requests[index] ?? null;
    const reason = refusalOf(context, client, request, allowed[index] === true);
    const qos = lowerQos(asked.qos, client.listener.maxQos);
    logSubscription(context, client, (request ?? asked).filter, reason === null ? qos : null);
    if (request === null || reason !== null) {
      reasons.push(answerTo(client, asked, reason ?? Reason.TopicFilterInvalid));
      return;
    }
    const added = subscribeOne(context, client, packet, request, qos);
    ticket = Math.max(ticket, added.ticket);
    if (added.wantsRetained) fresh.push(added.subscription);
    else client.session.outgoing.replaceFeed(added.subscription);
    reasons.push(qos);
  });
  const { packetId } = packet;
  if (context.log.has('debug')) context.log.write('debug', `Sending SUBACK to ${client.identity.clientId}`);
  client.channel.sendAfter(
    ticket,
    encodeSuback({ type: 'suback', packetId, reasons, properties: EMPTY_PROPERTIES }, client.version),
  );
  for (const subscription of fresh) {
    client.session.outgoing.feed(context.router.retainedFor(subscription.filter), subscription);
  }
}

function refusalOf(
  context: HandleContext,
  client: Client,
  request: MountedRequest,
  isAllowed: boolean,
): ReasonCode | null {
  if (request === null) return Reason.TopicFilterInvalid;
  return isAllowed ? checkLimit(context, client, request) : Reason.NotAuthorized;
}

function checkLimit(context: HandleContext, client: Client, request: SubscriptionRequest): ReasonCode | null {
  const { subscriptions } = client.session;
  const { subscriptionsPerSessionMax, filterCharsPerSessionMax } = context.settings;
  const { text } = request.filter;
  const isFull =
    subscriptions.count >= subscriptionsPerSessionMax ||
    subscriptions.filterChars + text.length > filterCharsPerSessionMax;
  return isFull && !subscriptions.has(text) ? Reason.QuotaExceeded : null;
}

interface Added {
  readonly subscription: Subscription;
  readonly wantsRetained: boolean;
  readonly ticket: Ticket;
}

function subscribeOne(
  context: HandleContext,
  client: Client,
  packet: SubscribePacket,
  request: SubscriptionRequest,
  qos: Qos,
): Added {
  const { session } = client;
  const { filter } = request;
  const isNew = !session.subscriptions.has(filter.text);
  const isShared = filter.shareName !== null;
  const subscription: Subscription = {
    target: session,
    filter,
    qos,
    noLocal: request.noLocal || (client.isBridge && !isShared),
    retainAsPublished: request.retainAsPublished || client.isBridge,
    retainHandling: request.retainHandling,
    identifiers: packet.properties.subscriptionIdentifiers,
  };
  session.subscriptions.set(subscription);
  context.router.tree.add(subscription);
  const ticket = session.tell({ kind: 'subscribed', clientId: session.clientId, subscription });
  // [MQTT-3.3.1-9] [MQTT-3.3.1-10] [MQTT-3.3.1-11]; nothing retained for shared subscriptions.
  const isAsked = request.retainHandling === 0 || (request.retainHandling === 1 && isNew);
  const wantsRetained = isAsked && !isShared && context.settings.retainAvailable;
  return { subscription, wantsRetained, ticket };
}

/** What SUBACK says of a filter that was not accepted. 3.1 has no code for it: the QoS is named, nothing subscribed. */
function answerTo(client: Client, asked: SubscriptionRequest, reason: ReasonCode): ReasonCode {
  if (client.version === 5) return reason;
  return client.version === 4 ? Reason.UnspecifiedError : asked.qos;
}

/** `qos`: the granted one; null = denied. */
function logSubscription(context: HandleContext, client: Client, filter: TopicFilter, qos: Qos | null): void {
  const { log } = context;
  if (log.has('debug')) log.write('debug', `\t${filter.text} (${qos === null ? 'denied' : `QoS ${qos}`})`);
  if (qos !== null && log.has('subscribe')) log.write('subscribe', `${client.identity.clientId} ${qos} ${filter.text}`);
}
