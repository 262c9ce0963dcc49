/** What the sockets of this process are set to, which Node does not tell: asked of libc through node:ffi. */
import { readdirSync, readlinkSync } from 'node:fs';

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const AF_INET = 2;

const FUNCTIONS = {
  getsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer', 'pointer'] },
  getsockname: { return: 'int32', arguments: ['int32', 'pointer', 'pointer'] },
} as const;

/** Why it cannot be asked here, for `skip`; false where it can. */
export const cannotReadOptions =
  process.platform !== 'linux' || process.getBuiltinModule('node:ffi') === undefined
    ? 'needs Linux and node:ffi'
    : false;

/** TCP_NODELAY of each IPv4 connection of this process that came in by that port. */
export function hasNoDelay(port: number): readonly boolean[] {
  const ffi = process.getBuiltinModule('node:ffi');
  const library = new ffi.DynamicLibrary(null);
  const { getsockopt, getsockname } = library.getFunctions(FUNCTIONS);
  const address = new Uint8Array(new ArrayBuffer(128));
  const value = new Int32Array(new ArrayBuffer(4));
  const length = new Uint32Array(new ArrayBuffer(4));
  const optionOf = (fd: number, level: number, option: number) => {
    length[0] = 4;
    getsockopt(fd, level, option, ffi.getRawPointer(value), ffi.getRawPointer(length));
    return value[0] !== 0;
  };
  const portOf = (fd: number) => {
    length[0] = address.length;
    const isRead = getsockname(fd, ffi.getRawPointer(address), ffi.getRawPointer(length)) === 0;
    return isRead && address[0] === AF_INET ? ((address[2] ?? 0) << 8) | (address[3] ?? 0) : 0;
  };
  const accepted = socketsOfProcess().filter((fd) => portOf(fd) === port && !optionOf(fd, SOL_SOCKET, SO_ACCEPTCONN));
  const answers = accepted.map((fd) => optionOf(fd, IPPROTO_TCP, TCP_NODELAY));
  library.close();
  return answers;
}

function socketsOfProcess(): readonly number[] {
  return readdirSync('/proc/self/fd').flatMap((name) => {
    try {
      return readlinkSync(`/proc/self/fd/${name}`).startsWith('socket:') ? [Number(name)] : [];
    } catch {
      // The folder's own descriptor is gone by now.
      return [];
    }
  });
}
