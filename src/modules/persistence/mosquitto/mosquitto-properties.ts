/**
 * Properties as Mosquitto's SQLite store has them: a JSON array of {"identifier": name, "value": ...}, a user property with
 * a "name" too, binary values in hex.
 */
import { EMPTY_PROPERTIES, PacketType, type Properties, type UserProperty } from '../../../protocol/packets.ts';
import { propertiesBytes, propertyBlockBytes, writeProperties } from '../../../protocol/properties.ts';
import { isMqttText, TEXT_BYTES_MAX } from '../../../protocol/utf8.ts';
import { MosquittoDbError } from './mosquitto-source.ts';

/** Properties of one message; more are no message that a broker took in. */
const PROPERTIES_MAX = 65_536;
const EMPTY = new Uint8Array(0);

type Draft = { -readonly [Name in keyof Properties]: Properties[Name] };

export interface TextProperties {
  /** Those that are passed on, encoded, without their length. */
  readonly properties: Uint8Array;
  /** Message Expiry Interval; null = none. */
  readonly expirySeconds: number | null;
}

/** `text` '' = none. Entries of unknown names are passed over. @throws MosquittoDbError when it is not such an array */
export function textProperties(text: string): TextProperties {
  if (text === '') return { properties: EMPTY, expirySeconds: null };
  const draft: Draft = { ...EMPTY_PROPERTIES };
  const pairs: UserProperty[] = [];
  for (const entry of entriesOf(text)) putEntry(draft, pairs, entry);
  if (pairs.length > 0) draft.userProperties = pairs;
  const { messageExpiryInterval } = draft;
  draft.messageExpiryInterval = null;
  return { properties: encode(draft), expirySeconds: messageExpiryInterval };
}

type Entry = Readonly<Record<string, unknown>>;

function entriesOf(text: string): readonly Entry[] {
  const value = parse(text);
  if (!Array.isArray(value) || value.length > PROPERTIES_MAX || !value.every(isEntry)) throw wrong();
  return value;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw wrong();
  }
}

function isEntry(value: unknown): value is Entry {
  return typeof value === 'object' && value !== null;
}

function putEntry(draft: Draft, pairs: UserProperty[], { identifier, name, value }: Entry): void {
  switch (identifier) {
    case 'payload-format-indicator':
      draft.payloadFormatIndicator = numberIn(value, 1) === 0 ? 0 : 1;
      return;
    case 'message-expiry-interval':
      draft.messageExpiryInterval = numberIn(value, 0xffff_ffff);
      return;
    case 'content-type':
      draft.contentType = textIn(value);
      return;
    case 'response-topic':
      draft.responseTopic = textIn(value);
      return;
    case 'correlation-data':
      draft.correlationData = bytesIn(value);
      return;
    case 'user-property':
      pairs.push({ name: textIn(name), value: textIn(value) });
  }
}

function numberIn(value: unknown, max: number): number {
  const number = typeof value === 'boolean' ? Number(value) : value;
  if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= max) return number;
  throw wrong();
}

function textIn(value: unknown): string {
  if (typeof value === 'string' && isMqttText(value)) return value;
  throw wrong();
}

function bytesIn(value: unknown): Uint8Array {
  if (typeof value !== 'string' || value.length > 2 * TEXT_BYTES_MAX || !/^([0-9a-fA-F]{2})*$/.test(value)) {
    throw wrong();
  }
  return Uint8Array.from(Buffer.from(value, 'hex'));
}

function encode(properties: Properties): Uint8Array {
  const block = new Uint8Array(propertyBlockBytes(properties));
  writeProperties(properties, PacketType.Publish, block, 0);
  return block.subarray(block.length - propertiesBytes(properties));
}

function wrong(): MosquittoDbError {
  return new MosquittoDbError('expected properties as a JSON array of {"identifier", "value"}', null);
}
