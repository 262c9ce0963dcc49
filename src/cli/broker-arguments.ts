/** The command line of the broker: Mosquitto's flags, read as it reads them. Each flag is a word of its own. */
import type { BrokerRequest } from '../app/run-broker.ts';

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

const NOT_YET: ReadonlyMap<string, string> = new Map([
  ['-d', 'Running in the background (-d) is not supported yet. Use a service manager, or end the command with &.'],
  ['--daemon', 'Running in the background (--daemon) is not supported yet. Use a service manager, or end it with &.'],
  ['--tls-keylog', "'--tls-keylog' is a Mosquitto option that Zanzara does not support yet."],
]);

/** Reads the arguments that follow the program's name. The first wrong one ends it. */
export function parseBrokerArguments(argv: readonly string[]): BrokerArguments {
  const ports: number[] = [];
  const flags = { isVerbose: false, isQuiet: false, isConfigTest: false };
  let configFile: string | null = null;
  for (let index = 0; index < argv.length; index++) {
    const word = argv[index] ?? '';
    switch (word) {
      case '-h':
      case '--help':
        return { kind: 'help' };
      case '--version':
        return { kind: 'version' };
      case '-v':
      case '--verbose':
        flags.isVerbose = true;
        break;
      case '-q':
      case '--quiet':
        flags.isQuiet = true;
        break;
      case '--test-config':
        flags.isConfigTest = true;
        break;
      case '-c':
      case '--config-file': {
        const file = argv[++index];
        if (file === undefined) return wrong(`${word} argument given, but no config file specified.`);
        configFile = file;
        break;
      }
      case '-p':
      case '--port': {
        const refusal = takePort(ports, word, argv[++index]);
        if (refusal !== null) return refusal;
        break;
      }
      default:
        return unknown(word);
    }
  }
  if (flags.isConfigTest && configFile === null) return wrong('Please provide a configuration file to test.');
  return { kind: 'run', request: { configFile, ports, ...flags } };
}

function takePort(ports: number[], word: string, text: string | undefined): WrongArguments | null {
  if (text === undefined) return wrong(`${word} argument given, but no port specified.`);
  const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) return wrong(`Invalid port specified (${text}).`);
  if (ports.length === PORTS_MAX) return wrong(`Only ${PORTS_MAX} ports can be specified on the command line.`);
  ports.push(port);
  return null;
}

function unknown(word: string): WrongArguments {
  const later = NOT_YET.get(word);
  return later === undefined ? wrong(`Unknown option '${word}'.`, true) : wrong(later);
}

function wrong(message: string, wantsUsage = false): WrongArguments {
  return { kind: 'wrong', message, wantsUsage };
}
