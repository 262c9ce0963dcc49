/** From the properties that a caller states to what the codec wants. */
import { variableIntegerBytes } from '../protocol/frame.ts';
import type { Properties } from '../protocol/packets.ts';
import { EMPTY_PROPERTIES, PacketType } from '../protocol/packets.ts';
import { NO_PROPERTIES, propertiesBytes, propertyBlockBytes, WILL, writeProperties } from '../protocol/properties.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import type { SomeProperties } from './client-types.ts';

/** All properties, those left out null. 3.x has none. */
export function allProperties(some: SomeProperties | undefined, version: ProtocolVersion): Properties {
  if (some === undefined || version !== 5) return EMPTY_PROPERTIES;
  return { ...EMPTY_PROPERTIES, ...some };
}

/**
 * The properties of a PUBLISH or a will that the receiver passes on, encoded without a length in front; alias, expiry,
 * subscription identifiers and will delay stand elsewhere.
 * @throws AssertionError when one of them has no place there.
 */
export function encodeForwarded(some: SomeProperties, packet: 'publish' | 'will'): Uint8Array {
  const forwarded: Properties = {
    ...EMPTY_PROPERTIES,
    ...some,
    topicAlias: null,
    messageExpiryInterval: null,
    subscriptionIdentifiers: null,
    willDelayInterval: null,
  };
  if (propertiesBytes(forwarded) === 0) return NO_PROPERTIES;
  const block = new Uint8Array(propertyBlockBytes(forwarded));
  writeProperties(forwarded, packet === 'will' ? WILL : PacketType.Publish, block, 0);
  return block.subarray(variableIntegerBytes(propertiesBytes(forwarded)));
}
