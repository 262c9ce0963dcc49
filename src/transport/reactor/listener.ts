/**
 * A socket that listens. Connections are accepted a few at a time, so that a plant that comes back at once does not
 * keep its first clients waiting.
 *
 * Out of descriptors a connection could be neither accepted nor refused, its client would hang, and epoll would report
 * it again and again. So one descriptor is kept in reserve: it is given up for as long as it takes to accept such a
 * connection and close it. When even that fails the listener rests for a moment.
 */
import type { Accept, Listening } from '../../base/link.ts';
import { Timer } from '../../base/timer-queue.ts';
import { toError } from '../transport-options.ts';
import { EAGAIN, EINTR, EMFILE, ENFILE, EPOLLIN } from './native.ts';
import type { Source } from './reactor.ts';
import { type LinkContext, ReactorLink } from './reactor-link.ts';
import { hostOf, portOf } from './socket-address.ts';
import { systemError } from './system-error.ts';

/** Connections accepted in one batch, by one listener. */
const ACCEPTS_MAX = 64;
/** How long a listener rests when the system can give it no connection. */
const REST_MS = 100;

const ECONNABORTED = 103;
const EPROTO = 71;

export interface ListenerParts {
  readonly context: LinkContext;
  readonly accept: Accept;
  /** Told when a connection could not be accepted. The listener goes on. */
  readonly onAcceptError: (error: Error) => void;
  /** What the socket is bound to. */
  readonly host: string;
  readonly port: number;
  /** The file of a unix socket, removed at the end. */
  readonly path: string | null;
}

export class Listener implements Source, Listening {
  readonly host: string;
  readonly port: number;
  readonly #fd: number;
  readonly #parts: ListenerParts;
  readonly #rest: Timer;
  #slot = -1;
  #spareFd = -1;
  #isOpen = true;

  /** Takes over a listening socket. @throws Error when it cannot be watched; the socket is closed then */
  constructor(fd: number, parts: ListenerParts) {
    this.#fd = fd;
    this.#parts = parts;
    this.host = parts.host;
    this.port = parts.port;
    this.#rest = new Timer(() => this.#wake());
    const { reactor } = parts.context;
    this.#slot = reactor.add(fd, EPOLLIN, this);
    if (this.#slot < 0) {
      reactor.native.close(fd);
      throw systemError('epoll_ctl', -this.#slot);
    }
    this.#spareFd = reactor.native.openSpare();
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const { context, path } = this.#parts;
    const { native } = context.reactor;
    context.timers.remove(this.#rest);
    context.reactor.remove(this.#slot);
    native.close(this.#fd);
    if (this.#spareFd >= 0) native.close(this.#spareFd);
    this.#spareFd = -1;
    if (path !== null) native.unlink(path);
  }

  onReady(): void {
    const { context } = this.#parts;
    context.reactor.leaveSoon();
    for (let count = 0; count < ACCEPTS_MAX && this.#isOpen; count++) {
      const fd = context.reactor.native.accept(this.#fd);
      if (fd >= 0) this.#open(fd);
      else if (!this.#goesOn(-fd)) return;
    }
  }

  #open(fd: number): void {
    const { context, accept } = this.#parts;
    const { socketAddress } = context.reactor.native;
    const link = new ReactorLink(fd, context, {
      remoteAddress: hostOf(socketAddress),
      remotePort: portOf(socketAddress),
      localPort: this.port,
    });
    const result = link.open();
    if (result < 0) {
      this.#parts.onAcceptError(systemError('epoll_ctl', -result));
      return;
    }
    try {
      link.setEvents(accept(link));
    } catch (error) {
      link.destroy();
      context.onFault(toError(error));
    }
  }

  /** After a failed accept. @returns whether to try again at once */
  #goesOn(errno: number): boolean {
    if (errno === EAGAIN) return false;
    // The client has gone meanwhile; the next one may be there.
    if (errno === ECONNABORTED || errno === EPROTO || errno === EINTR) return true;
    if (errno === EMFILE || errno === ENFILE) {
      // The system says so before it looks whether anybody waits.
      const refused = this.#refuseOne();
      if (refused === 'nobody') return false;
      this.#parts.onAcceptError(systemError('accept', errno));
      if (refused === 'one') return true;
    } else {
      this.#parts.onAcceptError(systemError('accept', errno));
    }
    if (!this.#isOpen) return false;
    const { reactor, timers } = this.#parts.context;
    reactor.suspend(this.#fd);
    timers.add(this.#rest, timers.now + REST_MS);
    return false;
  }

  /** Closes the first connection that waits. @returns 'none' when that, too, is not possible */
  #refuseOne(): 'one' | 'nobody' | 'none' {
    const { native } = this.#parts.context.reactor;
    if (this.#spareFd < 0) return 'none';
    native.close(this.#spareFd);
    const fd = native.accept(this.#fd);
    if (fd >= 0) native.close(fd);
    this.#spareFd = native.openSpare();
    if (fd >= 0) return 'one';
    return fd === -EAGAIN && this.#spareFd >= 0 ? 'nobody' : 'none';
  }

  #wake(): void {
    const { reactor, timers } = this.#parts.context;
    if (this.#spareFd < 0) this.#spareFd = reactor.native.openSpare();
    if (reactor.restore(this.#slot, this.#fd, EPOLLIN) < 0) timers.add(this.#rest, timers.now + REST_MS);
  }
}
