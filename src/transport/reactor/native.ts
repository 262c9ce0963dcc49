/**
 * The door to libc and libuv: the functions the reactor calls, and the only memory it lets them touch.
 *
 * Why a call from here cannot corrupt memory:
 *  - Memory that C may write to is in `NativeMemory`: allocated once, as large as its constant says, never moved, never
 *    freed. C is always told that constant, never a length that was computed.
 *  - Memory that C only reads (`send`) may also be a buffer of the user's, of more than 2 KiB, which V8 never keeps in its
 *    moving heap: its range is checked against its length in `sendRange`, the call is over before anything else runs, and
 *    the kernel keeps no address after it. Smaller ranges are copied into native memory first.
 *  - Types are C's own (size_t is 64 bits wide: passed as such); node:ffi refuses a value that does not fit.
 *  - The one callback that C makes (libuv's poll) lives as long as the process, and never throws.
 *
 * Failures come as `-errno`, as the kernel has them: no exception on the path of a packet.
 */
import { assert } from '../../base/assert.ts';

/** `node:ffi`, which a Node may lack. */
export type Ffi = typeof import('node:ffi');

/** Bytes that one `recv` may bring. */
export const RECEIVE_BYTES = 64 * 1024;
/** Ranges of at most so many bytes are copied before they are sent. */
const STAGE_BYTES = 2048;
/** Ranges below this are copied by a loop, which is faster than making a view of them. */
const LOOP_BYTES = 128;
/** Events that one `epoll_wait` may bring. */
export const EVENTS_MAX = 512;
/** Room for any socket address: sockaddr_un is the longest (110 bytes). */
export const ADDRESS_BYTES = 128;

/** Linux, the same on x86-64 and arm64. */
export const EPOLLIN = 0x1;
export const EPOLLOUT = 0x4;
export const EPOLLERR = 0x8;
export const EPOLLHUP = 0x10;
export const EPOLLRDHUP = 0x2000;
/** Report what has become ready, not what is. */
export const EPOLLET = -0x8000_0000;

const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0x800;
const SOCK_CLOEXEC = 0x80000;
const MSG_PEEK = 0x2;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const EFD_CLOEXEC = 0x80000;

const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ERROR = 4;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;

export const EINTR = 4;
export const EAGAIN = 11;
export const ENFILE = 23;
export const EMFILE = 24;
export const EINPROGRESS = 115;

/**
 * How a function is declared decides what a call costs, because node:ffi has several ways to make it, and wraps all
 * functions of as many arguments in the same code, which is only fast while it serves one of them. Measured, without the
 * system call itself: 200 ns for the only function of three arguments (`read` has that for itself), 550 to 700 for any
 * other with an argument of type pointer. A function that returns a `function`, an unsigned integer as wide as a
 * pointer, and takes integers only, addresses among them, is called through a shared buffer: 350 ns. So `epoll_wait` and
 * `send` are declared like that.
 *
 * A trailing 'unused' argument is one that C never looks at; it keeps a function from being one of three arguments.
 */
const UNUSED = 'int32';

const FUNCTIONS = {
  accept4: { return: 'int32', arguments: ['int32', 'pointer', 'pointer', 'int32'] },
  bind: { return: 'int32', arguments: ['int32', 'pointer', 'uint32', UNUSED] },
  close: { return: 'int32', arguments: ['int32'] },
  connect: { return: 'int32', arguments: ['int32', 'pointer', 'uint32', UNUSED] },
  epoll_create1: { return: 'int32', arguments: ['int32'] },
  epoll_ctl: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer'] },
  eventfd: { return: 'int32', arguments: ['uint32', 'int32'] },
  epoll_wait: { return: 'function', arguments: ['int32', 'uint64', 'int32', 'int32'] },
  getpeername: { return: 'int32', arguments: ['int32', 'pointer', 'pointer', UNUSED] },
  getsockname: { return: 'int32', arguments: ['int32', 'pointer', 'pointer', UNUSED] },
  getsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer', 'pointer'] },
  listen: { return: 'int32', arguments: ['int32', 'int32'] },
  // ssize_t, of which every value we can get fits its lower half: no more is asked for than 2^31 bytes.
  read: { return: 'int32', arguments: ['int32', 'pointer', 'uint64'] },
  recv: { return: 'int32', arguments: ['int32', 'pointer', 'uint64', 'int32'] },
  send: { return: 'function', arguments: ['int32', 'uint64', 'uint64', 'int32'] },
  setsockopt: { return: 'int32', arguments: ['int32', 'int32', 'int32', 'pointer', 'uint32'] },
  shutdown: { return: 'int32', arguments: ['int32', 'int32'] },
  socket: { return: 'int32', arguments: ['int32', 'int32', 'int32', UNUSED] },
  unlink: { return: 'int32', arguments: ['buffer'] },
  __errno_location: { return: 'pointer', arguments: [] },
  uv_backend_fd: { return: 'int32', arguments: ['pointer'] },
  uv_handle_size: { return: 'uint64', arguments: ['int32'] },
  uv_poll_init: { return: 'int32', arguments: ['pointer', 'pointer', 'int32', UNUSED] },
  uv_poll_start: { return: 'int32', arguments: ['pointer', 'int32', 'pointer', UNUSED] },
  uv_poll_stop: { return: 'int32', arguments: ['pointer'] },
  uv_ref: { return: 'void', arguments: ['pointer'] },
  uv_unref: { return: 'void', arguments: ['pointer'] },
} as const;

const RECEIVE_SIZE = BigInt(RECEIVE_BYTES);

const UV_POLL = 8;
const UV_READABLE = 1;

/** A piece of memory that never moves, with its address. */
class NativeMemory {
  readonly bytes: Uint8Array;
  readonly address: bigint;

  constructor(ffi: Ffi, byteCount: number) {
    // An ArrayBuffer of its own lies outside of the garbage collector's moving heap, whatever its size.
    this.bytes = new Uint8Array(new ArrayBuffer(byteCount));
    this.address = ffi.getRawPointer(this.bytes);
    // Structures with 64-bit members are handed over in it.
    assert(this.address !== 0n && this.address % 8n === 0n, 'native memory is not aligned');
  }
}

/** Where the members of `struct epoll_event` are, in 32-bit words: it is packed on x86-64 only. */
export interface EventLayout {
  readonly words: number;
  readonly dataWord: number;
}

export const EVENT_LAYOUTS: { readonly [architecture: string]: EventLayout } = {
  x64: { words: 3, dataWord: 1 },
  arm64: { words: 4, dataWord: 2 },
};

/** The system calls. One for the process. */
export class Native {
  /** What `recv` brought. */
  readonly received: Uint8Array;
  /** The address that was given to `bind` and `connect`, or brought by `accept` and the like. */
  readonly socketAddress: Uint8Array;
  /** What `epollWait` brought, in words of `layout`. */
  readonly events: Int32Array;
  readonly layout: EventLayout;
  readonly #ffi: Ffi;
  /** Functions and callbacks die with the object they came from. */
  readonly #library: InstanceType<Ffi['DynamicLibrary']>;
  readonly #call;
  readonly #errno: Int32Array;
  readonly #receivedAddress: bigint;
  readonly #socketAddressAddress: bigint;
  readonly #socketAddressBytes: Int32Array;
  readonly #socketAddressBytesAddress: bigint;
  readonly #eventsAddress: bigint;
  readonly #event: Int32Array;
  readonly #eventAddress: bigint;
  readonly #stage: Uint8Array;
  readonly #stageAddress: bigint;
  readonly #option: Int32Array;
  readonly #optionAddress: bigint;

  /** @throws Error when a function is missing; the reactor cannot run then */
  constructor(ffi: Ffi, layout: EventLayout) {
    this.#ffi = ffi;
    this.layout = layout;
    // The process itself: libc and libuv are linked into it.
    this.#library = new ffi.DynamicLibrary(null);
    this.#call = this.#library.getFunctions(FUNCTIONS);
    // One for each thread; this object stays on the thread that made it.
    this.#errno = new Int32Array(ffi.toArrayBuffer(this.#call.__errno_location(), 4, false));
    const received = new NativeMemory(ffi, RECEIVE_BYTES);
    const events = new NativeMemory(ffi, EVENTS_MAX * layout.words * 4);
    const socketAddress = new NativeMemory(ffi, ADDRESS_BYTES);
    const event = new NativeMemory(ffi, 16);
    const stage = new NativeMemory(ffi, STAGE_BYTES);
    const option = new NativeMemory(ffi, 8);
    const addressBytes = new NativeMemory(ffi, 8);
    this.received = received.bytes;
    this.#receivedAddress = received.address;
    this.events = new Int32Array(events.bytes.buffer);
    this.#eventsAddress = events.address;
    this.socketAddress = socketAddress.bytes;
    this.#socketAddressAddress = socketAddress.address;
    this.#event = new Int32Array(event.bytes.buffer);
    this.#eventAddress = event.address;
    this.#stage = stage.bytes;
    this.#stageAddress = stage.address;
    this.#option = new Int32Array(option.bytes.buffer);
    this.#optionAddress = option.address;
    this.#socketAddressBytes = new Int32Array(addressBytes.bytes.buffer);
    this.#socketAddressBytesAddress = addressBytes.address;
  }

  // -------------------------------------------------------------------------------------------------------- bytes

  /** Reads up to RECEIVE_BYTES into `received`. @returns their number, 0 at the end of the stream, or -errno */
  receive(fd: number): number {
    return this.#result(this.#call.read(fd, this.#receivedAddress, RECEIVE_SIZE));
  }

  /** Looks for input without taking it. @returns 1, 0 at the end of the stream, or -errno */
  peek(fd: number): number {
    return this.#result(this.#call.recv(fd, this.#receivedAddress, 1n, MSG_PEEK));
  }

  /** @returns the number of bytes of `bytes[start, end)` that the kernel has taken, or -errno */
  sendRange(fd: number, bytes: Uint8Array, start: number, end: number): number {
    // The one place where a range of foreign memory is handed to C.
    if (!(start >= 0 && end > start && end <= bytes.length)) {
      throw new RangeError(`bad range ${start} to ${end} of ${bytes.length}`);
    }
    const byteCount = end - start;
    if (byteCount > STAGE_BYTES) {
      const address = this.#ffi.getRawPointer(bytes) + BigInt(start);
      return this.#wideResult(this.#call.send(fd, address, BigInt(byteCount), MSG_NOSIGNAL));
    }
    // Asking for an address costs more than a small copy, and a small array may lie where the collector moves it.
    copyRange(bytes, start, end, this.#stage);
    return this.#wideResult(this.#call.send(fd, this.#stageAddress, BigInt(byteCount), MSG_NOSIGNAL));
  }

  // ------------------------------------------------------------------------------------------------------ sockets

  /** A non-blocking stream socket. @returns its descriptor or -errno */
  socket(family: number): number {
    return this.#result(this.#call.socket(family, SOCK_STREAM + SOCK_NONBLOCK + SOCK_CLOEXEC, 0, 0));
  }

  /** Binds to the first `byteCount` bytes of `socketAddress`. @returns 0 or -errno */
  bind(fd: number, byteCount: number): number {
    assert(byteCount > 0 && byteCount <= ADDRESS_BYTES, `bad address of ${byteCount} bytes`);
    return this.#result(this.#call.bind(fd, this.#socketAddressAddress, byteCount, 0));
  }

  /** @returns 0 or -errno */
  listen(fd: number, backlog: number): number {
    return this.#result(this.#call.listen(fd, backlog));
  }

  /** Begins to connect to the first `byteCount` bytes of `socketAddress`. @returns 0 or -errno */
  connect(fd: number, byteCount: number): number {
    assert(byteCount > 0 && byteCount <= ADDRESS_BYTES, `bad address of ${byteCount} bytes`);
    return this.#result(this.#call.connect(fd, this.#socketAddressAddress, byteCount, 0));
  }

  /** The peer's address is in `socketAddress`. @returns a non-blocking descriptor or -errno */
  accept(fd: number): number {
    this.#socketAddressBytes[0] = ADDRESS_BYTES;
    const flags = SOCK_NONBLOCK + SOCK_CLOEXEC;
    return this.#result(this.#call.accept4(fd, this.#socketAddressAddress, this.#socketAddressBytesAddress, flags));
  }

  /** Brings our own address into `socketAddress`. @returns 0 or -errno */
  localAddress(fd: number): number {
    this.#socketAddressBytes[0] = ADDRESS_BYTES;
    return this.#result(this.#call.getsockname(fd, this.#socketAddressAddress, this.#socketAddressBytesAddress, 0));
  }

  /** Brings the peer's address into `socketAddress`. @returns 0 or -errno */
  peerAddress(fd: number): number {
    this.#socketAddressBytes[0] = ADDRESS_BYTES;
    return this.#result(this.#call.getpeername(fd, this.#socketAddressAddress, this.#socketAddressBytesAddress, 0));
  }

  /** The error that waits on the socket, which is taken from it. @returns 0 or -errno */
  takeError(fd: number): number {
    this.#socketAddressBytes[0] = 4;
    this.#option[0] = 0;
    const result = this.#result(
      this.#call.getsockopt(fd, SOL_SOCKET, SO_ERROR, this.#optionAddress, this.#socketAddressBytesAddress),
    );
    return result < 0 ? result : -this.#option[0];
  }

  /** @returns 0 or -errno */
  setReuseAddress(fd: number): number {
    return this.#setOption(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  }

  /** Accepted sockets inherit it from their listener. @returns 0 or -errno */
  setNoDelay(fd: number): number {
    return this.#setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  }

  /** @returns 0 or -errno */
  setIpv6Only(fd: number, isOn: boolean): number {
    return this.#setOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, isOn ? 1 : 0);
  }

  /** Sends our FIN. @returns 0 or -errno */
  shutdown(fd: number): number {
    return this.#result(this.#call.shutdown(fd, SHUT_WR));
  }

  /** @returns 0 or -errno; the descriptor is gone in either case */
  close(fd: number): number {
    return this.#result(this.#call.close(fd));
  }

  /** A descriptor that stands for nothing, to be given up when one is needed. @returns it or -errno */
  openSpare(): number {
    return this.#result(this.#call.eventfd(0, EFD_CLOEXEC));
  }

  /** Removes a socket's file. @returns 0 or -errno */
  unlink(path: string): number {
    return this.#result(this.#call.unlink(Buffer.from(`${path}\0`)));
  }

  // -------------------------------------------------------------------------------------------------------- epoll

  /** @returns a descriptor or -errno */
  epollCreate(): number {
    return this.#result(this.#call.epoll_create1(EPOLL_CLOEXEC));
  }

  /** @returns 0 or -errno */
  epollAdd(epoll: number, fd: number, mask: number, slot: number, generation: number): number {
    return this.#control(epoll, EPOLL_CTL_ADD, fd, { mask, slot, generation });
  }

  /** @returns 0 or -errno */
  epollChange(epoll: number, fd: number, mask: number, slot: number, generation: number): number {
    return this.#control(epoll, EPOLL_CTL_MOD, fd, { mask, slot, generation });
  }

  /** @returns 0 or -errno */
  epollRemove(epoll: number, fd: number): number {
    return this.#control(epoll, EPOLL_CTL_DEL, fd, { mask: 0, slot: 0, generation: 0 });
  }

  /** Brings up to EVENTS_MAX events into `events`. @returns their number or -errno */
  epollWait(epoll: number, timeoutMs: number): number {
    return this.#wideResult(this.#call.epoll_wait(epoll, this.#eventsAddress, EVENTS_MAX, timeoutMs));
  }

  #control(
    epoll: number,
    operation: number,
    fd: number,
    event: { readonly mask: number; readonly slot: number; readonly generation: number },
  ): number {
    const { dataWord } = this.layout;
    this.#event[0] = event.mask;
    this.#event[dataWord] = event.slot;
    this.#event[dataWord + 1] = event.generation;
    return this.#result(this.#call.epoll_ctl(epoll, operation, fd, this.#eventAddress));
  }

  // -------------------------------------------------------------------------------------------------------- libuv

  /**
   * Calls `run` from the event loop of this thread whenever `fd` is readable. For the life of the process: what libuv and
   * C hold of it is never given back.
   * @throws Error when libuv refuses
   */
  poll(fd: number, run: () => void): PollHandle {
    const { uv_handle_size, uv_poll_init, uv_poll_start, uv_poll_stop, uv_ref, uv_unref } = this.#call;
    const handle = new NativeMemory(this.#ffi, Number(uv_handle_size(UV_POLL)));
    const callback = this.#library.registerCallback({ return: 'void', arguments: ['pointer', 'int32', 'int32'] }, () =>
      run(),
    );
    const made = uv_poll_init(this.#ffi.getCurrentEventLoop(), handle.address, fd, 0);
    const started = made < 0 ? made : uv_poll_start(handle.address, UV_READABLE, callback, 0);
    if (started < 0) throw new Error(`libuv refuses to watch the reactor (error ${started})`);
    return {
      memory: handle.bytes,
      keepAlive: (isOn) => (isOn ? uv_ref(handle.address) : uv_unref(handle.address)),
      stop: () => void uv_poll_stop(handle.address),
    };
  }

  /** The epoll in which the event loop of this thread waits. @returns a descriptor that is libuv's, or -1 */
  loopEpoll(): number {
    return this.#call.uv_backend_fd(this.#ffi.getCurrentEventLoop());
  }

  #setOption(fd: number, level: number, name: number, value: number): number {
    this.#option[0] = value;
    return this.#result(this.#call.setsockopt(fd, level, name, this.#optionAddress, 4));
  }

  /** An int or ssize_t that was returned as an unsigned integer of 64 bits; its lower half is the whole of it. */
  #wideResult(value: bigint): number {
    return this.#result(Number(BigInt.asIntN(32, value)));
  }

  #result(value: number): number {
    return value < 0 ? -this.#errno[0]! : value;
  }
}

function copyRange(from: Uint8Array, start: number, end: number, into: Uint8Array): void {
  if (end - start > LOOP_BYTES) into.set(from.subarray(start, end));
  else for (let at = start; at < end; at++) into[at - start] = from[at]!;
}

/** What watches the epoll descriptor. Must stay referenced: libuv has the address of its memory. */
export interface PollHandle {
  readonly memory: Uint8Array;
  /** Whether it keeps the process alive. */
  keepAlive(isOn: boolean): void;
  /** Calls no more. */
  stop(): void;
}
