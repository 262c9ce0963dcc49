/** PUBACK, PUBREC, PUBREL and PUBCOMP from a client: the steps of the QoS 1 and 2 flows, both directions. */
import { decodeAckInto } from '../../protocol/decode/ack.ts';
import type { FrameHeader } from '../../protocol/frame.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { Reason } from '../../protocol/reasons.ts';
import type { Client } from './client.ts';
import type { HandleContext } from './context.ts';

/** An acknowledgement for a QoS 1 message that was sent. One for an unknown id is of an older connection: ignored. */
export function handlePuback(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void {
  const { ack } = context;
  decodeAckInto(bytes, header, client.version, ack);
  if (context.log.has('debug')) logAck(context, client, 'PUBACK', `Mid: ${ack.packetId}, RC:${ack.reason}`);
  if (client.session.outgoing.onPuback(ack.packetId)) return;
  if (client.session.outgoing.isInFlight(ack.packetId)) {
    throw new ProtocolError(
      Reason.ProtocolError,
      'MQTT-4.3.3-3',
      `PUBACK for packet ${ack.packetId}, which was sent with QoS 2`,
    );
  }
}

/** A client that asks on with an id we do not know gets PUBREL all the same, so that its flow can end. */
export function handlePubrec(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void {
  const { ack } = context;
  decodeAckInto(bytes, header, client.version, ack);
  if (context.log.has('debug')) logAck(context, client, 'PUBREC', `Mid: ${ack.packetId}`);
  if (client.session.outgoing.onPubrec(ack.packetId, ack.reason)) return;
  if (client.session.outgoing.isInFlight(ack.packetId)) {
    throw new ProtocolError(
      Reason.ProtocolError,
      'MQTT-4.3.2-3',
      `PUBREC for packet ${ack.packetId}, which was sent with QoS 1`,
    );
  }
  logUnknown(context, client);
  if (ack.reason < Reason.UnspecifiedError)
    client.channel.ack(0, 'pubrel', ack.packetId, Reason.PacketIdentifierNotFound);
}

/** The end of a QoS 2 message taken in: its id is free [MQTT-4.3.3-11] [MQTT-4.3.3-12]. */
export function handlePubrel(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void {
  const { ack } = context;
  decodeAckInto(bytes, header, client.version, ack);
  const { packetId } = ack;
  if (context.log.has('debug')) logAck(context, client, 'PUBREL', `Mid: ${packetId}`);
  const { session, channel, identity } = client;
  if (!session.release(packetId)) {
    channel.ack(0, 'pubcomp', packetId, Reason.PacketIdentifierNotFound);
    return;
  }
  // One of an older connection takes nothing off the quota of this one.
  if (client.unreleasedCount > 0) client.unreleasedCount -= 1;
  const ticket = session.tell({ kind: 'received-done', clientId: identity.clientId, packetId });
  channel.ack(ticket, 'pubcomp', packetId, Reason.Success);
}

export function handlePubcomp(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void {
  const { ack } = context;
  decodeAckInto(bytes, header, client.version, ack);
  if (context.log.has('debug')) logAck(context, client, 'PUBCOMP', `Mid: ${ack.packetId}, RC:${ack.reason}`);
  client.session.outgoing.onPubcomp(ack.packetId);
}

function logAck(context: HandleContext, client: Client, name: string, facts: string): void {
  context.log.write('debug', `Received ${name} from ${client.identity.clientId} (${facts})`);
}

function logUnknown(context: HandleContext, client: Client): void {
  const { log, ack } = context;
  if (!log.has('warning')) return;
  const id = client.identity.clientId;
  log.write('warning', `Warning: Received PUBREC from ${id} for an unknown packet identifier ${ack.packetId}.`);
}
