/**
 * What another thread wakes libuv with. A worker's message, and the end of whatever libuv's pool of threads did (files,
 * names, keys), reach the event loop through an eventfd. A reactor that waits in its own epoll watches that one as well,
 * so that it hears of them at once.
 *
 * libuv does not tell which descriptor that is, but the kernel does: the documented `uv_backend_fd` is libuv's epoll, and
 * /proc/self/fdinfo lists what an epoll holds (proc(5)). Rejected: libuv's epoll in ours while the reactor stays. It all
 * would be heard then, but neither may hold the other, so ours has to leave and enter libuv's each time, and the kernel
 * looks through all sockets of an epoll that enters another: 0.1 us for each, 2 ms for 20,000.
 */
import { readFileSync, readlinkSync } from 'node:fs';

/** More than libuv has; a list that is longer is not libuv's. */
const WAKERS_MAX = 16;

/**
 * The eventfds in the epoll set `epoll` of this process; libuv's are there from its first turn on. Empty where there is no
 * /proc, or it does not tell.
 */
export function eventDescriptorsIn(epoll: number): readonly number[] {
  try {
    const held = readFileSync(`/proc/self/fdinfo/${epoll}`, 'latin1').matchAll(/^tfd:\s+(\d+)/gm);
    const descriptors = Array.from(held, ([, digits]) => Number(digits));
    return descriptors.filter(isEventDescriptor).slice(0, WAKERS_MAX);
  } catch {
    return [];
  }
}

function isEventDescriptor(fd: number): boolean {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`) === 'anon_inode:[eventfd]';
  } catch {
    // It was closed in between.
    return false;
  }
}
