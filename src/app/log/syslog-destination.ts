/**
 * `log_dest syslog`: datagrams to the socket of the system's log, in the form that libc's syslog() gives them:
 *
 *   <facility * 8 + severity>Nov 24 13:05:43 zanzara[4711]: text
 *
 * Not through syslog() itself: it waits for a log that does not read, and its text is a format, in which the `%` of a client's
 * id would be read as a directive. A datagram that is not taken at once is dropped and counted.
 */
import type { Clock } from '../../base/clock.ts';
import type { LogLevel } from '../../base/log.ts';
import { strftime } from '../../base/strftime.ts';
import { type DatagramSender, errnoWords } from '../process/datagram-sender.ts';
import { EAGAIN, ENOBUFS } from '../process/libc.ts';
import type { Destination, LogEntry } from './destination.ts';
import type { StandIn } from './stand-in.ts';

export const SYSLOG_PATH = '/dev/log';

const IDENT = 'zanzara';
/** RFC 5424 section 6.2.1, as in <syslog.h>. */
const FACILITY_DAEMON = 3;
const FACILITY_LOCAL0 = 16;
const SEVERITIES: Readonly<Record<LogLevel, number>> = {
  error: 3,
  warning: 4,
  notice: 5,
  information: 6,
  debug: 7,
  subscribe: 5,
  unsubscribe: 5,
};

const stampOf = strftime('%b %e %H:%M:%S');

export interface SyslogParts {
  readonly sender: DatagramSender;
  /** 0 to 7 stand for local0 to local7, null for daemon. */
  readonly facility: number | null;
  readonly processId: number;
  readonly clock: Clock;
  readonly standIn: StandIn;
}

export class SyslogDestination implements Destination {
  readonly #parts: SyslogParts;
  #droppedCount = 0;

  constructor(parts: SyslogParts) {
    this.#parts = parts;
  }

  takes(): boolean {
    return true;
  }

  write({ level, line, text }: LogEntry): void {
    if (this.#droppedCount > 0 && this.#send('warning', this.#droppedText()) === 0) this.#droppedCount = 0;
    const errno = this.#send(level, text);
    if (errno === 0) return;
    if (errno === EAGAIN || errno === ENOBUFS) {
      this.#droppedCount++;
      return;
    }
    this.#parts.standIn.take(
      `${line}\n`,
      `Error: Unable to reach syslog: ${errnoWords(errno)}. Its lines go to stderr.`,
    );
  }

  close(): void {
    this.#parts.sender.close();
  }

  #send(level: LogLevel, text: string): number {
    const { sender, facility, processId, clock } = this.#parts;
    const code = facility === null ? FACILITY_DAEMON : FACILITY_LOCAL0 + facility;
    const priority = code * 8 + SEVERITIES[level];
    return sender.send(`<${priority}>${stampOf(new Date(clock.wallMs()))} ${IDENT}[${processId}]: ${text}`);
  }

  #droppedText(): string {
    return `(${this.#droppedCount} log lines were dropped: syslog did not take them fast enough)`;
  }
}
