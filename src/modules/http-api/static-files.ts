/**
 * Files below `http_dir`. A path is followed to where it really leads, links included, and only a plain file that stands
 * below the folder's own real path is opened; everything else is as if it were not there.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { extname, join, sep } from 'node:path';
import { contentTypeOf } from './content-types.ts';

export interface OpenFile {
  /** Whoever gets it closes it. */
  readonly handle: FileHandle;
  readonly byteCount: number;
  readonly contentType: string;
}

const INDEX = '/index.html';

/** A file is not waited for (a pipe would never open), nor followed once more after its path was resolved. */
const FLAGS = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;

/**
 * Opens the file of `path`, which is one of `pathOf`. Null: there is none that may be shown.
 * @throws errors of the system other than that it is not there or may not be read
 */
export async function openFile(httpDir: string, path: string): Promise<OpenFile | null> {
  const wanted = path === '/' ? INDEX : path;
  try {
    const root = await realpath(httpDir);
    const file = await realpath(join(root, wanted));
    if (!file.startsWith(root.endsWith(sep) ? root : root + sep)) return null;
    return await openPlain(file, contentTypeOf(extname(wanted)));
  } catch (error) {
    if (isAbsent(error)) return null;
    throw error;
  }
}

async function openPlain(file: string, contentType: string): Promise<OpenFile | null> {
  const handle = await open(file, FLAGS);
  let isTaken = false;
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) return null;
    isTaken = true;
    return { handle, byteCount: stats.size, contentType };
  } finally {
    if (!isTaken) await handle.close();
  }
}

const ABSENT: ReadonlySet<string> = new Set([
  ...['ENOENT', 'ENOTDIR', 'EISDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES', 'EPERM', 'ENXIO', 'EINVAL'],
]);

function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ABSENT.has(String(error.code));
}
