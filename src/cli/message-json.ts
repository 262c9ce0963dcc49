/** A message as JSON, for `%j` and `%J`: the keys of Mosquitto 2.1. */
import type { IncomingMessage } from '../client/client-types.ts';
import type { Properties } from '../protocol/packets.ts';
import { isoTimeWithFraction } from './format-time.ts';

/** Whether the payload is shown as text or taken as JSON. */
export type JsonPayload = 'text' | 'json';

/** Null when the payload should be JSON and is none. */
export function messageJson(
  message: IncomingMessage,
  at: Date,
  how: { readonly payload: JsonPayload; readonly isPretty: boolean },
): string | null {
  const { topic, qos, retain, packetId, payload } = message;
  const properties = shownProperties(message.properties);
  try {
    const shown = {
      tst: isoTimeWithFraction(at),
      topic,
      qos,
      retain,
      payloadlen: payload.length,
      ...(qos > 0 ? { mid: packetId } : {}),
      ...(Object.keys(properties).length > 0 ? { properties } : {}),
      payload: shownPayload(payload, how.payload),
    };
    return JSON.stringify(shown, null, how.isPretty ? '\t' : '');
  } catch {
    // No JSON, or nested more deeply than can be shown.
    return null;
  }
}

function shownPayload(payload: Uint8Array, how: JsonPayload): unknown {
  if (payload.length === 0) return null;
  const text = Buffer.from(payload).toString();
  return how === 'text' ? text : JSON.parse(text);
}

function shownProperties(properties: Properties): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  const put = (name: string, value: unknown): void => {
    if (value !== null) shown[name] = value;
  };
  put('user-properties', properties.userProperties?.map(({ name, value }) => ({ [name]: value })) ?? null);
  put('content-type', properties.contentType);
  put('response-topic', properties.responseTopic);
  put('correlation-data', properties.correlationData && Buffer.from(properties.correlationData).toString());
  put('payload-format-indicator', properties.payloadFormatIndicator);
  put('message-expiry-interval', properties.messageExpiryInterval);
  put('topic-alias', properties.topicAlias);
  put('subscription-identifier', properties.subscriptionIdentifiers?.[0] ?? null);
  return shown;
}
