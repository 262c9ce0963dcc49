/**
 * The door of the app to libc and libuv, for what Node has no call for: datagrams on unix sockets (syslog, systemd), the
 * signal SIGRTMIN, and an end that waits for no thread. The reactor has its own (transport/reactor/native.ts), which says more about node:ffi; this one is loaded
 * only by who needs it.
 *
 * Why a call from here cannot corrupt memory:
 *  - C reads only from the two pieces of memory below and writes only into the handle of a signal. Each is allocated once,
 *    never moved, and referenced from here for the life of the process: libuv keeps the address of the handle.
 *  - What is handed over is copied into them first, after its length was compared with theirs; C is told that length.
 *  - Types are C's own (size_t and pointers have 64 bits, which the table of processors guarantees); node:ffi refuses a value
 *    that does not fit. No function with a variable number of arguments is called.
 *  - The callback that libuv makes is never given back, does not throw, and runs nothing but `setImmediate`: Node runs neither
 *    promises nor ticks after it, and what it would throw could not be caught.
 *
 * Failures come as `-errno`.
 */
import { assert } from '../../base/assert.ts';

type Ffi = typeof import('node:ffi');

/** Bytes that one datagram may have. */
export const DATAGRAM_BYTES_MAX = 8 * 1024;
/** Room for `struct sockaddr_un` (110 bytes). */
const ADDRESS_BYTES = 128;

export const EAGAIN = 11;
export const ENOBUFS = 105;

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const MSG_NOSIGNAL = 0x4000;

/** Of libuv's handles. */
const UV_SIGNAL = 16;

/** 64 bits, little-endian, and tested. */
const PROCESSORS: readonly string[] = ['x64', 'arm64'];

/**
 * A trailing 'unused' argument is one that C never looks at. node:ffi serves all functions of three arguments by the same
 * code, which is fast only while it serves one of them, and that is `read` of the reactor.
 */
const UNUSED = 'int32';

const FUNCTIONS = {
  _exit: { return: 'void', arguments: ['int32'] },
  close: { return: 'int32', arguments: ['int32'] },
  sendto: { return: 'int32', arguments: ['int32', 'pointer', 'uint64', 'int32', 'pointer', 'uint32'] },
  socket: { return: 'int32', arguments: ['int32', 'int32', 'int32', UNUSED] },
  __errno_location: { return: 'pointer', arguments: [] },
  // SIGRTMIN is no constant: the C library keeps the first real-time signals for itself, glibc two, musl three.
  __libc_current_sigrtmin: { return: 'int32', arguments: [] },
  uv_handle_size: { return: 'uint64', arguments: ['int32'] },
  uv_signal_init: { return: 'int32', arguments: ['pointer', 'pointer'] },
  uv_signal_start: { return: 'int32', arguments: ['pointer', 'pointer', 'int32', UNUSED] },
  uv_unref: { return: 'void', arguments: ['pointer'] },
} as const;

/** A piece of memory that never moves: an ArrayBuffer of its own lies outside of the collector's moving heap. */
interface NativeMemory {
  readonly bytes: Uint8Array;
  readonly address: bigint;
}

/** Handles of libuv, and what their callbacks belong to: libuv has their addresses until the process ends. */
const forLife: unknown[] = [];

/** See `loadLibc`. */
export class Libc {
  readonly #ffi: Ffi;
  /** Functions and callbacks die with the object they came from. */
  readonly #library: InstanceType<Ffi['DynamicLibrary']>;
  readonly #call;
  readonly #errno: Int32Array;
  readonly #datagram: NativeMemory;
  readonly #address: NativeMemory;

  /** @throws Error when a function is missing */
  constructor(ffi: Ffi) {
    this.#ffi = ffi;
    // The process itself: libc and libuv are linked into it.
    this.#library = new ffi.DynamicLibrary(null);
    this.#call = this.#library.getFunctions(FUNCTIONS);
    // One for each thread; this object stays on the thread that made it.
    this.#errno = new Int32Array(ffi.toArrayBuffer(this.#call.__errno_location(), 4, false));
    this.#datagram = allocate(ffi, DATAGRAM_BYTES_MAX);
    this.#address = allocate(ffi, ADDRESS_BYTES);
  }

  /** A socket for datagrams to unix sockets, which never blocks. @returns its descriptor or -errno */
  openDatagrams(): number {
    return this.#result(this.#call.socket(AF_UNIX, SOCK_DGRAM + SOCK_NONBLOCK + SOCK_CLOEXEC, 0, 0));
  }

  /** Sends one datagram. @param address a `struct sockaddr` @returns the number of bytes or -errno */
  sendTo(fd: number, address: Uint8Array, bytes: Uint8Array): number {
    assert(address.length <= ADDRESS_BYTES, `bad address of ${address.length} bytes`);
    assert(bytes.length <= DATAGRAM_BYTES_MAX, `a datagram of ${bytes.length} bytes`);
    this.#address.bytes.set(address);
    this.#datagram.bytes.set(bytes);
    const { sendto } = this.#call;
    const size = BigInt(bytes.length);
    return this.#result(sendto(fd, this.#datagram.address, size, MSG_NOSIGNAL, this.#address.address, address.length));
  }

  /** @returns 0 or -errno; the descriptor is gone in either case */
  close(fd: number): number {
    return this.#result(this.#call.close(fd));
  }

  /** Ends the process with all its threads, whatever they do. Nothing of Node runs after it. */
  exit(code: number): void {
    this.#call._exit(code);
  }

  /** The number of SIGRTMIN here. */
  realTimeSignal(): number {
    return this.#call.__libc_current_sigrtmin();
  }

  /**
   * Calls `run` in a turn of the event loop after the signal came. For the life of the process, which it does not keep alive.
   * @throws Error when libuv refuses
   */
  watchSignal(signal: number, run: () => void): void {
    const { uv_handle_size, uv_signal_init, uv_signal_start, uv_unref } = this.#call;
    const handle = allocate(this.#ffi, Number(uv_handle_size(UV_SIGNAL)));
    const callback = this.#library.registerCallback({ return: 'void', arguments: ['pointer', 'int32'] }, () => {
      setImmediate(run);
    });
    forLife.push(this, handle, callback);
    const made = uv_signal_init(this.#ffi.getCurrentEventLoop(), handle.address);
    const started = made < 0 ? made : uv_signal_start(handle.address, callback, signal, 0);
    if (started < 0) throw new Error(`libuv refuses to watch signal ${signal} (error ${started})`);
    uv_unref(handle.address);
  }

  #result(value: number): number {
    return value < 0 ? -(this.#errno[0] ?? 0) : value;
  }
}

/** One for the process, which keeps it for good. */
let loaded: Libc | null = null;

/** Opens the door, or gives the one that is open. @throws Error that says why there can be none */
export function loadLibc(): Libc {
  if (loaded !== null) return loaded;
  if (process.platform !== 'linux') throw new Error(`it needs Linux, this is ${process.platform}`);
  if (!PROCESSORS.includes(process.arch)) throw new Error(`it does not know the processor ${process.arch}`);
  const ffi = process.getBuiltinModule('node:ffi');
  if (ffi === undefined) throw new Error(`this Node (${process.version}) has no node:ffi`);
  loaded = new Libc(ffi);
  return loaded;
}

function allocate(ffi: Ffi, byteCount: number): NativeMemory {
  const bytes = new Uint8Array(new ArrayBuffer(byteCount));
  const address = ffi.getRawPointer(bytes);
  // Structures with 64-bit members are made in it.
  assert(address !== 0n && address % 8n === 0n, 'native memory is not aligned');
  return { bytes, address };
}
