/** Bytes that are read with the rights of one user and written with those of another: they go from descriptor to descriptor. */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { StoreToolError } from './run-as-owner.ts';

const PIECE_BYTES = 1024 * 1024;
const OWN_FILE_MODE = 0o600;

/** An open file. */
export interface OpenFile {
  readonly descriptor: number;
  readonly mtimeMs: number;
  readonly size: number;
}

/** Opens a file that is read; null: it is not there. @throws StoreToolError when it is a link, or no file */
export function openToRead(path: string): OpenFile | null {
  let descriptor: number;
  try {
    // Without NONBLOCK a pipe would be waited for.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP') throw new StoreToolError(`${path} is a link. Give the file that it leads to.`);
    throw error;
  }
  const found = fstatSync(descriptor);
  if (found.isFile()) return { descriptor, mtimeMs: found.mtimeMs, size: found.size };
  closeSync(descriptor);
  throw new StoreToolError(`${path} is not a file.`);
}

/** Writes all of an open file to `path`, which must not be there, and makes it safe. Only its owner may read it. */
export function writeFrom({ descriptor }: OpenFile, path: string): void {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const target = openSync(path, flags, OWN_FILE_MODE);
  try {
    const piece = new Uint8Array(PIECE_BYTES);
    for (let at = 0; ; ) {
      const count = readSync(descriptor, piece, 0, piece.length, at);
      if (count === 0) break;
      for (let done = 0; done < count; ) done += writeSync(target, piece, done, count - done, at + done);
      at += count;
    }
    fsyncSync(target);
  } finally {
    closeSync(target);
  }
}

export function closeFile(file: OpenFile | null): void {
  if (file !== null) closeSync(file.descriptor);
}
