/** What is wrong with a file of users, rights or keys, told so that somebody can mend it. Never with a hash or a key. */

/** A password, ACL or PSK file that cannot be used. Nothing of it comes into force. */
export class SecurityFileError extends Error {
  override readonly name = 'SecurityFileError';
  /** For the log, in this order: what is wrong (in Mosquitto's words where it has some), where, how to mend it. */
  readonly lines: readonly string[];

  constructor(lines: readonly [string, ...string[]]) {
    super(lines[0]);
    this.lines = lines;
  }
}

/** A place in a file. */
export interface FilePlace {
  readonly path: string;
  /** From 1. */
  readonly line: number;
}

/** Names and lines longer than this are cut where they are shown. */
const SHOWN_CHARS_MAX = 200;

/** An error for one line. `what` and `mend` are sentences; neither may hold a secret. */
export function wrongLine(place: FilePlace, what: string, mend: string): SecurityFileError {
  return new SecurityFileError([`Error: ${what}`, `Error found at ${place.path}:${place.line}.`, mend]);
}

/** A name or line as an error or the log shows it. */
export function shown(text: string): string {
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}...`;
}
