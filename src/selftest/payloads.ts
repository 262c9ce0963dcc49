/** Payloads that say what they are: topic and number with a checksum, so that nothing else can pass for one. */
import { crc32 } from 'node:zlib';

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** `nonce`: of this campaign. The payload has at least `bytes` bytes. */
export function payloadOf(nonce: number, topic: string, number: number, bytes: number): Uint8Array {
  const text = `${number} ${checksum(nonce, topic, number)} `;
  return encoder.encode(text.padEnd(bytes, '.'));
}

/** The number in a payload, or null when it is none that this campaign made for this topic. */
export function numberOf(nonce: number, topic: string, payload: Uint8Array): number | null {
  const [number = '', check = '', filling = ''] = decoder.decode(payload).split(' ');
  const isSound = check === String(checksum(nonce, topic, Number(number))) && /^\.*$/.test(filling);
  return isSound ? Number(number) : null;
}

function checksum(nonce: number, topic: string, number: number): number {
  return crc32(`${topic} ${number}`, nonce);
}
