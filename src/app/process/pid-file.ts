/** `pid_file`: the number of the process, for scripts and init systems. */
import { closeSync, constants, fstatSync, ftruncateSync, readFileSync, unlinkSync, writeSync } from 'node:fs';
import { StartFailure } from '../start-failure.ts';
import { openCarefully, reasonOf } from './open-carefully.ts';

const MODE = 0o644;
const FLAGS = constants.O_WRONLY | constants.O_CREAT | constants.O_NOCTTY | constants.O_NONBLOCK;

export interface PidFile {
  /** Removes the file, unless another process has written itself into it. @returns why that failed, or null */
  remove(): string | null;
}

/**
 * Writes the file over the one of a broker that did not end in order. Not through a link, whatever the environment allows:
 * root may write here, in a folder that belongs to somebody else.
 * @throws StartFailure
 */
export function writePidFile(path: string, processId = process.pid): PidFile {
  const text = `${processId}`;
  let fd = -1;
  try {
    fd = openCarefully(path, { flags: FLAGS, mode: MODE, mayFollowLinks: false });
    const stat = fstatSync(fd);
    if (!stat.isFile()) throw new Error('it is not a file');
    if (stat.nlink > 1) throw new Error('the file has another name as well');
    ftruncateSync(fd);
    writeSync(fd, text);
  } catch (error) {
    throw new StartFailure('pid_file', [`Error: Unable to write pid file ${path}: ${pidReason(error)}.`]);
  } finally {
    if (fd >= 0) closeSync(fd);
  }
  return { remove: () => removeOwn(path, text) };
}

/** The hint of the environment variable does not hold here. */
function pidReason(error: unknown): string {
  return error instanceof Error && 'code' in error && error.code === 'ELOOP'
    ? 'it is a symbolic link'
    : reasonOf(error);
}

function removeOwn(path: string, text: string): string | null {
  try {
    if (readFileSync(path, 'utf8').trim() === text) unlinkSync(path);
    return null;
  } catch (error) {
    return `Unable to remove pid file ${path}: ${reasonOf(error)}.`;
  }
}
