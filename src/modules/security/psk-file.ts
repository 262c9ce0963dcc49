/** Reads a file of pre-shared keys (`psk_file`): lines `identity:key`, the key in hexadecimal digits. */
import { isMqttText } from '../../protocol/utf8.ts';
import { type FileLine, FileWarnings, readFileLines, trimBlanks } from './file-lines.ts';
import { shown, wrongLine } from './security-file-error.ts';

/** What OpenSSL takes. */
const KEY_BYTES_MAX = 512;
const IDENTITY_BYTES_MAX = 256;

const HEX = /^[0-9a-fA-F]+$/;
const encoder = new TextEncoder();

/** A file that was read. */
export interface PskFile {
  /** By identity. */
  readonly keys: ReadonlyMap<string, Uint8Array>;
  readonly warnings: readonly string[];
}

/** @throws SecurityFileError at the first line with an empty or repeated identity, or a key that cannot be used. */
export function parsePskFile(source: Uint8Array, path: string): PskFile {
  const keys = new Map<string, Uint8Array>();
  const warnings = new FileWarnings(path);
  for (const line of readFileLines(source, path)) {
    const colon = line.text.indexOf(':');
    if (colon < 0) {
      warnings.add(`Warning: Invalid line in psk file '${path}': line ${line.line} has no ':' and is skipped.`);
      continue;
    }
    const identity = readIdentity(line, line.text.slice(0, colon));
    if (keys.has(identity)) {
      const what = `Duplicate identity "${shown(identity)}" in psk file "${path}".`;
      throw wrongLine(line, what, 'Delete one of its lines: which key counts must not be left to chance.');
    }
    keys.set(identity, readKey(line, identity, trimBlanks(line.text.slice(colon + 1))));
  }
  return { keys, warnings: warnings.lines };
}

function readIdentity(line: FileLine, text: string): string {
  const identity = trimBlanks(text);
  if (identity === '') {
    throw wrongLine(line, `Empty identity in psk file "${line.path}".`, 'A line is IDENTITY:KEY.');
  }
  if (isMqttText(identity) && encoder.encode(identity).length <= IDENTITY_BYTES_MAX) return identity;
  const mend = `It is longer than ${IDENTITY_BYTES_MAX} bytes or holds a control character, so no client can have it.`;
  throw wrongLine(line, `Invalid identity in psk file "${line.path}": ${shown(identity)}.`, mend);
}

function readKey(line: FileLine, identity: string, text: string): Uint8Array {
  const mend = `A key is 1 to ${KEY_BYTES_MAX} bytes in hexadecimal digits, two for a byte. A new one: openssl rand -hex 32`;
  if (text === '') throw wrongLine(line, `Empty psk for identity "${shown(identity)}".`, mend);
  if (!HEX.test(text)) {
    throw wrongLine(line, `psk for identity "${shown(identity)}" contains non-hexadecimal characters.`, mend);
  }
  const key = decodeKey(text);
  if (key.length >= 1 && key.length <= KEY_BYTES_MAX) return key;
  throw wrongLine(line, `Invalid length of psk for identity "${shown(identity)}".`, mend);
}

/**
 * An odd number of digits is read as Mosquitto reads it: whole zero bytes stay, and what follows is one number, which has
 * no leading zero digit of its own.
 */
function decodeKey(text: string): Uint8Array {
  if (text.length % 2 === 0) return Uint8Array.from(Buffer.from(text, 'hex'));
  let zeros = 0;
  while (text.startsWith('00', zeros)) zeros += 2;
  const rest = text.slice(zeros);
  return Uint8Array.from(
    Buffer.from(text.slice(0, zeros) + (rest.startsWith('0') ? rest.slice(1) : `0${rest}`), 'hex'),
  );
}
