/**
 * Tells systemd how the service is (sd_notify(3)): `Type=notify` and `notify-reload`, `WatchdogSec=`. Each state is one
 * datagram to the socket that NOTIFY_SOCKET names. systemd is never waited for: what its socket cannot take just now is sent
 * again a little later.
 */
import type { Clock } from '../../base/clock.ts';
import { DatagramSender, errnoWords } from './datagram-sender.ts';
import { EAGAIN, ENOBUFS, loadLibc } from './libc.ts';
import type { Environment } from './open-carefully.ts';

const AGAIN_MS = 100;
/** States that wait to be sent; beyond these the oldest is dropped. */
const WAITING_MAX = 16;
const STATUS_CHARACTERS_MAX = 500;
const MICROSECONDS_PER_MS = 1000;
const MICROSECONDS_MAX = 2 ** 41;

export interface SystemdNotifier {
  ready(): void;
  /** To be followed by `ready`. */
  reloading(): void;
  stopping(): void;
  /** One line that `systemctl status` shows. */
  status(text: string): void;
  close(): void;
}

export interface NotifierParts {
  readonly environment: Environment;
  readonly clock: Clock;
  /** CLOCK_MONOTONIC, which `Clock` counts from another start. */
  readonly monotonicMicroseconds?: () => bigint;
  readonly processId?: number;
  /** Takes a warning for the log. */
  readonly warn: (text: string) => void;
}

/** Where the process was not started by systemd, or not with `Type=notify`, it does nothing. */
export function createSystemdNotifier(parts: NotifierParts): SystemdNotifier {
  const { environment, warn, clock } = parts;
  const name = environment.NOTIFY_SOCKET;
  if (name === undefined || name === '') return SILENT;
  let sender: DatagramSender;
  try {
    if (!name.startsWith('/') && !name.startsWith('@')) throw new Error(`'${name}' is no unix socket`);
    sender = new DatagramSender(loadLibc(), name);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    warn(`Warning: systemd cannot be notified: ${reason}. Use Type=exec in the unit, without WatchdogSec.`);
    return SILENT;
  }
  const states = new StateSender({ sender, clock, warn });
  const monotonic = parts.monotonicMicroseconds ?? (() => process.hrtime.bigint() / 1000n);
  const stopWatchdog = startWatchdog(parts, states);
  return {
    ready: () => states.send('READY=1'),
    reloading: () => states.send(`RELOADING=1\nMONOTONIC_USEC=${monotonic()}`),
    stopping: () => states.send('STOPPING=1'),
    status: (text) => states.send(`STATUS=${text.replaceAll('\n', ' ').slice(0, STATUS_CHARACTERS_MAX)}`),
    close() {
      stopWatchdog();
      states.close();
    },
  };
}

const SILENT: SystemdNotifier = { ready() {}, reloading() {}, stopping() {}, status() {}, close() {} };

/** A sign of life at half of the time that systemd allows: only an event loop that turns sends it. */
function startWatchdog({ environment, clock, processId = process.pid }: NotifierParts, states: StateSender) {
  const { WATCHDOG_USEC = '', WATCHDOG_PID = '' } = environment;
  const microseconds = /^[0-9]+$/.test(WATCHDOG_USEC) ? Number(WATCHDOG_USEC) : 0;
  const isOurs = WATCHDOG_PID === '' || WATCHDOG_PID === String(processId);
  if (!isOurs || microseconds <= 0 || microseconds > MICROSECONDS_MAX) return () => {};
  const everyMs = Math.max(1, Math.floor(microseconds / MICROSECONDS_PER_MS / 2));
  let cancel = clock.after(everyMs, beat);
  function beat(): void {
    states.send('WATCHDOG=1');
    cancel = clock.after(everyMs, beat);
  }
  return () => cancel();
}

interface StateParts {
  readonly sender: DatagramSender;
  readonly clock: Clock;
  readonly warn: (text: string) => void;
}

class StateSender {
  readonly #parts: StateParts;
  readonly #waiting: string[] = [];
  #cancel: (() => void) | null = null;
  #hasWarned = false;

  constructor(parts: StateParts) {
    this.#parts = parts;
  }

  send(state: string): void {
    this.#waiting.push(state);
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift();
    this.#sendWaiting();
  }

  close(): void {
    this.#cancel?.();
    this.#parts.sender.close();
  }

  #sendWaiting(): void {
    this.#cancel?.();
    this.#cancel = null;
    const { sender, clock } = this.#parts;
    for (let state = this.#waiting[0]; state !== undefined; state = this.#waiting[0]) {
      const errno = sender.send(state);
      if (errno === EAGAIN || errno === ENOBUFS) {
        this.#cancel = clock.after(AGAIN_MS, () => this.#sendWaiting());
        return;
      }
      if (errno !== 0) this.#warnOnce(errno);
      this.#waiting.shift();
    }
  }

  #warnOnce(errno: number): void {
    if (this.#hasWarned) return;
    this.#hasWarned = true;
    this.#parts.warn(`Warning: systemd cannot be notified: ${errnoWords(errno)}.`);
  }
}
