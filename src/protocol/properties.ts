/**
 * Properties of MQTT 5.0 as values and as bytes. What stands in a PUBLISH is not decoded on its way through the broker:
 * it is checked (property-scan.ts) and forwarded as bytes, so it leaves as it came, in order [MQTT-3.3.2-17]
 * [MQTT-3.3.2-18].
 */
import { assert } from '../base/assert.ts';
import { readVariableInteger, variableIntegerBytes, writeVariableInteger } from './frame.ts';
import { EMPTY_PROPERTIES, type Properties, type UserProperty } from './packets.ts';
import { scanProperties, skipValue } from './property-scan.ts';
import {
  ALLOWED_IN,
  PROPERTIES,
  PROPERTY_BIT,
  PROPERTY_BY_ID,
  type PropertyDefinition,
  PropertyId,
  type PropertyPacket,
  Wire,
} from './property-table.ts';
import { copyBytes, u16At, u32At } from './read.ts';
import { readUtf8, utf8Bytes, writeUtf8 } from './utf8.ts';
import { copyInto, writeBinary, writeU16, writeU32 } from './write.ts';

export { scanPublishProperties } from './property-scan.ts';
export { type PropertyPacket, WILL } from './property-table.ts';

/** Properties while they are being read. */
type Draft = {
  -readonly [Name in keyof Properties]: Name extends 'userProperties'
    ? UserProperty[] | null
    : Name extends 'subscriptionIdentifiers'
      ? number[] | null
      : Properties[Name];
};

/** What `copyForwardedProperties` returns when nothing is left. */
export const NO_PROPERTIES: Uint8Array = new Uint8Array(0);

const NOT_FORWARDED =
  PROPERTY_BIT[PropertyId.TopicAlias]! |
  PROPERTY_BIT[PropertyId.MessageExpiryInterval]! |
  PROPERTY_BIT[PropertyId.SubscriptionIdentifier]! |
  PROPERTY_BIT[PropertyId.WillDelayInterval]!;

/** Decodes the properties in `bytes[start, end)`; binary values are copied. Rules and errors are `scanProperties`'s. */
export function readProperties(bytes: Uint8Array, start: number, end: number, packet: PropertyPacket): Properties {
  if (start === end) return EMPTY_PROPERTIES;
  scanProperties(bytes, start, end, packet);
  const draft: Draft = { ...EMPTY_PROPERTIES, subscriptionIdentifiers: null, userProperties: null };
  let at = start;
  while (at < end) {
    const id = bytes[at]!;
    const valueEnd = skipValue(bytes, at + 1, id);
    const definition = PROPERTY_BY_ID.get(id);
    if (definition !== undefined) store(draft, definition, bytes, at + 1, valueEnd);
    at = valueEnd;
  }
  return draft;
}

/**
 * An owned copy of what is passed on unaltered: all but topic alias, message expiry, subscription identifiers and will
 * delay. The block must have been scanned. Returns the one NO_PROPERTIES when nothing is left.
 */
export function copyForwardedProperties(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const count = forwardedBytes(bytes, start, end);
  if (count === 0) return NO_PROPERTIES;
  if (count === end - start) return copyBytes(bytes, start, end);
  const copy = new Uint8Array(count);
  let written = 0;
  let at = start;
  while (at < end) {
    const id = bytes[at]!;
    const valueEnd = skipValue(bytes, at + 1, id);
    if ((PROPERTY_BIT[id]! & NOT_FORWARDED) === 0) written = copyInto(bytes, at, valueEnd, copy, written);
    at = valueEnd;
  }
  return copy;
}

/** Bytes of `properties` encoded, without their length in front. */
export function propertiesBytes(properties: Properties): number {
  if (properties === EMPTY_PROPERTIES) return 0;
  let count = 0;
  for (const definition of PROPERTIES) count += propertyBytes(properties, definition);
  return count;
}

/** Bytes of `properties` with their length in front. */
export function propertyBlockBytes(properties: Properties): number {
  const count = propertiesBytes(properties);
  return variableIntegerBytes(count) + count;
}

/**
 * Writes length and properties; none at all is the length 0 [MQTT-2.2.2-1]. Returns the offset after them. What may not
 * stand in `packet` is our own fault and fails an assertion.
 */
export function writeProperties(properties: Properties, packet: PropertyPacket, into: Uint8Array, at: number): number {
  let next = writeVariableInteger(propertiesBytes(properties), into, at);
  if (properties === EMPTY_PROPERTIES) return next;
  for (const definition of PROPERTIES) {
    if (properties[definition.name] === null) continue;
    assert((ALLOWED_IN[packet]! & PROPERTY_BIT[definition.id]!) !== 0, 'a property in a packet that cannot carry it');
    next = writeProperty(properties, definition, into, next);
  }
  return next;
}

function forwardedBytes(bytes: Uint8Array, start: number, end: number): number {
  let count = 0;
  let at = start;
  while (at < end) {
    const id = bytes[at]!;
    const valueEnd = skipValue(bytes, at + 1, id);
    if ((PROPERTY_BIT[id]! & NOT_FORWARDED) === 0) count += valueEnd - at;
    at = valueEnd;
  }
  return count;
}

/** Puts one value that was checked before into the draft. */
function store(draft: Draft, definition: PropertyDefinition, bytes: Uint8Array, at: number, end: number): void {
  switch (definition.wire) {
    case Wire.Flag:
      draft[definition.name] = bytes[at] === 0 ? 0 : 1;
      return;
    case Wire.U16:
      draft[definition.name] = u16At(bytes, at);
      return;
    case Wire.U32:
      draft[definition.name] = u32At(bytes, at);
      return;
    case Wire.Text:
      draft[definition.name] = readUtf8(bytes, at + 2, end);
      return;
    case Wire.Binary:
      draft[definition.name] = copyBytes(bytes, at + 2, end);
      return;
    case Wire.VariableInteger:
      draft.subscriptionIdentifiers ??= [];
      draft.subscriptionIdentifiers.push(readVariableInteger(bytes, at, end));
      return;
    case Wire.Pair: {
      const second = at + 2 + u16At(bytes, at);
      const pair = { name: readUtf8(bytes, at + 2, second), value: readUtf8(bytes, second + 2, end) };
      draft.userProperties ??= [];
      draft.userProperties.push(pair);
    }
  }
}

function propertyBytes(properties: Properties, definition: PropertyDefinition): number {
  switch (definition.wire) {
    case Wire.Flag:
      return properties[definition.name] === null ? 0 : 2;
    case Wire.U16:
      return properties[definition.name] === null ? 0 : 3;
    case Wire.U32:
      return properties[definition.name] === null ? 0 : 5;
    case Wire.Text: {
      const text = properties[definition.name];
      return text === null ? 0 : 3 + utf8Bytes(text);
    }
    case Wire.Binary: {
      const value = properties[definition.name];
      return value === null ? 0 : 3 + value.length;
    }
    case Wire.VariableInteger: {
      let count = 0;
      for (const value of properties.subscriptionIdentifiers ?? []) count += 1 + variableIntegerBytes(value);
      return count;
    }
    case Wire.Pair: {
      let count = 0;
      for (const { name, value } of properties.userProperties ?? []) count += 5 + utf8Bytes(name) + utf8Bytes(value);
      return count;
    }
  }
}

/** Writes one property that is there; a repeatable one with all its values, in order. */
function writeProperty(properties: Properties, definition: PropertyDefinition, into: Uint8Array, at: number): number {
  const { id } = definition;
  switch (definition.wire) {
    case Wire.Flag:
      into[at] = id;
      into[at + 1] = properties[definition.name] ?? 0;
      return at + 2;
    case Wire.U16:
      into[at] = id;
      return writeU16(properties[definition.name] ?? 0, into, at + 1);
    case Wire.U32:
      into[at] = id;
      return writeU32(properties[definition.name] ?? 0, into, at + 1);
    case Wire.Text:
      into[at] = id;
      return writeUtf8(properties[definition.name] ?? '', into, at + 1);
    case Wire.Binary:
      into[at] = id;
      return writeBinary(properties[definition.name] ?? NO_PROPERTIES, into, at + 1);
    case Wire.VariableInteger:
      return writeIdentifiers(properties.subscriptionIdentifiers ?? [], into, at);
    case Wire.Pair:
      return writePairs(properties.userProperties ?? [], into, at);
  }
}

/** Subscription identifiers, each a property of its own. */
export function writeIdentifiers(values: readonly number[], into: Uint8Array, at: number): number {
  let next = at;
  for (const value of values) {
    into[next] = PropertyId.SubscriptionIdentifier;
    next = writeVariableInteger(value, into, next + 1);
  }
  return next;
}

function writePairs(pairs: readonly UserProperty[], into: Uint8Array, at: number): number {
  let next = at;
  for (const { name, value } of pairs) {
    into[next] = PropertyId.UserProperty;
    next = writeUtf8(value, into, writeUtf8(name, into, next + 1));
  }
  return next;
}
