/**
 * `log_dest file PATH`. Lines are collected and written at the end of the turn of the event loop, in one write: at ten
 * thousand lines a second a write for each would be the broker's main work. A write is synchronous, so nothing waits
 * beyond the turn, and the last lines of a process that ends are there; only a kill -9 can lose those of its last turn.
 */
import { closeSync, constants, fstatSync, writeSync } from 'node:fs';
import { openCarefully, reasonOf } from '../process/open-carefully.ts';
import type { Destination, LogEntry } from './destination.ts';
import type { StandIn } from './stand-in.ts';

/** Characters that are collected within a turn; more are written at once. */
export const PENDING_CHARACTERS_MAX = 1024 * 1024;

const MODE = 0o600;
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY | constants.O_NONBLOCK;
const LINE_END = 0x0a;

/** A log file that cannot be opened; the message is a line for the log. */
export class LogFileError extends Error {
  override readonly name = 'LogFileError';
}

export interface FileParts {
  readonly path: string;
  /** MOSQUITTO_UNSAFE_ALLOW_SYMLINKS. */
  readonly mayFollowLinks: boolean;
  readonly standIn: StandIn;
  /** True: where the file cannot be opened, its lines go to stderr until `reopen` succeeds. */
  readonly mayBeShut: boolean;
}

export class FileDestination implements Destination {
  readonly path: string;
  readonly #mayFollowLinks: boolean;
  readonly #standIn: StandIn;
  /** -1: not open. */
  #fd = -1;
  /** Why it is not open. */
  #openFault = '';
  #pending = '';
  #isTurnAsked = false;
  /** A full disk has cut a line off in its middle. */
  #isLineCut = false;
  readonly #onTurnEnd = (): void => {
    this.#isTurnAsked = false;
    this.#flush();
  };
  readonly #onExit = (): void => this.#flush();

  /** @throws LogFileError unless it may be shut */
  constructor({ path, mayFollowLinks, standIn, mayBeShut }: FileParts) {
    this.path = path;
    this.#mayFollowLinks = mayFollowLinks;
    this.#standIn = standIn;
    try {
      this.#fd = openLogFile(path, mayFollowLinks);
    } catch (error) {
      if (!mayBeShut || !(error instanceof LogFileError)) throw error;
      this.#openFault = error.message;
    }
    process.on('exit', this.#onExit);
  }

  get isOpen(): boolean {
    return this.#fd >= 0;
  }

  takes(): boolean {
    return true;
  }

  write({ line }: LogEntry): void {
    this.#pending += `${line}\n`;
    if (this.#pending.length >= PENDING_CHARACTERS_MAX) this.#flush();
    else if (!this.#isTurnAsked) {
      this.#isTurnAsked = true;
      setImmediate(this.#onTurnEnd);
    }
  }

  /** When it cannot be opened again, the log goes on in the file that was open before, whatever its name is now. */
  reopen(): string | null {
    this.#flush();
    let fd: number;
    try {
      fd = openLogFile(this.path, this.#mayFollowLinks);
    } catch (error) {
      if (!(error instanceof LogFileError)) throw error;
      this.#openFault = error.message;
      return this.#fd < 0 ? error.message : `${error.message} The log goes on in the file that was open before.`;
    }
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = fd;
    this.#isLineCut = false;
    return null;
  }

  close(): void {
    this.#flush();
    process.off('exit', this.#onExit);
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = -1;
  }

  #flush(): void {
    if (this.#pending === '') return;
    if (this.#fd < 0) {
      const lines = this.#pending;
      this.#pending = '';
      this.#standIn.take(lines, `${this.#openFault} Its lines go to stderr.`);
      return;
    }
    const bytes = Buffer.from(this.#isLineCut ? `\n${this.#pending}` : this.#pending);
    this.#pending = '';
    let taken = 0;
    try {
      while (taken < bytes.length) taken += writeSync(this.#fd, bytes, taken);
      this.#isLineCut = false;
    } catch (error) {
      if (taken > 0) this.#isLineCut = bytes[taken - 1] !== LINE_END;
      const reason = `Error: Unable to write to log file ${this.path}: ${reasonOf(error)}. Its lines go to stderr.`;
      this.#standIn.take(bytes.toString('utf8', taken), reason);
    }
  }
}

/** @throws LogFileError */
function openLogFile(path: string, mayFollowLinks: boolean): number {
  const fault = (reason: string) => new LogFileError(`Error: Unable to open log file ${path} for writing: ${reason}.`);
  let fd: number;
  try {
    fd = openCarefully(path, { flags: FLAGS, mode: MODE, mayFollowLinks });
  } catch (error) {
    throw fault(reasonOf(error));
  }
  const stat = fstatSync(fd);
  // /dev/null is a way to say that nobody wants it.
  if (stat.isFile() || stat.isCharacterDevice()) return fd;
  closeSync(fd);
  throw fault('it is not a file');
}
