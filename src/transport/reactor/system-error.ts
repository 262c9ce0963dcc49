import { getSystemErrorMap } from 'node:util';

/**
 * An error of the operating system as node makes them: `code` ('ECONNRESET'), `errno` and `syscall`.
 * @param errno positive, as the kernel has it
 */
export function systemError(syscall: string, errno: number, where = ''): NodeJS.ErrnoException {
  const [code, text] = getSystemErrorMap().get(-errno) ?? [`E${errno}`, `error ${errno}`];
  const place = where === '' ? '' : ` ${where}`;
  // Of a connection node names the call and the code alone.
  const message = where === '' ? `${syscall} ${code}` : `${syscall} ${code}: ${text}${place}`;
  return Object.assign(new Error(message), { code, errno: -errno, syscall });
}
