/**
 * Root's tools in folders of other users. Whoever owns a folder can put links into it and change where its paths lead while
 * somebody works there. So root works in it with the rights of its owner only, and gets its own back afterwards.
 */
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { userInfo } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { STORE_NAME } from '../store/store-files.ts';

const ROOT = 0;
/** Group of who has no account and whose folder is of root's group. */
const NO_GROUP = 65_534;
const GROUP_MAY_WRITE = 0o020;
const ALL_MAY_WRITE = 0o002;
const OTHERS_MAY_WRITE = GROUP_MAY_WRITE | ALL_MAY_WRITE;
/** In such a folder names are changed by their owners only. */
const STICKY = 0o1000;
const LINKS_MAX = 40;

/** What cannot be done. `message`: what is said, without 'Error: '; the mend is part of it. */
export class StoreToolError extends Error {
  override readonly name = 'StoreToolError';
}

/** Where something is read or written. */
export interface Place {
  /** Absolute, without links. */
  readonly path: string;
  /** Whose rights count there; null: those of the process, whose user needs no care. */
  readonly userId: number | null;
  /** What the path led to when it was looked at; null: nobody can change that. */
  readonly anchor: Anchor | null;
}

/** The last folder of a path that is there. */
interface Anchor {
  readonly path: string;
  readonly device: number;
  readonly node: number;
}

/**
 * A folder for data.
 * @throws StoreToolError when others may change where root would work with its own rights; the error of the file system
 */
export function placeOf(path: string): Place {
  const place = ownedPlaceOf(path, storeOwnerIn);
  if (place.anchor === null || place.userId !== null) return place;
  const open = openFolderOn(place.anchor.path, place.path);
  if (open === null) return place;
  throw new StoreToolError(
    `Root does not work in ${place.path}: other users may change ${open}, and could put links there meanwhile. ` +
      'Give the folder to the user that the broker runs as (chown), or close it to others (chmod go-w).',
  );
}

/** A file that is read, from the descriptor that it is opened with. @throws StoreToolError, the error of the file system */
export function sourcePlaceOf(path: string): Place {
  return ownedPlaceOf(path, () => null);
}

/** A file that is to be written: what counts is who may change its folder. */
export interface TargetPlace extends Place {
  /** What root makes in the folder stays what it is: nobody else can move it. */
  readonly isSafe: boolean;
}

/** @throws StoreToolError, the error of the file system */
export function targetPlaceOf(path: string): TargetPlace {
  const { path: folder, userId, anchor } = ownedPlaceOf(dirname(resolve(path)), () => null);
  // Whatever is in it: in a folder that is open to others, a file shows nothing but who made it.
  const isSafe = anchor === null || userId !== null || openFolderOn(anchor.path, null) === null;
  return { path: join(folder, basename(path)), userId, anchor, isSafe };
}

function ownedPlaceOf(given: string, otherUser: (path: string) => number | null): Place {
  const { path, linkUsers } = followed(given);
  if (process.geteuid?.() !== ROOT) return { path, userId: null, anchor: null };
  const userId = userOf(path) ?? otherUser(path);
  const stranger = [...linkUsers].find((user) => user !== userId);
  if (stranger !== undefined) {
    throw new StoreToolError(
      `${given} leads to ${path} by a link that the user ${userWordsOf(stranger)} can change, who does not own what is there. ` +
        'Give the path without the link.',
    );
  }
  return { path, userId, anchor: anchorOf(path) };
}

/** The path without links as far as it is there, and the users beside root who can change one of the links. */
function followed(given: string): { readonly path: string; readonly linkUsers: ReadonlySet<number> } {
  const linkUsers = new Set<number>();
  let rest = resolve(given).split('/');
  let place = '/';
  for (let links = 0; ; ) {
    const name = rest.shift();
    if (name === undefined) return { path: place, linkUsers };
    const next = join(place, name);
    const found = lstatSync(next, { throwIfNoEntry: false });
    if (found === undefined) return { path: join(next, ...rest), linkUsers };
    if (!found.isSymbolicLink()) {
      place = next;
      continue;
    }
    links += 1;
    if (links > LINKS_MAX) throw new StoreToolError(`${given} leads through more than ${LINKS_MAX} links.`);
    for (const user of usersOn(next)) linkUsers.add(user);
    const target = readlinkSync(next);
    if (target.startsWith('/')) place = '/';
    rest = [...target.split('/'), ...rest];
  }
}

/** The owners of what is on the path, from its end, root's excluded. */
function* usersOn(path: string): Generator<number, void, undefined> {
  for (const { found } of stepsUp(path)) if (found.uid !== ROOT) yield found.uid;
}

/** What is there of a path, from its end to the root of the file system. */
function* stepsUp(path: string): Generator<{ readonly path: string; readonly found: Stats }, void, undefined> {
  for (let place = path; ; place = dirname(place)) {
    const found = lstatSync(place, { throwIfNoEntry: false });
    if (found !== undefined) yield { path: place, found };
    if (place === dirname(place)) return;
  }
}

/** The owner of the last thing on the path that is not root's; null: all of it is. */
function userOf(path: string): number | null {
  for (const user of usersOn(path)) return user;
  return null;
}

function anchorOf(path: string): Anchor | null {
  for (const { path: place, found } of stepsUp(path)) {
    if (found.isDirectory()) return { path: place, device: found.dev, node: found.ino };
  }
  return null;
}

/**
 * A folder on the path of root's folders in which others may change what root has there.
 * @param closed a folder in which they may not even make anything of their own
 */
function openFolderOn(path: string, closed: string | null): string | null {
  for (const { path: place, found } of stepsUp(path)) {
    if ((found.mode & OTHERS_MAY_WRITE) === 0) continue;
    if (place === closed || (found.mode & STICKY) === 0) return place;
  }
  return null;
}

/**
 * A folder of root's may be open to the group that the broker runs in: who is in it, root has chosen. Where everybody may make
 * files, they show nothing.
 */
function storeOwnerIn(folder: string): number | null {
  const found = lstatSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory() !== true || (found.mode & GROUP_MAY_WRITE) === 0) return null;
  if ((found.mode & (STICKY | ALL_MAY_WRITE)) !== 0) return null;
  const store = lstatSync(join(folder, STORE_NAME), { throwIfNoEntry: false });
  return store?.isFile() !== true || store.uid === ROOT ? null : store.uid;
}

/** The same place, once the folder is there. To be called with the rights that count there. */
export function anchored(place: Place): Place {
  return place.anchor === null ? place : { ...place, anchor: anchorOf(place.path) };
}

/** @throws StoreToolError when a folder is not the one that the path of a place led to at first */
export function requireAnchor({ anchor }: Place, found: Pick<Stats, 'dev' | 'ino'> | undefined): void {
  if (anchor === null || (found?.dev === anchor.device && found.ino === anchor.node)) return;
  throw new StoreToolError(
    `${anchor.path} was exchanged for something else meanwhile. See who may do that, and try again.`,
  );
}

/**
 * Runs `work` with the rights that count at `place`, and with those of the process again afterwards. Not to be nested.
 * @throws StoreToolError when these rights cannot be had, or the path leads to another folder than at first; what `work` throws
 */
export async function runAt<T>(place: Place, work: () => Promise<T> | T): Promise<T> {
  const { path, userId } = place;
  if (userId === null) return await workIn(place, work);
  const getBack = become(userId);
  try {
    return await workIn(place, work);
  } catch (error) {
    throw explained(error, path, userId);
  } finally {
    getBack();
  }
}

/** SQLite opens by paths, and cannot be held to a folder: so the path is looked at before and after. */
async function workIn<T>(place: Place, work: () => Promise<T> | T): Promise<T> {
  const look = () => {
    if (place.anchor !== null) requireAnchor(place, lstatSync(place.anchor.path, { throwIfNoEntry: false }));
  };
  look();
  const result = await work();
  look();
  return result;
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

/** The name of a user in quotation marks, or its number when it has none. To be called by root, outside of `runAt`. */
export function userWordsOf(userId: number): string {
  const { seteuid } = process;
  const account = seteuid === undefined ? null : accountOf(userId, seteuid);
  return account === null ? String(userId) : `'${account.username}'`;
}

function cannotBecome(userId: number): StoreToolError {
  return new StoreToolError(
    `Root cannot work with the rights of the user ${userId}, whom the folder belongs to. Run the command as that user, ` +
      'such as with: runuser -u NAME -- zanzara ...',
  );
}
