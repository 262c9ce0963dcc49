/**
 * A data folder that a tool puts a store into: made where it is missing, taken away again when nothing comes of it, and given
 * to the user that the broker becomes, as a broker that root starts does it.
 */
import { lchownSync, lstatSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { faultText } from '../store/store-faults.ts';
import { StoreFiles, sizeOf } from '../store/store-files.ts';
import { anchored, type Place, runAt, StoreToolError, userWordsOf } from './run-as-owner.ts';

const ROOT = 0;
const FOLDER_MODE = 0o750;
const OTHERS_MAY_WRITE = 0o022;

/** Numbers of a user of the system. */
export interface Account {
  readonly userId: number;
  readonly groupId: number;
}

export interface FillOptions {
  readonly place: Place;
  /** Whom a broker that root starts becomes; null: it stays who it is, or that is not known. */
  readonly brokerUser: Account | null;
  readonly say: (line: string) => void;
}

/** What the folder was before. */
interface Before {
  readonly isMade: boolean;
  /** Root's own, and nothing in it that somebody else could have put there. */
  readonly isForGiving: boolean;
  readonly hadStore: boolean;
}

/**
 * Runs `work` on the folder with the rights that count there.
 * @throws StoreToolError, StoreRefusal when it cannot be one; what `work` throws, and a folder that was made is gone then
 */
export async function fillFolder(
  { place: found, brokerUser, say }: FillOptions,
  work: (files: StoreFiles) => Promise<void> | void,
): Promise<void> {
  const files = new StoreFiles(found.path, Date.now());
  const { before, place } = await runAt(found, () => prepare(files, found));
  try {
    await runAt(place, () => work(files));
  } catch (error) {
    if (before.isMade) await runAt(found, () => remove(files));
    throw error;
  }
  const isRoots = process.geteuid?.() === ROOT && place.userId === null;
  if (!isRoots || brokerUser === null || before.hadStore) return;
  if (before.isForGiving && (await mayReach(place.path, brokerUser)) && isGiven(place.path, brokerUser)) {
    say(
      `${place.path} belongs to the user ${userWordsOf(brokerUser.userId)} now, whom a broker that root starts becomes.`,
    );
    return;
  }
  const { userId, groupId } = brokerUser;
  say(
    `${place.path} is root's. A broker becomes the user ${userWordsOf(userId)}, unless it is told otherwise, and may not ` +
      `write there. As root: chown -R ${userId}:${groupId} ${place.path}`,
  );
}

function prepare(files: StoreFiles, found: Place): { readonly before: Before; readonly place: Place } {
  const isMade = makeFolder(files.folder);
  const place = anchored(found);
  // The rights were chosen for a folder that is to be made there, not for one that somebody else has made since.
  if (!isMade && place.anchor?.path !== found.anchor?.path)
    throw new StoreToolError(`${found.path} was made meanwhile.`);
  files.requirePlain();
  const { uid, mode } = lstatSync(files.folder);
  const isClosed = uid === ROOT && (mode & OTHERS_MAY_WRITE) === 0;
  const isForGiving = isMade || (isClosed && readdirSync(files.folder).length === 0);
  return { place, before: { isMade, isForGiving, hadStore: sizeOf(files.store) > 0 } };
}

/** @returns false: it is there */
function makeFolder(folder: string): boolean {
  const found = statSync(folder, { throwIfNoEntry: false });
  if (found?.isDirectory() === true) return false;
  if (found !== undefined) throw new StoreToolError(`${folder} is not a folder.`);
  const parent = dirname(folder);
  // Only the last folder is made: a mistake in a path is to be seen.
  if (statSync(parent, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw new StoreToolError(`The folder ${parent} is not there. Make it first, or mend the path.`);
  }
  try {
    mkdirSync(folder, { mode: FOLDER_MODE });
    return true;
  } catch (error) {
    throw new StoreToolError(`The data folder ${folder} cannot be made: ${faultText(error)}.`);
  }
}

/** Takes a folder away in which nothing but our lock was made. */
function remove({ folder, lock }: StoreFiles): void {
  try {
    if (readdirSync(folder).every((name) => join(folder, name) === lock)) rmSync(lock, { force: true });
    rmdirSync(folder);
  } catch {
    // What has come into it meanwhile is somebody's.
  }
}

/** Whether the user may enter all that is above the folder. */
async function mayReach(path: string, { userId }: Account): Promise<boolean> {
  try {
    await runAt({ path, userId, anchor: null }, () => lstatSync(path));
    return true;
  } catch {
    return false;
  }
}

/**
 * Gives the folder away, or does not where root is not allowed to. Until then only root may write there, so that nobody can
 * put a link into it meanwhile.
 */
function isGiven(folder: string, { userId, groupId }: Account): boolean {
  try {
    for (const name of readdirSync(folder)) lchownSync(join(folder, name), userId, groupId);
    lchownSync(folder, userId, groupId);
    return true;
  } catch {
    return false;
  }
}
