/**
 * Root's tools in folders of other users. Whoever owns a folder can put links into it and change where its paths lead while
 * somebody works there. So root works in it with the rights of its owner only, and gets its own back afterwards.
 */
import { lstatSync, realpathSync, statSync } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { STORE_NAME } from '../store/store-files.ts';

const ROOT = 0;
/** Group of who has no account and whose folder is of root's group. */
const NO_GROUP = 65_534;
const OTHERS_MAY_WRITE = 0o022;

/** What cannot be done. `message`: what is said, without 'Error: '; the mend is part of it. */
export class StoreToolError extends Error {
  override readonly name = 'StoreToolError';
}

/** Where something is read or written. */
export interface Place {
  /** Absolute, without links where it is there already. */
  readonly path: string;
  /** Whose rights count there; null: those of the process, whose user needs no care. */
  readonly userId: number | null;
}

/** A folder for data, or a file that is read. @throws the error of the file system */
export function placeOf(path: string): Place {
  const place = resolvedPath(path);
  if (process.geteuid?.() !== ROOT) return { path: place, userId: null };
  return { path: place, userId: userOf(place) ?? storeOwnerIn(place) };
}

/** A file that is to be written: what counts is who may change its folder. @throws the error of the file system */
export function targetPlaceOf(path: string): Place {
  const { path: folder, userId } = placeOf(dirname(resolve(path)));
  return { path: join(folder, basename(path)), userId };
}

/** As far as it is there, without links. */
function resolvedPath(path: string): string {
  const absolute = resolve(path);
  const missing: string[] = [];
  for (let existing = absolute; existing !== dirname(existing); existing = dirname(existing)) {
    if (statSync(existing, { throwIfNoEntry: false }) !== undefined) return join(realpathSync(existing), ...missing);
    missing.unshift(basename(existing));
  }
  return absolute;
}

/** The owner of the last thing on the path that is not root's; null: all of it is. */
function userOf(path: string): number | null {
  for (let place = path; ; place = dirname(place)) {
    const userId = lstatSync(place, { throwIfNoEntry: false })?.uid ?? ROOT;
    if (userId !== ROOT) return userId;
    if (place === dirname(place)) return null;
  }
}

/** A folder of root's may be open to the group that the broker runs in. */
function storeOwnerIn(folder: string): number | null {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory() !== true || (found.mode & OTHERS_MAY_WRITE) === 0) return null;
  const userId = lstatSync(join(folder, STORE_NAME), { throwIfNoEntry: false })?.uid ?? ROOT;
  return userId === ROOT ? null : userId;
}

/**
 * Runs `work` with the rights that count at `place`, and with those of the process again afterwards. Not to be nested.
 * @throws StoreToolError when these rights cannot be had; what `work` throws
 */
export async function runAt<T>({ path, userId }: Place, work: () => Promise<T> | T): Promise<T> {
  if (userId === null) return await work();
  const getBack = become(userId);
  try {
    return await work();
  } catch (error) {
    throw explained(error, path, userId);
  } finally {
    getBack();
  }
}

/** What root may not do with the rights of another user takes an explanation. */
function explained(error: unknown, place: string, userId: number): unknown {
  if (!(error instanceof Error && 'code' in error && error.code === 'EACCES')) return error;
  return new StoreToolError(
    `${error.message}. At ${place} root has no more rights than the user ${wordsOf(userId)}, who can change that path. ` +
      'Let that user use what is named (chown, chmod), or choose a place that only root can change.',
  );
}

/** @returns what gets the rights back */
function become(userId: number): () => void {
  const { getegid, getgroups, setegid, seteuid, setgroups } = process;
  // Documented by Node, and not known to its types.
  const initgroups: unknown = Reflect.get(process, 'initgroups');
  const isComplete = getegid && getgroups && setegid && seteuid && setgroups;
  if (!isComplete || typeof initgroups !== 'function') throw cannotBecome(userId);
  const [group, groups] = [getegid(), getgroups()];
  const account = accountOf(userId, seteuid);
  const getBack = () => {
    seteuid(ROOT);
    setegid(group);
    setgroups(groups);
  };
  try {
    // Groups first: without the rights of root they cannot be changed any more.
    if (account === null) setgroups([]);
    else initgroups.call(process, account.username, account.gid);
    setegid(account?.gid ?? NO_GROUP);
    seteuid(userId);
    return getBack;
  } catch {
    getBack();
    throw cannotBecome(userId);
  }
}

/** Null: it has none. */
function accountOf(userId: number, seteuid: (id: number) => void): { username: string; gid: number } | null {
  try {
    seteuid(userId);
    return userInfo();
  } catch {
    return null;
  } finally {
    seteuid(ROOT);
  }
}

function wordsOf(userId: number): string {
  try {
    const { uid, username } = userInfo();
    return uid === userId ? `'${username}'` : String(userId);
  } catch {
    return String(userId);
  }
}

function cannotBecome(userId: number): StoreToolError {
  return new StoreToolError(
    `Root cannot work with the rights of the user ${userId}, whom the folder belongs to. Run the command as that user, ` +
      'such as with: runuser -u NAME -- zanzara ...',
  );
}
