/** What may be asked of a broker beside the protocol: see `Operator` in ports. */
import { assert } from '../../base/assert.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import { parseTopicName } from '../../protocol/topic.ts';
import type { OutboxPool } from '../delivery/outbox.ts';
import type { HandleContext } from '../handle/context.ts';
import { NO_BYTES, OwnedMessage } from '../model/message.ts';
import type { StoredMessages } from '../model/stored-messages.ts';
import type { BrokerSizes, ClientView, Operator, OwnPublishOptions, SubscriptionView } from '../ports.ts';
import type { Connection } from './connection.ts';

export interface OperatorParts {
  readonly context: HandleContext;
  readonly connections: ReadonlySet<Connection>;
  readonly stored: StoredMessages;
  readonly outboxes: OutboxPool;
}

export function createOperator(parts: OperatorParts): Operator {
  const { context, connections } = parts;
  return {
    counters: context.counters,
    sizes: () => sizesOf(parts),
    publish: (topic, payload, options) => publishOwn(context, topic, payload, options),
    clients: () => clientsOf(connections),
    subscriptions: () => subscriptionsOf(context),
    disconnect: (clientId, reason, words) => disconnectClient(context, clientId, reason, words),
    recheckClients: () => recheckClients(context, connections),
  };
}

function sizesOf({ context, connections, stored, outboxes }: OperatorParts): BrokerSizes {
  const { sessions, router, connectedCount } = context;
  return {
    connections: connections.size,
    clientsConnected: connectedCount,
    // While a client is taken over it may be counted twice for a moment.
    clientsDisconnected: Math.max(0, sessions.count - connectedCount),
    sessions: sessions.count,
    sessionsMaximum: sessions.maximum,
    subscriptions: router.tree.subscriptionCount,
    sharedSubscriptions: router.tree.sharedCount,
    retained: router.retained.count,
    storedMessages: router.retained.count + stored.count,
    storedBytes: router.retained.bytes + stored.bytes,
    unsentConnections: outboxes.unsentCount,
    unsentBytes: outboxes.unsentBytes,
    outboxChunks: outboxes.takenCount,
  };
}

function publishOwn(context: HandleContext, topic: string, payload: Uint8Array, options: OwnPublishOptions): void {
  const name = parseTopicName(topic);
  assert(name !== null, `the broker publishes to '${topic}', which is no topic name`);
  const { qos, retain, expirySeconds } = options;
  const expiresAtMs =
    expirySeconds === undefined ? Number.POSITIVE_INFINITY : context.timers.now + expirySeconds * 1000;
  const message = { topic: name, qos, retain, expiresAtMs, forwardedProperties: NO_BYTES, publisherId: '' };
  context.router.distribute(new OwnedMessage({ ...message, bytes: payload }));
}

function* subscriptionsOf({ sessions }: HandleContext): Iterable<SubscriptionView> {
  for (const { clientId, subscriptions } of sessions.all()) {
    const values = subscriptions.values();
    for (let next = values.next(); next.done !== true; next = values.next()) {
      const { filter, qos } = next.value;
      yield { filter: filter.text, clientId, qos };
    }
  }
}

function* clientsOf(connections: Iterable<Connection>): Iterable<ClientView> {
  for (const { client } of connections) if (client !== null) yield client;
}

function disconnectClient(context: HandleContext, clientId: string, reason: ReasonCode, words: string): boolean {
  const holder = context.sessions.get(clientId)?.holder ?? null;
  holder?.disconnect(reason, words);
  return holder !== null;
}

function recheckClients({ access }: HandleContext, connections: Iterable<Connection>): number {
  let count = 0;
  for (const { client } of [...connections]) {
    // One that went meanwhile is asked about for nothing.
    if (client === null || access.isStillWelcome(client.identity, client.security)) continue;
    client.disconnect(Reason.NotAuthorized, 'not authorised');
    count += 1;
  }
  return count;
}
