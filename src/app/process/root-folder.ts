/**
 * A broker that stays root (`user root`, PUID 0) opens its files by name. Whoever may change one of the folders on the way to
 * them could put a link there, and have root write to any file of the machine. Mosquitto's users do run it as root, on folders
 * that belong to others: so this is said, and does not end the start.
 */
import { lstatSync, readFileSync, readlinkSync, type Stats, statSync } from 'node:fs';
import { dirname, isAbsolute, join, sep } from 'node:path';
import { shellWord } from './shell-word.ts';

/** As many links as the system follows. */
const LINKS_MAX = 40;
const GROUP_MAY_WRITE = 0o020;
const OTHERS_MAY_WRITE = 0o002;
/** Who may write there may change only what is theirs. */
const STICKY = 0o1000;
const USERS_PATH = '/etc/passwd';

/** What the log says when the process is root and others may change the way to `folder`. */
export function rootFolderWarnings(folder: string): readonly string[] {
  if (process.geteuid?.() !== 0) return [];
  for (const place of foldersOnTheWay(folder)) {
    const fault = faultOf(place, place === folder);
    if (fault === null) continue;
    const where = place === folder ? folder : `${folder}, behind ${place}`;
    return [
      `Warning: The broker runs as root and keeps state in ${where}, which ${fault.words}: links put there make root write elsewhere.`,
      `To fix this, use \`${fault.mend} ${shellWord(place)}\`, or let the broker become another user (option 'user').`,
    ];
  }
  return [];
}

interface Fault {
  readonly words: string;
  /** A command, without the folder that it is for. */
  readonly mend: string;
}

function faultOf(place: string, isLast: boolean): Fault | null {
  const stat = statOf(place);
  if (stat === null) return null;
  const { uid } = stat;
  if (uid !== 0) return { words: `belongs to ${userWords(uid)}`, mend: 'chown root' };
  // In a folder above, it keeps others from taking what is root's away; in the last one they may still put new names.
  if (!isLast && (stat.mode & STICKY) !== 0) return null;
  if ((stat.mode & OTHERS_MAY_WRITE) !== 0) return { words: 'may be changed by everybody', mend: 'chmod o-w' };
  const isGroupOfOthers = (stat.mode & GROUP_MAY_WRITE) !== 0 && stat.gid !== 0;
  return isGroupOfOthers ? { words: `may be changed by group ${stat.gid}`, mend: 'chmod g-w' } : null;
}

/** Null: there is nothing to look at, which the start tells in words of its own. */
function statOf(place: string): Stats | null {
  try {
    return statSync(place);
  } catch {
    return null;
  }
}

/** Every folder in which a name of the path is looked up, those of links on the way included, and the last one, first. */
function foldersOnTheWay(folder: string): readonly string[] {
  const places = new Set([folder]);
  const names = folder.split(sep);
  let at: string = sep;
  for (let links = 0; names.length > 0; ) {
    const name = names.shift() ?? '';
    if (name === '' || name === '.') continue;
    if (name === '..') {
      at = dirname(at);
      continue;
    }
    places.add(at);
    const next = join(at, name);
    if (!lstatSync(next, { throwIfNoEntry: false })?.isSymbolicLink()) {
      at = next;
      continue;
    }
    links += 1;
    if (links > LINKS_MAX) break;
    const target = readlinkSync(next);
    if (isAbsolute(target)) at = sep;
    names.unshift(...target.split(sep));
  }
  return [...places];
}

/** Only for a message: the file of users knows those of most machines. */
function userWords(userId: number): string {
  try {
    const lines = readFileSync(USERS_PATH, 'utf8').split('\n');
    const name = lines.map((line) => line.split(':')).find((parts) => parts[2] === String(userId))?.[0];
    return name === undefined ? `user ${userId}` : `the user '${name}'`;
  } catch {
    return `user ${userId}`;
  }
}
