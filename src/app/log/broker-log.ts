/**
 * The log of the broker: one line goes to every destination that is configured. A reload puts other destinations in place
 * without losing a line: what is new is opened first, what stays is not touched.
 */
import type { Writable } from 'node:stream';
import type { Clock } from '../../base/clock.ts';
import type { Log, LogLevel } from '../../base/log.ts';
import { DatagramSender } from '../process/datagram-sender.ts';
import { loadLibc } from '../process/libc.ts';
import { type Environment, mayFollowLinks } from '../process/open-carefully.ts';
import type { Destination } from './destination.ts';
import { FileDestination } from './file-destination.ts';
import { createLineWriter } from './line-writer.ts';
import { createJsonForm, createTextForm, type LineForm } from './log-line.ts';
import type { LogDestination, LogSettings } from './log-settings.ts';
import { StandIn } from './stand-in.ts';
import { createStreamDestination } from './stream-destination.ts';
import { SYSLOG_PATH, SyslogDestination } from './syslog-destination.ts';
import { type PublishLine, TopicDestination } from './topic-destination.ts';

export interface BrokerLog extends Log {
  /** Closes the log file and opens it again: its name may stand for another file now. */
  reopen(): void;
  /**
   * Puts other settings in force.
   * @throws LogFileError when a new log file cannot be opened; nothing has changed then
   */
  change(settings: LogSettings): void;
  /** From now on lines for `log_dest topic` are given to `publish`, in turns of their own. */
  attachTopics(publish: PublishLine): void;
  /** Writes what waits, and closes. Lines after it are dropped. */
  close(): Promise<void>;
}

export interface LogSurroundings {
  readonly clock: Clock;
  readonly stderr: Writable;
  /** Only looked at when a line goes there: to open it costs Node some milliseconds. */
  readonly stdout: Writable;
  readonly environment: Environment;
  /** The socket of the system's log; only tests have another. */
  readonly syslogPath?: string;
}

/** Where the log file cannot be opened, its lines go to stderr until `reopen` succeeds: Mosquitto starts as well. */
export function createBrokerLog(settings: LogSettings, surroundings: LogSurroundings): BrokerLog {
  return new OpenLog(settings, surroundings);
}

class OpenLog implements BrokerLog {
  readonly #surroundings: LogSurroundings;
  readonly #writeStderr: (line: string) => void;
  #writeStdout: ((line: string) => void) | null = null;
  readonly #topics = new TopicDestination();
  #settings: LogSettings;
  #form: LineForm;
  #textForm: LineForm;
  #file: FileDestination | null = null;
  #destinations: readonly Destination[] = [];
  /** Levels that go anywhere. */
  #levels: ReadonlySet<LogLevel> = new Set();

  constructor(settings: LogSettings, surroundings: LogSurroundings) {
    this.#surroundings = surroundings;
    this.#writeStderr = createLineWriter(surroundings.stderr);
    this.#settings = settings;
    this.#textForm = createTextForm(settings);
    this.#form = this.#textForm;
    this.#apply(settings, this.#fileFor(settings, true));
  }

  has(level: LogLevel): boolean {
    return this.#levels.has(level);
  }

  write(level: LogLevel, text: string): void {
    if (!this.#levels.has(level)) return;
    const atMs = this.#surroundings.clock.wallMs();
    const plain = this.#textForm(atMs, level, text);
    const line = this.#form === this.#textForm ? plain : this.#form(atMs, level, text);
    const entry = { level, line, text: plain };
    for (const destination of this.#destinations) {
      if (destination.takes(level)) destination.write(entry);
    }
  }

  reopen(): void {
    const file = this.#file;
    const fault = file?.reopen() ?? null;
    if (file === null || fault === null) return;
    this.write('error', fault);
    // The lines of a file that is not open go to stderr, this one too.
    if (file.isOpen && !this.#isOnStderr()) this.#say('error', fault);
  }

  change(settings: LogSettings): void {
    // The only part that can fail: done before anything else.
    this.#apply(settings, this.#fileFor(settings, false));
  }

  attachTopics(publish: PublishLine): void {
    this.#topics.attach(publish);
  }

  async close(): Promise<void> {
    this.#levels = new Set();
    for (const destination of this.#destinations) destination.close();
    this.#destinations = [];
  }

  #apply(settings: LogSettings, file: FileDestination | null): void {
    const before = this.#destinations;
    this.#settings = settings;
    this.#file = file;
    this.#textForm = createTextForm(settings);
    this.#form = settings.format === 'json' ? createJsonForm(settings) : this.#textForm;
    const destinations = settings.destinations
      .map((destination) => this.#open(destination))
      .filter((destination) => destination !== null);
    this.#destinations = destinations;
    for (const old of before) {
      if (!destinations.includes(old)) old.close();
    }
    const goes = (level: LogLevel) => destinations.some((destination) => destination.takes(level));
    this.#levels = new Set([...settings.levels].filter(goes));
  }

  #fileFor({ destinations }: LogSettings, mayBeShut: boolean): FileDestination | null {
    const wanted = destinations.find(({ kind }) => kind === 'file');
    if (wanted?.kind !== 'file') return null;
    if (this.#file?.path === wanted.path) return this.#file;
    return new FileDestination({
      path: wanted.path,
      mayFollowLinks: mayFollowLinks(this.#surroundings.environment),
      standIn: this.#createStandIn(),
      mayBeShut,
    });
  }

  #open({ kind }: LogDestination): Destination | null {
    switch (kind) {
      case 'stderr':
        return createStreamDestination(this.#writeStderr);
      case 'stdout':
        // One writer for each stream, whatever is reloaded: it listens to the stream's errors.
        this.#writeStdout ??= createLineWriter(this.#surroundings.stdout);
        return createStreamDestination(this.#writeStdout);
      case 'topic':
        return this.#topics;
      case 'syslog':
        return this.#openSyslog();
      case 'file':
        return this.#file;
    }
  }

  /** Where syslog cannot be reached from here at all, its lines go to stderr. */
  #openSyslog(): Destination | null {
    const { clock, syslogPath = SYSLOG_PATH } = this.#surroundings;
    try {
      const sender = new DatagramSender(loadLibc(), syslogPath);
      const { facility } = this.#settings;
      return new SyslogDestination({ sender, facility, processId: process.pid, clock, standIn: this.#createStandIn() });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#say('warning', `Warning: log_dest syslog cannot be used here: ${reason}. Its lines go to stderr.`);
      return this.#isOnStderr() ? null : createStreamDestination(this.#writeStderr);
    }
  }

  #createStandIn(): StandIn {
    return new StandIn({
      clock: this.#surroundings.clock,
      writeLines: (lines) => {
        if (!this.#isOnStderr()) this.#writeStderr(lines);
      },
      say: (text) => this.#say('error', text),
    });
  }

  #isOnStderr(): boolean {
    return this.#settings.destinations.some(({ kind }) => kind === 'stderr');
  }

  /** A line of the log about itself, on stderr, wherever the others go. */
  #say(level: LogLevel, text: string): void {
    if (!this.#settings.levels.has(level)) return;
    this.#writeStderr(`${this.#form(this.#surroundings.clock.wallMs(), level, text)}\n`);
  }
}
