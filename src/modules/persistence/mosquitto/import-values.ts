/** Values of a store of Mosquitto's as ours. What is not what MQTT allows becomes null: it is left out, never passed on. */
import { NO_BYTES, OwnedMessage } from '../../../core/model/message.ts';
import { PacketType } from '../../../protocol/packets.ts';
import { copyForwardedProperties } from '../../../protocol/properties.ts';
import { scanProperties } from '../../../protocol/property-scan.ts';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { copyBytes } from '../../../protocol/read.ts';
import { readTopicFilter, readTopicName } from '../../../protocol/topic.ts';
import { TEXT_BYTES_MAX } from '../../../protocol/utf8.ts';
import type { Qos } from '../../../protocol/version.ts';
import type { StoredSubscription } from '../bodies.ts';
import type { MosquittoMessage, MosquittoSubscription } from './mosquitto-source.ts';

/** The port by which rules are found where the store does not say through which listener somebody came. */
export const UNKNOWN_PORT = 1883;

const SECOND_MS = 1000;
/** Options of a subscription, as in SUBSCRIBE. */
const NO_LOCAL = 4;
const RETAIN_AS_PUBLISHED = 8;
const IDENTIFIER_MAX = 268_435_455;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A client id or user name; null when it is no UTF-8 or too long. */
export function plainText(bytes: Uint8Array): string | null {
  if (bytes.length > TEXT_BYTES_MAX) return null;
  try {
    return decoder.decode(bytes);
  } catch {
    return null;
  }
}

export function qosIn(value: number): Qos | null {
  return value === 0 || value === 1 || value === 2 ? value : null;
}

/** A subscription identifier as deliveries have it; null = none. */
export function identifiersIn(identifier: number): readonly number[] | null {
  return identifier > 0 && identifier <= IDENTIFIER_MAX ? [identifier] : null;
}

export function subscriptionIn(subscription: MosquittoSubscription): StoredSubscription | null {
  const { filter, options, identifier } = subscription;
  const qos = qosIn(subscription.qos);
  const handling = (options >>> 4) & 3;
  if (qos === null || handling === 3) return null;
  return orNull(() => ({
    filter: readTopicFilter(filter, 0, filter.length),
    qos,
    noLocal: (options & NO_LOCAL) !== 0,
    retainAsPublished: (options & RETAIN_AS_PUBLISHED) !== 0,
    retainHandling: handling === 0 ? 0 : handling === 1 ? 1 : 2,
    identifiers: identifiersIn(identifier),
  }));
}

/** `nowMs`: the time of day at which the store's clock shows 0. */
export function messageIn(message: MosquittoMessage, nowMs: number): OwnedMessage | null {
  const { topic, payload, properties, sourceId, sourceUserName, sourcePort, expiresAt } = message;
  const qos = qosIn(message.qos);
  const clientId = plainText(sourceId);
  const userName = plainText(sourceUserName);
  if (qos === null || clientId === null || userName === null) return null;
  return orNull(() => {
    const listenerId = sourcePort === 0 ? UNKNOWN_PORT : sourcePort;
    return new OwnedMessage({
      topic: readTopicName(topic, 0, topic.length),
      qos,
      retain: message.isRetained,
      expiresAtMs: expiresAt === 0 ? Number.POSITIVE_INFINITY : expiresAt * SECOND_MS - nowMs,
      forwardedProperties: forwarded(properties),
      publisherId: clientId,
      publisher: clientId === '' ? null : { clientId, userName: userName === '' ? null : userName, listenerId },
      bytes: copyBytes(payload, 0, payload.length),
    });
  });
}

function forwarded(properties: Uint8Array): Uint8Array {
  if (properties.length === 0) return NO_BYTES;
  scanProperties(properties, 0, properties.length, PacketType.Publish);
  return copyForwardedProperties(properties, 0, properties.length);
}

function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtocolError) return null;
    throw error;
  }
}
