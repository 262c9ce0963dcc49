import { closeSync, openSync, readSync } from 'node:fs';
import type { Random } from '../../base/random.ts';

/** The kernel's generator as a file, on every Unix. */
const SOURCE = '/dev/urandom';

/**
 * The system's generator, fit for secrets. Read as a file where it is one: node:crypto takes 10 ms and 2 MB of a start
 * for the same bytes, and serves where there is no such file.
 */
export const systemRandom: Random = { fill };

function fill(into: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const file = open();
  if (file === null) return process.getBuiltinModule('node:crypto').randomFillSync(into);
  try {
    for (let at = 0; at < into.length; ) {
      const byteCount = readSync(file, into, at, into.length - at, null);
      if (byteCount === 0) throw new Error(`${SOURCE} has ended`);
      at += byteCount;
    }
    return into;
  } finally {
    closeSync(file);
  }
}

function open(): number | null {
  try {
    return openSync(SOURCE, 'r');
  } catch {
    return null;
  }
}
