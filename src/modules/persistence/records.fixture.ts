/** Sessions, messages and rows for tests of the journal. */
import assert from 'node:assert/strict';
import type { Delivery } from '../../core/model/delivery.ts';
import type { DeliveryTarget } from '../../core/model/delivery-target.ts';
import { NO_BYTES, type OwnedFields, OwnedMessage } from '../../core/model/message.ts';
import type { JournalRecord, QueueRow, Subscription } from '../../core/ports.ts';
import { parseTopicFilter, parseTopicName, type TopicFilter, type TopicName } from '../../protocol/topic.ts';
import type { StoreScale } from './bodies.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function topicOf(text: string): TopicName {
  return parseTopicName(text) ?? assert.fail(`not a topic name: ${text}`);
}

export function filterOf(text: string): TopicFilter {
  return parseTopicFilter(text) ?? assert.fail(`not a topic filter: ${text}`);
}

/** A message of QoS 1 of a client; `text` is its payload. */
export function messageOf(text: string, fields: Partial<OwnedFields> = {}): OwnedMessage {
  return new OwnedMessage({
    topic: topicOf('t'),
    qos: 1,
    retain: false,
    expiresAtMs: Number.POSITIVE_INFINITY,
    forwardedProperties: NO_BYTES,
    publisherId: 'pub',
    publisher: { clientId: 'pub', userName: null, listenerId: 0 },
    bytes: encoder.encode(text),
    ...fields,
  });
}

export function payloadOf(message: OwnedMessage): string {
  return decoder.decode(message.bytes.subarray(message.payloadStart, message.payloadEnd));
}

export function deliveryOf(message: OwnedMessage, fields: Partial<Delivery> = {}): Delivery {
  return { message, qos: message.qos, retain: false, subscriptionIdentifiers: null, shared: null, ...fields };
}

export function rowOf(position: number, text: string, fields: Partial<Delivery> = {}): QueueRow {
  return { position, delivery: deliveryOf(messageOf(text), fields) };
}

/** Nobody that a test of the journal would deliver to. */
const nobody: DeliveryTarget = {
  clientId: '',
  isOnline: false,
  hasRoom: false,
  isDurable: true,
  offer: () => 0,
};

export function subscriptionOf(filter: string, fields: Partial<Subscription> = {}): Subscription {
  return {
    target: nobody,
    filter: filterOf(filter),
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifiers: null,
    ...fields,
  };
}

export function sessionRecord(clientId: string): JournalRecord {
  return { kind: 'session', clientId, userName: null, listenerId: 0, expirySeconds: 3600 };
}

export function queuedRecord(clientId: string, row: QueueRow, isHeld = true): JournalRecord {
  return { kind: 'queued', clientId, row, isHeld };
}

/** A scale that changes everything a little, so that what was forgotten shows. */
export const SHIFTED_SCALE: StoreScale = {
  toStored: (ms) => ms + 1_000_000,
  fromStored: (ms) => ms - 1_000_000,
  nameOf: (listenerId) => `port ${1883 + listenerId}`,
  idOf: (name) => Number(name.slice('port '.length)) - 1883,
};
