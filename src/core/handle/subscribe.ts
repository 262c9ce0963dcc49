/**
 * SUBSCRIBE: rights are asked for each filter, then all filters are applied in order in one step, answered by one SUBACK
 * [MQTT-3.8.4-5], and the retained messages follow it.
 */
import { decodeSubscribe } from '../../protocol/decode/subscribe.ts';
import { encodeSuback } from '../../protocol/encode/packet.ts';
import type { FrameHeader } from '../../protocol/frame.ts';
import { EMPTY_PROPERTIES, type SubscribePacket, type SubscriptionRequest } from '../../protocol/packets.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import { lowerQos, type Qos } from '../../protocol/version.ts';
import type { Subscription } from '../model/subscription.ts';
import type { Ticket } from '../ports.ts';
import { requireAnswerFits } from './answer-size.ts';
import type { Client } from './client.ts';
import type { HandleContext } from './context.ts';

/** @returns a promise when the right to subscribe is answered later. */
export function handleSubscribe(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void | Promise<void> {
  const packet = decodeSubscribe(bytes, header, client.version);
  requireAnswerFits(client, packet.subscriptions.length);
  context.log.write('debug', `Received SUBSCRIBE from ${client.identity.clientId}`);
  const answers = packet.subscriptions.map((request) => ask(context, client, request));
  if (answers.every((answer) => typeof answer === 'boolean')) {
    subscribeAll(context, client, packet, answers);
    return undefined;
  }
  return Promise.all(answers).then((allowed) => {
    if (client.channel.isOpen) subscribeAll(context, client, packet, allowed);
  });
}

/** A fault is an answer that comes later, so that it cannot leave other answers without anybody to hear them. */
function ask(context: HandleContext, client: Client, request: SubscriptionRequest): boolean | Promise<boolean> {
  try {
    return context.access.maySubscribe(client.identity, request.filter);
  } catch (error) {
    return Promise.reject(error);
  }
}

function subscribeAll(
  context: HandleContext,
  client: Client,
  packet: SubscribePacket,
  allowed: readonly boolean[],
): void {
  const reasons: ReasonCode[] = [];
  const fresh: Subscription[] = [];
  let ticket: Ticket = 0;
  packet.subscriptions.forEach((request, index) => {
    const reason = allowed[index] === true ? checkLimit(context, client, request) : Reason.NotAuthorized;
    logSubscription(context, client, request, reason);
    if (reason !== null) {
      reasons.push(refusal(client, request, reason));
      return;
    }
    const qos = lowerQos(request.qos, context.settings.maxQos);
    const added = subscribeOne(context, client, packet, request, qos);
    ticket = Math.max(ticket, added.ticket);
    if (added.wantsRetained) fresh.push(added.subscription);
    else client.session.outgoing.replaceFeed(added.subscription);
    reasons.push(qos);
  });
  const { packetId } = packet;
  client.channel.sendAfter(
    ticket,
    encodeSuback({ type: 'suback', packetId, reasons, properties: EMPTY_PROPERTIES }, client.version),
  );
  for (const subscription of fresh) {
    client.session.outgoing.feed(context.router.retainedFor(subscription.filter), subscription);
  }
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
  const wantsRetained = !isShared && (request.retainHandling === 0 || (request.retainHandling === 1 && isNew));
  return { subscription, wantsRetained, ticket };
}

/** What SUBACK says of a filter that was not accepted. 3.1 has no code for it: the QoS is named, nothing subscribed. */
function refusal(client: Client, request: SubscriptionRequest, reason: ReasonCode): ReasonCode {
  if (client.version === 5) return reason;
  return client.version === 4 ? Reason.UnspecifiedError : request.qos;
}

function logSubscription(
  context: HandleContext,
  client: Client,
  request: SubscriptionRequest,
  reason: ReasonCode | null,
): void {
  const { log } = context;
  const { filter, qos } = request;
  if (log.has('debug')) log.write('debug', `\t${filter.text} (${reason === null ? `QoS ${qos}` : 'denied'})`);
  if (reason === null && log.has('subscribe'))
    log.write('subscribe', `${client.identity.clientId} ${qos} ${filter.text}`);
}
