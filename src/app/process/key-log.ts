/**
 * `--tls-keylog FILE`: the secrets of every TLS connection, in the form that Wireshark reads. Whoever has the file can read
 * what was said, so it must belong to nobody else: no link, no rights of group or others.
 */
import { closeSync, constants, fstatSync, type Stats, writeSync } from 'node:fs';
import { StartFailure } from '../start-failure.ts';
import { openCarefully, reasonOf } from './open-carefully.ts';

const MODE = 0o600;
const FLAGS = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | constants.O_NOCTTY | constants.O_NONBLOCK;

export interface KeyLog {
  /** Appends a line, its end included. */
  write(line: Uint8Array): void;
  close(): void;
}

export interface KeyLogOptions {
  readonly path: string;
  /** Told once, when it cannot be written any more; nothing is written after it. */
  onFault(reason: string): void;
}

/** @throws StartFailure */
export function openKeyLog({ path, onFault }: KeyLogOptions): KeyLog {
  let fd = openSafely(path);
  const close = () => {
    if (fd >= 0) closeSync(fd);
    fd = -1;
  };
  return {
    write(line) {
      if (fd < 0) return;
      try {
        writeSync(fd, line);
      } catch (error) {
        close();
        onFault(`Unable to write to TLS key log ${path}: ${reasonOf(error)}. Nothing more is written to it.`);
      }
    },
    close,
  };
}

function openSafely(path: string): number {
  let fd = -1;
  let fault: string | null;
  try {
    fd = openCarefully(path, { flags: FLAGS, mode: MODE, mayFollowLinks: false });
    fault = faultOf(fstatSync(fd));
  } catch (error) {
    const isLink = error instanceof Error && 'code' in error && error.code === 'ELOOP';
    fault = isLink ? 'it is a symbolic link' : reasonOf(error);
  }
  if (fault === null) return fd;
  if (fd >= 0) closeSync(fd);
  throw new StartFailure('tls-keylog', [`Error: Unable to open TLS key log ${path}: ${fault}.`]);
}

function faultOf(stat: Stats): string | null {
  if (!stat.isFile()) return 'it is not a file';
  if ((stat.mode & 0o077) !== 0) return 'its group or others have rights to it; use chmod 600';
  if (process.geteuid !== undefined && stat.uid !== process.geteuid()) return 'it belongs to another user';
  return null;
}
