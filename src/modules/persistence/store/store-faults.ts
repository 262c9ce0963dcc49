/** What can be wrong with a store, in words for the log, and which faults are the file's and which are the disk's. */

/** The store cannot be opened, and nothing was changed. `lines`: whole lines for the log, the mend included. */
export class StoreRefusal extends Error {
  override readonly name = 'StoreRefusal';
  readonly lines: readonly string[];

  constructor(lines: readonly string[]) {
    super(lines.join(' '));
    this.lines = lines;
  }
}

/** What is stored cannot be right. `reason` is half a sentence. */
export class StoreDamage extends Error {
  override readonly name = 'StoreDamage';
  readonly reason: string;

  constructor(reason: string) {
    super(reason);
    this.reason = reason;
  }
}

/** Primary result codes of SQLite. */
const Sqlite = {
  /** Statements of ours fail to compile: the schema is not what it was. */
  Error: 1,
  Perm: 3,
  Busy: 5,
  Locked: 6,
  NoMemory: 7,
  ReadOnly: 8,
  Interrupt: 9,
  InputOutput: 10,
  Corrupt: 11,
  Full: 13,
  CannotOpen: 14,
  /** A row says that it is longer than any may be. */
  TooBig: 18,
  NotDatabase: 26,
} as const;

/** I/O errors that say that the file is not whole: a page ends early, the file system says that it is damaged. */
const NOT_WHOLE: ReadonlySet<number> = new Set([522, 8458]);

const DAMAGES: ReadonlySet<number> = new Set([Sqlite.Error, Sqlite.Corrupt, Sqlite.TooBig, Sqlite.NotDatabase]);

/** SQLite's extended result code; null when the error is not SQLite's. */
export function sqliteCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error)) return null;
  return typeof error.errcode === 'number' ? error.errcode : null;
}

/** The code of an error of the system, such as ENOSPC; null when it has none. */
export function systemCodeOf(error: unknown): string | null {
  if (!(error instanceof Error) || !('code' in error)) return null;
  return typeof error.code === 'string' ? error.code : null;
}

/**
 * Whether an error that came up while reading a store says that the file is damaged. What is not listed here is the
 * disk's, the memory's or our own fault, and the file may be whole: it is never set aside for that.
 */
export function isDamage(error: unknown): boolean {
  if (error instanceof StoreDamage) return true;
  const code = sqliteCodeOf(error);
  // A number in a row that is none of ours, in the words of node:sqlite.
  if (code === null) return systemCodeOf(error) === 'ERR_OUT_OF_RANGE';
  return NOT_WHOLE.has(code) || DAMAGES.has(code & 0xff);
}

/** Whether the disk could not be read, which may be otherwise in a moment. */
export function isReadFault(error: unknown): boolean {
  const code = sqliteCodeOf(error);
  if (code === null) return systemCodeOf(error) === 'EIO';
  return (code & 0xff) === Sqlite.InputOutput && !NOT_WHOLE.has(code);
}

/** Whether SQLite says that the file is damaged, or no file of its own: trying again is no use. */
export function isCorrupt(error: unknown): boolean {
  const code = (sqliteCodeOf(error) ?? 0) & 0xff;
  return code === Sqlite.Corrupt || code === Sqlite.NotDatabase;
}

/** Whether another process holds a lock. */
export function isBusy(error: unknown): boolean {
  return ((sqliteCodeOf(error) ?? 0) & 0xff) === Sqlite.Busy;
}

/** An error in plain words, half a sentence, with SQLite's or the system's own code behind it. */
export function faultText(error: unknown): string {
  if (error instanceof StoreDamage) return error.reason;
  const code = sqliteCodeOf(error);
  if (code !== null) return `${sqliteText(code, error)} (SQLite ${code})`;
  const system = systemCodeOf(error);
  const text = system === null ? null : SYSTEM_TEXTS.get(system);
  if (text !== undefined && text !== null) return `${text} (${system})`;
  return error instanceof Error ? error.message : String(error);
}

const SYSTEM_TEXTS: ReadonlyMap<string, string> = new Map([
  ['EACCES', 'the right to do so is missing'],
  ['EPERM', 'the right to do so is missing'],
  ['EROFS', 'the file system is read-only'],
  ['ENOSPC', 'the disk is full'],
  ['EDQUOT', 'the quota of the user is used up'],
  ['ENOTDIR', 'a part of the path is a file, not a folder'],
  ['EEXIST', 'there is a file of that name, not a folder'],
  ['EIO', 'the disk reports an input/output error'],
  ['EISDIR', 'it is a folder, not a file'],
]);

const SQLITE_TEXTS: ReadonlyMap<number, string> = new Map([
  [Sqlite.Perm, 'the right to do so is missing'],
  [Sqlite.Busy, 'another program holds a lock on the file'],
  [Sqlite.NoMemory, 'there is not enough memory'],
  [Sqlite.ReadOnly, 'the file or its folder is read-only'],
  [1032, 'the file was moved or removed while it was in use'],
  [Sqlite.InputOutput, 'the disk reports an input/output error'],
  [778, 'the disk refuses a write'],
  [4874, 'the disk is full, or refuses a write'],
  [1034, 'the disk could not make the file safe (fsync failed)'],
  [Sqlite.Corrupt, 'the file is damaged'],
  [Sqlite.Full, 'the disk is full'],
  [Sqlite.CannotOpen, 'the file or one beside it cannot be opened'],
  [Sqlite.NotDatabase, 'the file is not a database'],
]);

function sqliteText(code: number, error: unknown): string {
  const text = SQLITE_TEXTS.get(code) ?? SQLITE_TEXTS.get(code & 0xff);
  if (text !== undefined) return text;
  return error instanceof Error ? error.message : 'it failed';
}
