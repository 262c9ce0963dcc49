/** Sends datagrams to one unix socket by its name, so that it may be made anew at any time by whoever reads it. */
import { getSystemErrorMap } from 'node:util';
import { writeUnixAddress } from '../../transport/reactor/socket-address.ts';
import { DATAGRAM_BYTES_MAX, type Libc } from './libc.ts';

const AF_UNIX = 1;
/** Bytes of `sun_path` of `struct sockaddr_un`. */
const NAME_BYTES_MAX = 108;

export class DatagramSender {
  readonly #libc: Libc;
  readonly #address: Uint8Array;
  readonly #fd: number;

  /**
   * @param name a path, or `@` and a name without a file (Linux's abstract names)
   * @throws RangeError for a name that no socket can have, Error when there is no descriptor left
   */
  constructor(libc: Libc, name: string) {
    this.#libc = libc;
    this.#address = name.startsWith('@') ? abstractAddress(name) : pathAddress(name);
    this.#fd = libc.openDatagrams();
    if (this.#fd < 0) throw new Error(`no socket for datagrams: ${errnoWords(-this.#fd)}`);
  }

  /** Sends what fits into one datagram of `text`. @returns 0, or the errno of what went wrong */
  send(text: string): number {
    const bytes = Buffer.from(text);
    const sent = this.#libc.sendTo(this.#fd, this.#address, bytes.subarray(0, DATAGRAM_BYTES_MAX));
    return sent < 0 ? -sent : 0;
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}

/** 'connection refused' */
export function errnoWords(errno: number): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? `error ${errno}`;
}

function pathAddress(path: string): Uint8Array {
  const room = new Uint8Array(2 + NAME_BYTES_MAX);
  return room.subarray(0, writeUnixAddress(room, path).byteCount);
}

/** Family, a zero, and the name, which ends with the address and not with a zero. */
function abstractAddress(name: string): Uint8Array {
  const bytes = Buffer.from(name.slice(1));
  if (bytes.length === 0 || bytes.length >= NAME_BYTES_MAX) {
    throw new RangeError(`the name of a socket has 1 to ${NAME_BYTES_MAX - 1} bytes, '${name}' has ${bytes.length}`);
  }
  return Uint8Array.of(AF_UNIX, 0, 0, ...bytes);
}
