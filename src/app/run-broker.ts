/**
 * The broker as a process: configuration, log, start, signals, end. What Mosquitto's users and scripts rely on stands
 * here: the order of the log lines, the signals, the exit codes.
 */
import { constants } from 'node:os';
import { LOG_LEVELS, type Log, type LogLevel } from '../base/log.ts';
import type { Config } from '../config/read-config.ts';
import { commandName } from './command-name.ts';
import { writeDefect } from './defect.ts';
import { firstMinuteLines } from './first-minute.ts';
import { createLineWriter } from './line-writer.ts';
import { loadConfig } from './load-config.ts';
import { createLog, levelsOf } from './log.ts';
import { type RunningBroker, startBroker } from './start-broker.ts';
import { StartFailure } from './start-failure.ts';
import { PACKAGE_ROOT, readVersion } from './version.ts';

/** What the command line asks for. */
export interface BrokerRequest {
  readonly configFile: string | null;
  readonly ports: readonly number[];
  readonly isVerbose: boolean;
  readonly isQuiet: boolean;
  /** Only says whether the configuration is right. */
  readonly isConfigTest: boolean;
}

/** As Mosquitto's, where it has them. */
export const ExitCode = { Clean: 0, StartFailed: 1, BadArguments: 3, Defect: 70 } as const;

/** Runs a broker until a signal ends it. @returns the exit code */
export async function runBroker(request: BrokerRequest): Promise<number> {
  const version = readVersion();
  const write = createLineWriter(process.stderr);
  const logWith = (levels: ReadonlySet<LogLevel>) => createLog({ levels, wallMs: Date.now, write });

  const loaded = loadConfig(request.configFile);
  if (loaded.kind === 'failed') {
    const log = logWith(request.isQuiet ? new Set() : new Set(LOG_LEVELS));
    for (const line of loaded.lines) log.write('error', line);
    log.write('information', `zanzara version ${version} terminating`);
    return ExitCode.BadArguments;
  }
  const { config } = loaded;
  const log = logWith(levelsFor(request, config));
  for (const warning of config.warnings) log.write('warning', warning);
  if (request.isConfigTest) {
    // The verdict was asked for: it does not depend on what the file logs.
    logWith(request.isQuiet ? new Set() : new Set(LOG_LEVELS)).write('information', 'Configuration file is OK.');
    return ExitCode.Clean;
  }
  return await serve({ request, config, log, version, write });
}

interface Serving {
  readonly request: BrokerRequest;
  readonly config: Config;
  readonly log: Log;
  readonly version: string;
  write(line: string): void;
}

async function serve({ request, config, log, version, write }: Serving): Promise<number> {
  const { promise: stopAsked, resolve: askStop } = Promise.withResolvers<void>();
  watchProcess(log, config, askStop);
  const command = commandName({
    root: PACKAGE_ROOT,
    workingFolder: process.cwd(),
    environment: process.env,
  });
  writeStart(log, version, request, config);
  if (!config.allowAnonymous) {
    log.write('warning', 'Warning: allow_anonymous is false and there are no passwords yet: every client is refused.');
  }

  let running: RunningBroker;
  try {
    running = await startBroker({
      config,
      ports: request.ports,
      log,
      command,
      transportName: process.env.ZANZARA_TRANSPORT ?? '',
    });
  } catch (error) {
    if (!(error instanceof StartFailure)) throw error;
    for (const line of error.lines) log.write('error', line);
    return ExitCode.StartFailed;
  }
  log.write('information', `zanzara version ${version} running`);
  if (!request.isQuiet && (process.stderr.isTTY || config.file === null)) {
    const { file, allowAnonymous } = config;
    const lines = firstMinuteLines({ command, listening: running.listening, file, allowAnonymous });
    write(`${lines.join('\n')}\n`);
  }

  await stopAsked;
  log.write('information', `zanzara version ${version} terminating`);
  await withLiveProcess(running.stop());
  return ExitCode.Clean;
}

function levelsFor({ isQuiet, isVerbose }: BrokerRequest, config: Config): ReadonlySet<LogLevel> {
  if (isQuiet) return new Set();
  return isVerbose ? new Set(LOG_LEVELS) : levelsOf(config.logType);
}

function writeStart(log: Log, version: string, { ports }: BrokerRequest, { file, listeners }: Config): void {
  log.write('information', `zanzara version ${version} starting`);
  log.write('information', file === null ? 'Using default config.' : `Config loaded from ${file}.`);
  if (listeners.length > 0) {
    if (ports.length > 0) log.write('warning', `Warning: -p is ignored: ${file} defines listeners.`);
    return;
  }
  log.write('warning', 'Starting in local only mode. Connections will only be possible from this machine.');
  log.write('warning', 'Create a configuration file which defines a listener to allow remote access.');
  log.write('warning', "For more details see the section 'Opening it to a network' of the README.");
}

/** Signals and defects. A second request to stop ends the process at once. */
function watchProcess(log: Log, config: Config, askStop: () => void): void {
  let isStopping = false;
  const onStopSignal = (signal: NodeJS.Signals) => {
    if (isStopping) process.exit(128 + constants.signals[signal]);
    isStopping = true;
    askStop();
  };
  process.on('SIGINT', onStopSignal);
  process.on('SIGTERM', onStopSignal);
  process.on('SIGHUP', (signal) => {
    // A newcomer who closes the terminal has a broker that nobody sees, and that holds the port, unless it ends too.
    if (config.file === null && process.stderr.isTTY) onStopSignal(signal);
    else
      log.write('warning', 'Warning: Reloading the configuration (SIGHUP) is not supported yet. Nothing was changed.');
  });
  // Node would open a debugger on the first and die of the second; to Mosquitto's users they are harmless.
  for (const signal of ['SIGUSR1', 'SIGUSR2'] as const) {
    process.on(signal, () => log.write('warning', `Warning: ${signal} is not supported yet.`));
  }
  process.on('uncaughtException', (error) => {
    writeDefect(log, error);
    process.exit(ExitCode.Defect);
  });
}

/** Timers of the broker do not keep the process alive; here it has to stay until `work` is done. */
async function withLiveProcess(work: Promise<void>): Promise<void> {
  const alive = setInterval(() => {}, 1000);
  try {
    await work;
  } finally {
    clearInterval(alive);
  }
}
