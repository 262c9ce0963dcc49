/** A socket that is connecting: becomes a link, or an error. */
import type { Accept } from '../../base/link.ts';
import { toError } from '../transport-options.ts';
import { EINPROGRESS, EPOLLOUT } from './native.ts';
import type { Source } from './reactor.ts';
import { type LinkContext, ReactorLink } from './reactor-link.ts';
import { hostOf, portOf, type WrittenAddress } from './socket-address.ts';
import { systemError } from './system-error.ts';

export interface ConnectRequest {
  readonly context: LinkContext;
  readonly accept: Accept;
  /** Writes the address to connect to into native memory. */
  readonly writeAddress: (into: Uint8Array) => WrittenAddress;
  /** The same for messages: '127.0.0.1:1883'. */
  readonly where: string;
}

/** Waits as long as the system tries, about two minutes. @throws the system's error, or what `accept` threw */
export async function connectSocket(request: ConnectRequest): Promise<void> {
  const { context, where } = request;
  const { native } = context.reactor;
  const address = request.writeAddress(native.socketAddress);
  const fd = native.socket(address.family);
  if (fd < 0) throw systemError('connect', -fd, where);
  native.setNoDelay(fd);
  const result = native.connect(fd, address.byteCount);
  if (result < 0 && result !== -EINPROGRESS) {
    native.close(fd);
    throw systemError('connect', -result, where);
  }
  if (result < 0) await new Connecting(fd, request).done;
  openConnected(fd, request);
}

/** Resolves when the connection stands. */
class Connecting implements Source {
  readonly done: Promise<void>;
  readonly #fd: number;
  readonly #request: ConnectRequest;
  readonly #slot: number;
  readonly #resolve: () => void;
  readonly #reject: (error: Error) => void;

  constructor(fd: number, request: ConnectRequest) {
    this.#fd = fd;
    this.#request = request;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#slot = request.context.reactor.add(fd, EPOLLOUT, this);
    if (this.#slot < 0) this.#fail(-this.#slot);
  }

  onReady(): void {
    const { reactor } = this.#request.context;
    reactor.leaveSoon();
    const error = reactor.native.takeError(this.#fd);
    reactor.remove(this.#slot);
    if (error < 0) {
      this.#fail(-error);
      return;
    }
    // The link brings its own entry.
    reactor.suspend(this.#fd);
    this.#resolve();
  }

  #fail(errno: number): void {
    this.#request.context.reactor.native.close(this.#fd);
    this.#reject(systemError('connect', errno, this.#request.where));
  }
}

function openConnected(fd: number, { context, accept, where }: ConnectRequest): void {
  const { native } = context.reactor;
  native.localAddress(fd);
  const localPort = portOf(native.socketAddress);
  const isGone = native.peerAddress(fd) < 0;
  const { socketAddress } = native;
  const addresses = { remoteAddress: hostOf(socketAddress), remotePort: portOf(socketAddress), localPort };
  const link = new ReactorLink(fd, context, addresses);
  const result = isGone ? 0 : link.open();
  if (isGone) {
    native.close(fd);
    throw systemError('connect', ECONNRESET, where);
  }
  if (result < 0) throw systemError('connect', -result, where);
  try {
    link.setEvents(accept(link));
  } catch (error) {
    link.destroy();
    context.onFault(toError(error));
    throw error;
  }
}

const ECONNRESET = 104;
