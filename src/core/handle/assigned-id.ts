import type { Random } from '../../base/random.ts';

const HEX = '0123456789ABCDEF';
const DASH_BEFORE = new Set([4, 6, 8, 10]);

/** A client id for a client that gave none: prefix and a random UUID in upper case, as Mosquitto makes them [MQTT-3.1.3-6]. */
export function assignClientId(prefix: string, random: Random): string {
  const bytes = random.fill(new Uint8Array(16));
  let id = prefix;
  bytes.forEach((byte, index) => {
    if (DASH_BEFORE.has(index)) id += '-';
    id += HEX.charAt(byte >> 4) + HEX.charAt(byte & 15);
  });
  return id;
}
