/** The command line of the broker: Mosquitto's flags, read as it reads them. Each flag is a word of its own. */
import {
  type BrokerRequest,
  COMPAT_VERSIONS,
  type CompatVersion,
  LOG_FORMATS,
  type LogFormat,
} from '../app/broker-request.ts';

/** Ports that -p may name, as in Mosquitto. */
const PORTS_MAX = 10;

export type BrokerArguments =
  | { readonly kind: 'run'; readonly request: BrokerRequest }
  | { readonly kind: 'help' | 'version' }
  | WrongArguments;

export interface WrongArguments {
  readonly kind: 'wrong';
  readonly message: string;
  readonly wantsUsage: boolean;
}

/** Reads the arguments that follow the program's name. The first wrong one ends it. */
export function parseBrokerArguments(argv: readonly string[]): BrokerArguments {
  const ports: number[] = [];
  const flags: Record<Flag, boolean> = {
    isVerbose: false,
    isQuiet: false,
    isConfigTest: false,
    isEnvironmentExpanded: false,
    isDamageRefused: false,
  };
  const values: Values = {
    configFile: null,
    tlsKeyLogFile: null,
    persistFolder: null,
    compat: '2.1',
    logFormat: 'text',
  };
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? '';
    const flag = FLAGS.get(word);
    if (word === '-h' || word === '--help') return { kind: 'help' };
    if (word === '--version') return { kind: 'version' };
    if (flag !== undefined) {
      flags[flag] = true;
      continue;
    }
    const take = TAKERS.get(word);
    if (take === undefined) return wrong(`Unknown option '${word}'.`, true);
    const refusal = take(values, ports, word, argv[++index]);
    if (refusal !== null) return refusal;
  }
  if (flags.isConfigTest && values.configFile === null) return wrong('Please provide a configuration file to test.');
  return { kind: 'run', request: { ...values, ports, ...flags } };
}

interface Values {
  configFile: string | null;
  tlsKeyLogFile: string | null;
  persistFolder: string | null;
  compat: CompatVersion;
  logFormat: LogFormat;
}

/** Reads the word that follows an option into `values` or `ports`. @returns why it cannot be used, or null */
type Take = (values: Values, ports: number[], word: string, text: string | undefined) => WrongArguments | null;

type Flag = 'isVerbose' | 'isQuiet' | 'isConfigTest' | 'isEnvironmentExpanded' | 'isDamageRefused';

const FLAGS: ReadonlyMap<string, Flag> = new Map([
  ['-v', 'isVerbose'],
  ['--verbose', 'isVerbose'],
  ['-q', 'isQuiet'],
  ['--quiet', 'isQuiet'],
  ['--test-config', 'isConfigTest'],
  ['--expand-env', 'isEnvironmentExpanded'],
  ['--refuse-damaged', 'isDamageRefused'],
]);

const takeConfigFile: Take = (values, _ports, word, text) => {
  if (text === undefined) return wrong(`${word} argument given, but no config file specified.`);
  values.configFile = text;
  return null;
};

const takeKeyLog: Take = (values, _ports, word, text) => {
  if (text === undefined) return wrong(`${word} argument given, but no file specified.`);
  values.tlsKeyLogFile = text;
  return null;
};

const takePersistFolder: Take = (values, _ports, word, text) => {
  // An empty one would be the folder that the user happens to be in.
  if (text === undefined || text === '') return wrong(`${word} argument given, but no folder specified.`);
  values.persistFolder = text;
  return null;
};

const takeCompat: Take = (values, _ports, word, text) => {
  const version = COMPAT_VERSIONS.find((known) => known === text);
  if (version === undefined) return wrong(`${word} must be one of: ${COMPAT_VERSIONS.join(', ')}.`);
  values.compat = version;
  return null;
};

const takeLogFormat: Take = (values, _ports, word, text) => {
  const format = LOG_FORMATS.find((known) => known === text);
  if (format === undefined) return wrong(`${word} must be one of: ${LOG_FORMATS.join(', ')}.`);
  values.logFormat = format;
  return null;
};

const TAKERS: ReadonlyMap<string, Take> = new Map([
  ['-c', takeConfigFile],
  ['--config-file', takeConfigFile],
  ['-p', takePort],
  ['--port', takePort],
  ['--tls-keylog', takeKeyLog],
  ['--persist', takePersistFolder],
  ['--compat', takeCompat],
  ['--log-format', takeLogFormat],
]);

function takePort(_values: Values, ports: number[], word: string, text: string | undefined): WrongArguments | null {
  if (text === undefined) return wrong(`${word} argument given, but no port specified.`);
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) return wrong(`Invalid port specified (${text}).`);
  if (ports.length === PORTS_MAX) return wrong(`Only ${PORTS_MAX} ports can be specified on the command line.`);
  ports.push(port);
  return null;
}

function wrong(message: string, wantsUsage = false): WrongArguments {
  return { kind: 'wrong', message, wantsUsage };
}
