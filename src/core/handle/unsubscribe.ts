import { decodeUnsubscribe } from '../../protocol/decode/unsubscribe.ts';
import { encodeSuback } from '../../protocol/encode/packet.ts';
import type { FrameHeader } from '../../protocol/frame.ts';
import { EMPTY_PROPERTIES, type UnsubscribePacket } from '../../protocol/packets.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import type { TopicFilter } from '../../protocol/topic.ts';
import { mountFilter } from '../model/mount-point.ts';
import type { Ticket } from '../ports.ts';
import { requireAnswerFits } from './answer-size.ts';
import type { Client } from './client.ts';
import type { HandleContext } from './context.ts';

/**
 * UNSUBSCRIBE: filters are compared as they stand [MQTT-3.10.4-1]; always answered [MQTT-3.10.4-4].
 * @returns a promise when the journal takes no such changes now.
 */
export function handleUnsubscribe(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void | Promise<void> {
  const packet = decodeUnsubscribe(bytes, header, client.version);
  requireAnswerFits(client, packet.filters.length);
  if (context.log.has('debug')) context.log.write('debug', `Received UNSUBSCRIBE from ${client.identity.clientId}`);
  if (!client.session.isStored || context.durability.takesNewKeys) {
    unsubscribeAll(context, client, packet);
    return undefined;
  }
  return client.channel.whenJournalTakesNewKeys().then(() => {
    if (client.channel.isOpen) unsubscribeAll(context, client, packet);
  });
}

function unsubscribeAll(context: HandleContext, client: Client, packet: UnsubscribePacket): void {
  let ticket: Ticket = 0;
  const reasons: ReasonCode[] = [];
  for (const filter of packet.filters) {
    const removed = unsubscribeOne(context, client, filter);
    ticket = Math.max(ticket, removed ?? 0);
    reasons.push(removed === null ? Reason.NoSubscriptionExisted : Reason.Success);
  }
  const { packetId } = packet;
  if (context.log.has('debug')) context.log.write('debug', `Sending UNSUBACK to ${client.identity.clientId}`);
  client.channel.sendAfter(
    ticket,
    encodeSuback({ type: 'unsuback', packetId, reasons, properties: EMPTY_PROPERTIES }, client.version),
  );
}

/** @returns the ticket of the change, or null when there was no such subscription. */
function unsubscribeOne(context: HandleContext, client: Client, asked: TopicFilter): Ticket | null {
  const { session } = client;
  const { log } = context;
  // What the mount point leaves no valid filter of cannot have been subscribed to.
  const filter = mountFilter(client.channel.mount, asked);
  const { text } = filter ?? asked;
  if (log.has('debug')) log.write('debug', `\t${text}`);
  if (log.has('unsubscribe')) log.write('unsubscribe', `${session.clientId} ${text}`);
  if (filter === null) return null;
  if (!session.subscriptions.delete(filter.text)) return null;
  context.router.tree.remove(session, filter);
  session.outgoing.stopFeed(filter.text);
  return session.tell({ kind: 'unsubscribed', clientId: session.clientId, filter: filter.text });
}
