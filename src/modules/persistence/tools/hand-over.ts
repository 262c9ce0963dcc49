/** Bytes that are read with the rights of one user and written with those of another: they go from descriptor to descriptor. */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  futimesSync,
  linkSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Place, requireAnchor, StoreToolError } from './run-as-owner.ts';

const PIECE_BYTES = 1024 * 1024;
const OWN_FILE_MODE = 0o600;
/** Of a file system that knows no second names. */
const NO_LINKS: readonly unknown[] = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

/** An open file. */
export interface OpenFile {
  readonly descriptor: number;
  readonly mtimeMs: number;
  readonly size: number;
  readonly userId: number;
}

/** Opens a file that is read; null: it is not there. @throws StoreToolError when it is a link, or no file */
export function openToRead(path: string): OpenFile | null {
  let descriptor: number;
  try {
    // Without NONBLOCK a pipe would be waited for.
    descriptor = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOENT') return null;
    if (code === 'ELOOP') throw new StoreToolError(`${path} is a link. Give the file that it leads to.`);
    throw error;
  }
  const found = fstatSync(descriptor);
  if (found.isFile()) return { descriptor, mtimeMs: found.mtimeMs, size: found.size, userId: found.uid };
  closeSync(descriptor);
  throw new StoreToolError(`${path} is not a file.`);
}

/**
 * Opens the log of changes beside a database. Null: it is not there.
 * @throws StoreToolError when somebody else has put it there: it could change all that is in the database
 */
export function openLogOf({ userId }: OpenFile, path: string): OpenFile | null {
  const log = openToRead(`${path}-wal`);
  if (log === null || log.userId === userId) return log;
  closeFile(log);
  throw new StoreToolError(
    `${path}-wal does not belong to the owner of ${path}. Remove it where it does not belong there; else give it to that user (chown).`,
  );
}

/** Writes all of an open file to `path`, which must not be there, and makes it safe. Only its owner may read it. */
export function writeFrom({ descriptor, mtimeMs }: OpenFile, path: string): void {
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
    // An import counts from when its file was written.
    futimesSync(target, mtimeMs / 1000, mtimeMs / 1000);
    fsyncSync(target);
  } finally {
    closeSync(target);
  }
}

/** Makes a file safe, to be read by its owner only. A link is not followed. */
export function closeToOthers(path: string): void {
  const file = openSync(path, constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    fchmodSync(file, OWN_FILE_MODE);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Writes all of an open file to `place`, in the very folder that was looked at, wherever its path leads by now. */
export function takeOver(made: OpenFile, place: Place, isForced: boolean): void {
  const { path } = place;
  withFolder(dirname(path), (folder, held) => {
    requireAnchor(place, fstatSync(folder));
    const copy = join(held, `.zanzara-${randomUUID()}`);
    try {
      writeFrom(made, copy);
      giveName(copy, { path: join(held, basename(path)), name: path, isForced });
    } finally {
      rmSync(copy, { force: true });
    }
    fsyncSync(folder);
  });
}

/** Runs `work` with an open folder and a path that leads there whatever becomes of its name. */
function withFolder(path: string, work: (folder: number, held: string) => void): void {
  const folder = openSync(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
  const held = `/proc/self/fd/${folder}`;
  try {
    work(folder, existsSync(held) ? held : path);
  } catch (error) {
    if (error instanceof Error) error.message = error.message.replaceAll(held, path);
    throw error;
  } finally {
    closeSync(folder);
  }
}

export interface NewName {
  readonly path: string;
  /** What it is called in messages. */
  readonly name: string;
  /** What is there may be replaced. */
  readonly isForced: boolean;
}

/** Gives a file that is whole its name. @throws StoreToolError when there is something by now that may not be replaced */
export function giveName(made: string, { path, name, isForced }: NewName): void {
  if (isForced) {
    renameSync(made, path);
    return;
  }
  try {
    try {
      linkSync(made, path);
      rmSync(made);
    } catch (error) {
      if (!NO_LINKS.includes(codeOf(error))) throw error;
      closeSync(openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, OWN_FILE_MODE));
      renameSync(made, path);
    }
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    throw new StoreToolError(`${name} is there already. --force replaces it.`);
  }
}

export function closeFile(file: OpenFile | null): void {
  if (file !== null) closeSync(file.descriptor);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
