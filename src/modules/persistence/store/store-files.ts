/** The files of a store's folder: their names, how they are made, moved out of the way, and made safe. */
import {
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { faultText, StoreRefusal, systemCodeOf } from './store-faults.ts';

const FOLDER_MODE = 0o750;
const FILE_MODE = 0o600;
/** What SQLite puts beside a database. */
const BESIDE = ['-wal', '-shm', '-journal'] as const;
/** Files of one second that are set aside; more than that are refused. */
const SAME_NAMES_MAX = 1000;

export const STORE_NAME = 'zanzara.db';

export class StoreFiles {
  readonly folder: string;
  /** The store. */
  readonly store: string;
  /** A store that is to take its place at the next start, see `zanzara restore`. */
  readonly incoming: string;
  /** A new store until it is whole. */
  readonly making: string;
  readonly lock: string;
  /** Says which database is being moved, and where to, until all of its files are there. */
  readonly moving: string;
  readonly #stamp: string;

  /** `wallMs`: for names. */
  constructor(folder: string, wallMs: number) {
    this.folder = folder;
    this.store = join(folder, STORE_NAME);
    this.incoming = `${this.store}.incoming`;
    this.making = `${this.store}.making`;
    this.lock = join(folder, 'zanzara.lock');
    this.moving = `${this.store}.moving`;
    this.#stamp = stampOf(wallMs);
  }

  /** Makes the folder when it is missing. @throws StoreRefusal */
  makeFolder(): void {
    try {
      const first = mkdirSync(this.folder, { recursive: true, mode: FOLDER_MODE });
      if (first !== undefined) syncFolder(dirname(first));
    } catch (error) {
      if (systemCodeOf(error) === 'EEXIST' && statSync(this.folder).isDirectory()) return;
      throw new StoreRefusal([
        `Error: The data folder ${this.folder} cannot be made: ${faultText(error)}.`,
        'Error: Make it by hand, owned by the user that the broker runs as, or set persistence_location to another one.',
      ]);
    }
  }

  /**
   * Whether the store and what belongs to it are files by themselves. SQLite follows a link for the store but not for the log
   * beside it, and makes a new file where the link leads nowhere. The folder may be a link.
   * @throws StoreRefusal
   */
  requirePlain(): void {
    const beside = BESIDE.map((ending) => this.store + ending);
    for (const path of [this.store, ...beside, this.incoming, this.making, this.moving, this.lock]) {
      const found = lookAt(path);
      if (found?.isSymbolicLink() === true) throw linkRefusal(path);
      // What is wrong with the lock is told where it is taken.
      if (found !== undefined && !found.isFile() && path !== this.lock) throw kindRefusal(path, found.isDirectory());
    }
  }

  /** Makes an empty file that only its owner may read; SQLite gives the files beside it the same rights. */
  makeEmpty(path: string): void {
    const file = openOwn(path, constants.O_WRONLY | constants.O_CREAT);
    try {
      // What belongs to somebody else is left as it is.
      if (fstatSync(file).uid === process.geteuid?.()) fchmodSync(file, FILE_MODE);
    } finally {
      closeSync(file);
    }
  }

  /** Removes a database with what stands beside it. */
  remove(path: string): void {
    for (const ending of ['', ...BESIDE]) rmSync(path + ending, { force: true });
  }

  /**
   * Moves a database, with what SQLite has put beside it, to a name that says why, `path.why-YYYYMMDD-HHMMSS`.
   * `hasSuccessor`: the store in `making`, which is whole, gets the name of the one that is moved.
   * @returns the new path
   */
  moveAway(path: string, why: string, hasSuccessor = false): string {
    this.finishMove();
    const target = this.freeName(`${path}.${why}-${this.#stamp}`);
    this.makeEmpty(this.moving);
    // First, so that no part of the three names is taken for two.
    const successor = hasSuccessor ? `${basename(this.making)}\n` : '';
    writeFileSync(this.moving, `${successor}${basename(path)}\n${basename(target)}\n`);
    syncFile(this.moving);
    syncFolder(this.folder);
    this.finishMove();
    return target;
  }

  /**
   * Ends a move that has begun, so that a database and its log are never parted, whenever a start ends.
   * @returns both paths; null = there was none
   */
  finishMove(): Move | null {
    const move = this.#readMove();
    // A successor that has gone from its place stands in the other: all is done then.
    if (move !== null && (!move.hasSuccessor || existsSync(this.making))) {
      for (const ending of ['', ...BESIDE]) {
        if (existsSync(move.from + ending)) renameSync(move.from + ending, move.to + ending);
      }
      syncFolder(this.folder);
      if (move.hasSuccessor) renameSync(this.making, move.from);
      syncFolder(this.folder);
    }
    rmSync(this.moving, { force: true });
    return move;
  }

  /** Null: there is none, or it was not written to its end, so that nothing has been moved. */
  #readMove(): Move | null {
    if (!existsSync(this.moving)) return null;
    const names = readFileSync(this.moving, 'utf8').split('\n');
    const hasSuccessor = names[0] === basename(this.making);
    const [from = '', to = '', ...rest] = hasSuccessor ? names.slice(1) : names;
    const isWhole = rest.length === 1 && from.startsWith(STORE_NAME) && to.startsWith(`${from}.`);
    if (!isWhole || basename(from) !== from || basename(to) !== to) return null;
    return { from: join(this.folder, from), to: join(this.folder, to), hasSuccessor };
  }

  /** The name of a copy of the store, or of the file beside it whose name ends so. */
  copyName(why: string, ending: '' | '-wal' = ''): string {
    return this.freeName(`${this.store}${ending}.${why}-${this.#stamp}`);
  }

  freeName(path: string): string {
    for (let count = 1; count < SAME_NAMES_MAX; count += 1) {
      const name = count === 1 ? path : `${path}-${count}`;
      if (!['', ...BESIDE].some((ending) => existsSync(name + ending))) return name;
    }
    throw new StoreRefusal([`Error: There are too many files named ${path}-N; remove those that are not needed.`]);
  }

  /** Whether files beside a database are there that has gone itself. */
  hasOrphans(path: string): boolean {
    return BESIDE.some((ending) => sizeOf(path + ending) > 0) && sizeOf(path) === 0;
  }

  /** Whether a store stood here before, under whatever name it stands now. */
  hasFormerStore(): boolean {
    return readdirSync(this.folder).some(
      (name) => name.startsWith(`${STORE_NAME}.`) && !name.startsWith(`${STORE_NAME}.making`),
    );
  }

  sync(): void {
    syncFolder(this.folder);
  }
}

/** A move under way, by whole paths. */
interface Move {
  readonly from: string;
  readonly to: string;
  /** The store in `making` gets the name of the one that is moved. */
  readonly hasSuccessor: boolean;
}

/**
 * Empties a file that is there.
 * @throws when it is a link, no file, somebody else's, or has another name as well: it is left as it is then
 */
export function emptyOwn(path: string): void {
  const file = openOwn(path, constants.O_WRONLY);
  try {
    const { uid, nlink } = fstatSync(file);
    if (uid !== (process.geteuid?.() ?? uid)) throw new Error('it belongs to somebody else and is not empty');
    if (nlink > 1) throw new Error('it has other names as well and is not empty');
    ftruncateSync(file, 0);
  } finally {
    closeSync(file);
  }
}

/** Undefined: it is not there, or may not be looked at, which is told where the lock is taken. */
function lookAt(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

function linkRefusal(path: string): StoreRefusal {
  return new StoreRefusal([
    `Error: ${path} is a symbolic link, to ${readlinkSync(path)}. The files of a store must not be links: a store would be parted from its log, or be made where the link happens to lead.`,
    'Error: Set persistence_location to the folder that holds the file, make a link of the whole folder, or move the file here.',
  ]);
}

function kindRefusal(path: string, isFolder: boolean): StoreRefusal {
  const [kind, cause] = isFolder
    ? [
        'a folder',
        ' A container makes one where a file is to be mounted that is not there: mount the whole data folder.',
      ]
    : ['not a file', ''];
  return new StoreRefusal([
    `Error: ${path} is ${kind}; it must be a file of the store, or not be there.${cause}`,
    'Error: Move it away and start the broker again, or set persistence_location to another folder.',
  ]);
}

/** Opens what is a file by itself: where a link leads, or how long a pipe makes wait, is not up to who put it there. */
function openOwn(path: string, flags: number): number {
  let file: number;
  try {
    file = openSync(path, flags | constants.O_NOFOLLOW | constants.O_NONBLOCK, FILE_MODE);
  } catch (error) {
    if (systemCodeOf(error) === 'ELOOP') throw new Error('it is a link; remove it');
    throw error;
  }
  if (fstatSync(file).isFile()) return file;
  closeSync(file);
  throw new Error('it is not a file; remove it');
}

/** Bytes of a file; 0 when it is not there. */
export function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Makes a file's bytes safe. */
export function syncFile(path: string): void {
  const file = openSync(path, 'r+');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Makes the names in a folder safe. */
function syncFolder(folder: string): void {
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** YYYYMMDD-HHMMSS of universal time. */
function stampOf(wallMs: number): string {
  const digits = new Date(wallMs).toISOString().replaceAll(/\D/g, '');
  return `${digits.slice(0, 8)}-${digits.slice(8, 14)}`;
}
