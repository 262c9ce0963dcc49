/**
 * The broker as a process: configuration, user, log, start, signals, end. What Mosquitto's users and scripts rely on
 * stands here: the order of the log lines, the signals, the exit codes.
 */
import { flushCompileCache } from 'node:module';
import { constants } from 'node:os';
import { LOG_LEVELS, type Log } from '../base/log.ts';
import type { Config } from '../config/config.ts';
import { systemClock } from '../transport/node/node-clock.ts';
import type { BrokerRequest } from './broker-request.ts';
import { commandName } from './command-name.ts';
import { writeDefect } from './defect.ts';
import { firstMinuteLines } from './first-minute.ts';
import { hasUsers } from './listeners/listener-rules.ts';
import { isTls } from './listeners/listener-tls.ts';
import { type LoadedConfig, loadConfig } from './load-config.ts';
import { type BrokerLog, createBrokerLog } from './log/broker-log.ts';
import { LogFileError } from './log/file-destination.ts';
import { createLineWriter } from './log/line-writer.ts';
import { DEFAULT_LOG_SETTINGS, type LogSettings } from './log/log-settings.ts';
import { logSettingsOf } from './log-settings-of.ts';
import { openKeyLog } from './process/key-log.ts';
import { leaveNow } from './process/leave-now.ts';
import { mayFollowLinks } from './process/open-carefully.ts';
import { type PidFile, writePidFile } from './process/pid-file.ts';
import { rootFolderWarnings } from './process/root-folder.ts';
import { readSensitiveFile } from './process/sensitive-file.ts';
import type { StartReport } from './process/start-report.ts';
import { prepareStoreFolder, storeFolderFault } from './process/store-folder.ts';
import { switchUser } from './process/switch-user.ts';
import { createSystemdNotifier, type SystemdNotifier } from './process/systemd-notifier.ts';
import { applyUmask } from './process/umask.ts';
import { watchEnd } from './process/watch-end.ts';
import { watchSignals } from './process/watch-signals.ts';
import { StartBrokenOff } from './start-broken-off.ts';
import { checkFeatures, type RunningBroker, startBroker } from './start-broker.ts';
import { StartFailure } from './start-failure.ts';
import { type StoreSettings, storeSettingsOf } from './store-settings.ts';
import { subscriptionTreeText } from './subscription-tree-text.ts';
import { PACKAGE_ROOT, readVersion } from './version.ts';

/** As Mosquitto's, where it has them. */
export const ExitCode = { Clean: 0, StartFailed: 1, BadArguments: 3, Defect: 70, StoreHangs: 74 } as const;

/** Runs a broker until a signal ends it. `report` is told when it runs. @returns the exit code */
export async function runBroker(request: BrokerRequest, report: StartReport): Promise<number> {
  const loaded = loadConfig(request);
  if (loaded.kind === 'failed' || request.isConfigTest) return await judge(request, loaded);
  const { config } = loaded;
  try {
    return await new Process(request, config, report).run();
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    const log = createBrokerLog(startSettings(request), SURROUNDINGS);
    for (const line of error.lines) log.write('error', line);
    await log.close();
    return ExitCode.StartFailed;
  }
}

const SURROUNDINGS = {
  clock: systemClock,
  stderr: process.stderr,
  // Only when something goes there: opening it costs some milliseconds.
  get stdout() {
    return process.stdout;
  },
  environment: process.env,
};

/** For what is said before the configuration's own log stands: on stderr. */
function startSettings({ isQuiet, logFormat }: BrokerRequest): LogSettings {
  return { ...DEFAULT_LOG_SETTINGS, levels: new Set(isQuiet ? [] : LOG_LEVELS), format: logFormat };
}

/** The verdict was asked for, or is that it cannot be used: it does not depend on what the file logs. */
async function judge(request: BrokerRequest, loaded: LoadedConfig): Promise<number> {
  const log = createBrokerLog(startSettings(request), SURROUNDINGS);
  if (loaded.kind === 'failed') {
    for (const line of loaded.lines) log.write('error', line);
    log.write('information', `zanzara version ${readVersion()} terminating`);
  }
  const code = loaded.kind === 'failed' ? ExitCode.BadArguments : judgeConfig(loaded.config, log);
  await log.close();
  return code;
}

/** What the start would say of a configuration that was read; files beside it are not looked at. */
function judgeConfig(config: Config, log: Log): number {
  for (const { level, text } of config.notes) log.write(level, text);
  try {
    checkFeatures(config, log);
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    for (const line of error.lines) log.write('error', line);
    return ExitCode.StartFailed;
  }
  log.write('information', 'Configuration file is OK.');
  return ExitCode.Clean;
}

/** One broker that runs, from the switch of the user to the end. */
class Process {
  readonly #request: BrokerRequest;
  readonly #report: StartReport;
  readonly #version = readVersion();
  readonly #stopAsked = Promise.withResolvers<void>();
  readonly #log: BrokerLog;
  #pidFile: PidFile | null = null;
  readonly #systemd: SystemdNotifier;
  /** Where state is kept; null = in memory. */
  readonly #store: StoreSettings | null;
  #config: Config;
  #running: RunningBroker | null = null;
  #isStopping = false;
  /** The store's thread is in a call that does not come back. */
  #isThreadHanging = false;
  /** systemd shows that a reload has failed. */
  #isStatusBad = false;
  /** Reloads that were asked for while one was under way count as one. The start is one: it reads everything. */
  #reload: 'none' | 'running' | 'again' = 'running';
  /** Resolves when the last reload is over. */
  #reloaded: Promise<void> = Promise.resolve();

  /** @throws StartFailure */
  constructor(request: BrokerRequest, config: Config, report: StartReport) {
    this.#request = request;
    this.#config = config;
    this.#report = report;
    applyUmask(process.env);
    const { user } = config.options;
    // The user that the broker then is may not write where the compiled code is kept for the next start.
    if (process.geteuid?.() === 0) flushCompileCache();
    const store = storeSettingsOf(config, request, process.env);
    if (store !== null) prepareStoreFolder({ folder: store.folder, user, environment: process.env });
    const warnings = [...switchUser({ user, environment: process.env })];
    this.#store = withinReach(store, warnings);
    this.#log = createBrokerLog(logSettingsOf(config, request), SURROUNDINGS);
    // From here on a signal is heard, also one that comes during the start.
    this.#watch();
    this.#writeStart(warnings);
    this.#systemd = createSystemdNotifier({
      environment: process.env,
      clock: systemClock,
      warn: (text) => this.#log.write('warning', text),
    });
  }

  async run(): Promise<number> {
    const command = commandName({ root: PACKAGE_ROOT, workingFolder: process.cwd(), environment: process.env });
    try {
      this.#running = await withLiveProcess(this.#start(command));
    } catch (error) {
      return await this.#endStart(error);
    }
    this.#log.write('information', `zanzara version ${this.#version} running`);
    // The line stands in the log file at the end of this turn: whoever started us with -d finds it there.
    await new Promise((resolve) => setImmediate(resolve));
    this.#report.running();
    this.#systemd.ready();
    await this.#running.openLocalHttp().catch((error: unknown) => writeDefect(this.#log, error));
    this.#showFirstMinute(command, this.#running);
    if (this.#isReloadAskedAgain()) this.#reloaded = this.#reloadAll();
    else this.#reload = 'none';
    await this.#stopAsked.promise;
    // It would open listeners that nobody closes.
    await this.#reloaded;
    await withLiveProcess(this.#stop(this.#running));
    // What a thread that hangs could not save may be lost: that is no stop in order.
    return await this.#end(this.#isThreadHanging ? ExitCode.StoreHangs : ExitCode.Clean);
  }

  async #stop(running: RunningBroker): Promise<void> {
    this.#systemd.stopping();
    this.#log.write('information', `zanzara version ${this.#version} terminating`);
    const closeWatch = watchEnd({
      clock: systemClock,
      log: this.#log,
      waitsFor: () => running.waitsFor,
      giveUp: () => leaveNow(ExitCode.StoreHangs),
    });
    await running.stop();
    closeWatch();
  }

  /** @returns the exit code */
  async #endStart(error: unknown): Promise<number> {
    if (error instanceof StartBrokenOff) {
      this.#systemd.stopping();
      this.#log.write('information', `zanzara version ${this.#version} terminating`);
      return await this.#end(ExitCode.Clean);
    }
    if (!(error instanceof StartFailure)) throw error;
    this.#sayWhyNot(error);
    return await this.#end(ExitCode.StartFailed);
  }

  async #start(command: string): Promise<RunningBroker> {
    const { tlsKeyLogFile, ports, compat } = this.#request;
    const keyLog =
      tlsKeyLogFile === null
        ? null
        : openKeyLog({ path: tlsKeyLogFile, onFault: (reason) => this.#log.write('error', `Error: ${reason}`) });
    if (keyLog !== null) {
      this.#log.write('warning', `Warning: The secrets of all TLS connections are written to ${tlsKeyLogFile}.`);
    }
    const running = await startBroker({
      config: this.#config,
      commandLine: { ports, compat },
      log: this.#log,
      command,
      version: this.#version,
      store: this.#store,
      transportName: process.env.ZANZARA_TRANSPORT ?? '',
      readFile: (path) => this.#readSensitive(path),
      onKeyLog: keyLog === null ? null : (line) => keyLog.write(line),
      stopAsked: this.#stopAsked.promise,
      onThreadHangs: () => {
        this.#isThreadHanging = true;
      },
    });
    // When everything is open: a second start by mistake must not take the file of the broker that runs.
    const { pidFile } = this.#config.options;
    try {
      this.#pidFile = pidFile === null ? null : writePidFile(pidFile);
    } catch (error) {
      await running.stop();
      throw error;
    }
    const { operator } = running.broker;
    const encoder = new TextEncoder();
    this.#log.attachTopics((topic, text) =>
      operator.publish(topic, encoder.encode(text), { qos: 2, retain: false, expirySeconds: LOG_MESSAGE_SECONDS }),
    );
    return running;
  }

  /** In the log, and for whoever started us with -d also where it is seen. */
  #sayWhyNot({ lines }: StartFailure): void {
    for (const line of lines) this.#log.write('error', line);
    const isSeen = logSettingsOf(this.#config, this.#request).destinations.some(({ kind }) => kind === 'stderr');
    if (!this.#report.isDaemon || isSeen || this.#request.isQuiet) return;
    const write = createLineWriter(process.stderr);
    for (const line of lines) write(`${line}\n`);
  }

  #readSensitive(path: string): Uint8Array {
    const { bytes, warnings } = readSensitiveFile(path, { mayFollowLinks: mayFollowLinks(process.env) });
    for (const warning of warnings) this.#log.write('warning', warning);
    return bytes;
  }

  #writeStart(warnings: readonly string[]): void {
    const log = this.#log;
    const { file, listeners, notes } = this.#config;
    log.write('information', `zanzara version ${this.#version} starting`);
    log.write('information', file === null ? 'Using default config.' : `Config loaded from ${file}.`);
    for (const { level, text } of notes) log.write(level, text);
    for (const warning of warnings) log.write('warning', warning);
    if (listeners.length > 0) {
      if (this.#request.ports.length > 0) log.write('warning', `Warning: -p is ignored: ${file} defines listeners.`);
      return;
    }
    log.write('warning', 'Starting in local only mode. Connections will only be possible from this machine.');
    log.write('warning', 'Create a configuration file which defines a listener to allow remote access.');
    log.write('warning', "For more details see the section 'Opening it to a network' of the README.");
  }

  #showFirstMinute(command: string, running: RunningBroker): void {
    const { file } = this.#config;
    if (this.#request.isQuiet || this.#report.isDaemon || !(process.stderr.isTTY || file === null)) return;
    const listeners = running.listeners().filter(({ config }) => config.options.protocol === 'mqtt' && config.port > 0);
    if (listeners.length === 0) return;
    const placesOf = (some: typeof listeners) => some.flatMap(({ listening }) => listening);
    const lines = firstMinuteLines({
      command,
      listening: placesOf(listeners),
      open: placesOf(listeners.filter(({ config }) => config.security.allowAnonymous && !isTls(config))),
      file,
      allowAnonymous: listeners.some(({ config }) => config.security.allowAnonymous),
      hasUsers: listeners.some(({ config }) => hasUsers(this.#config, config)),
    });
    createLineWriter(process.stderr)(`${lines.join('\n')}\n`);
  }

  // ------------------------------------------------------------------------------------------------ signals

  #watch(): void {
    const { note } = watchSignals({
      onStop: (signal) => this.#onStop(signal),
      onReload: () => this.#onReload(),
      onRotate: () => this.#log.reopen(),
      onSave: () => this.#onSave(),
      onPrintTree: () => this.#printTree(),
    });
    if (note !== null) this.#log.write('notice', note);
    process.on('uncaughtException', (error) => {
      writeDefect(this.#log, error);
      leaveNow(ExitCode.Defect);
    });
  }

  /** A second request to stop ends the process at once. */
  #onStop(signal: NodeJS.Signals): void {
    if (this.#isStopping) leaveNow(128 + constants.signals[signal]);
    this.#isStopping = true;
    this.#stopAsked.resolve();
  }

  #onReload(): void {
    // A newcomer who closes the terminal has a broker that nobody sees, and that holds the port, unless it ends too.
    if (this.#config.file === null && process.stderr.isTTY) {
      this.#onStop('SIGHUP');
      return;
    }
    this.#log.reopen();
    if (this.#config.file === null) {
      this.#log.write('notice', 'There is no configuration file to read again.');
      return;
    }
    if (this.#isStopping) return;
    const isBusy = this.#reload !== 'none';
    this.#reload = isBusy ? 'again' : 'running';
    if (!isBusy) this.#reloaded = this.#reloadAll();
  }

  async #reloadAll(): Promise<void> {
    this.#systemd.reloading();
    do {
      this.#reload = 'running';
      await this.#reloadOnce();
    } while (this.#isReloadAskedAgain());
    this.#reload = 'none';
    if (!this.#isStopping) this.#systemd.ready();
  }

  #isReloadAskedAgain(): boolean {
    return this.#reload === 'again' && !this.#isStopping;
  }

  /** Changes everything or nothing. */
  async #reloadOnce(): Promise<void> {
    const log = this.#log;
    log.write('information', 'Reloading config.');
    const loaded = loadConfig(this.#request);
    const lines = loaded.kind === 'failed' ? loaded.lines : await this.#tryConfig(loaded.config);
    if (lines === null) {
      log.write('information', `Configuration reloaded from ${this.#config.file}.`);
      if (this.#isStatusBad) this.#systemd.status('');
      this.#isStatusBad = false;
      return;
    }
    for (const line of lines) log.write('error', line);
    log.write('error', 'Error: The new configuration cannot be used. Nothing was changed: the old one stays in force.');
    this.#isStatusBad = true;
    this.#systemd.status('The configuration could not be reloaded, see the log. The old one is in force.');
  }

  /** @returns null, or the lines that say why nothing was changed */
  async #tryConfig(config: Config): Promise<readonly string[] | null> {
    const running = this.#running;
    if (running === null) return ['Error: The broker has not started yet.'];
    try {
      await running.reload(config, () => this.#log.change(logSettingsOf(config, this.#request)));
    } catch (error) {
      if (error instanceof StartFailure) return error.lines;
      if (error instanceof LogFileError) return [error.message];
      writeDefect(this.#log, error);
      return ['Error: The reload has failed.'];
    }
    for (const { level, text } of config.notes) this.#log.write(level, text);
    this.#config = config;
    return null;
  }

  #onSave(): void {
    this.#running?.save().then(
      (fault) => {
        if (fault === null) this.#log.write('notice', 'SIGUSR1: all state is in memory: there is nothing to save.');
        else if (fault !== '') this.#log.write('error', `Error: SIGUSR1: the state could not be saved: ${fault}.`);
        else this.#log.write('information', 'Everything is saved.');
      },
      (error: unknown) => writeDefect(this.#log, error),
    );
  }

  #printTree(): void {
    if (this.#running === null) return;
    const write = createLineWriter(process.stdout);
    for (const line of subscriptionTreeText(this.#running.broker.operator.subscriptions())) write(`${line}\n`);
  }

  /** @returns the exit code */
  async #end(code: number): Promise<number> {
    const fault = this.#pidFile?.remove() ?? null;
    if (fault !== null) this.#log.write('warning', `Warning: ${fault}`);
    this.#systemd.close();
    await this.#log.close();
    if (this.#isThreadHanging) leaveNow(code);
    return code;
  }
}

/**
 * The store, when the user that the broker has become can keep state there. Who only ran `npm start`, as root and in a folder
 * that is closed to others, gets a broker all the same: one that keeps its state in memory, and says so.
 * @throws StartFailure when state was to be kept, and cannot be
 */
function withinReach(store: StoreSettings | null, warnings: string[]): StoreSettings | null {
  const fault = store === null ? null : storeFolderFault(store.folder);
  if (store === null) return null;
  if (fault === null) {
    warnings.push(...rootFolderWarnings(store.folder));
    return store;
  }
  if (!store.isPersistAsked || !fault.isOutOfReach) throw new StartFailure('data folder', fault.lines);
  warnings.push(
    ...fault.lines.map((line) => line.replace(/^Error: /, 'Warning: ')),
    'All state is in memory until then.',
  );
  return null;
}

/** How long a line of the log waits for a subscriber who is away. */
const LOG_MESSAGE_SECONDS = 20;

/** Timers of the broker do not keep the process alive; here it has to stay until `work` is done. */
async function withLiveProcess<Result>(work: Promise<Result>): Promise<Result> {
  const alive = setInterval(() => {}, 1000);
  try {
    return await work;
  } finally {
    clearInterval(alive);
  }
}
