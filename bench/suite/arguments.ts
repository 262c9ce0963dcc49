/** The arguments of `npm run bench`. */
import { parseArgs } from 'node:util';
import { BROKER_NAMES, type BrokerName } from './brokers.ts';

export const USAGE = `npm run bench -- [options]
  --rounds N          interleaved rounds, of which medians are taken (3; 1 with --quick)
  --quick             a second or two for each row
  --long              the plant's load for ten minutes, with a million retained messages (once each)
  --only ROWS         rows by name, with commas; --list names them
  --brokers NAMES     of zanzara,mosquitto,aedes (all)
  --transport NAME    reactor or node: what Zanzara stands on (its own choice)
  --secs N            counted seconds of each row
  --json FILE         where the figures of all runs go (node_modules/.cache/zanzara-bench/)
  --check             zload beside another load generator on the same broker
  --mqload FILE.c     that other one: C source, one file (or MQLOAD in the environment)
  --list              the rows`;

export interface BenchArguments {
  readonly rounds: number;
  readonly form: 'usual' | 'quick' | 'long';
  /** Null: all. */
  readonly only: readonly string[] | null;
  readonly brokers: readonly BrokerName[];
  /** Empty: Zanzara's own choice, or that of the environment. */
  readonly transport: string;
  readonly seconds: number | null;
  readonly jsonPath: string | null;
  readonly isCheck: boolean;
  readonly mqloadPath: string | null;
  readonly isList: boolean;
}

/** Reads the arguments; throws with what was expected. Null asks for the usage. */
export function parseBenchArguments(given: readonly string[]): BenchArguments | null {
  const { values } = parseArgs({
    args: [...given],
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      long: { type: 'boolean', default: false },
      only: { type: 'string' },
      brokers: { type: 'string' },
      transport: { type: 'string', default: '' },
      secs: { type: 'string' },
      json: { type: 'string' },
      check: { type: 'boolean', default: false },
      mqload: { type: 'string' },
      list: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  if (values.quick && values.long) throw new Error('--quick and --long: only one of them');
  const rounds = parsePositive('--rounds', values.rounds);
  if (rounds !== null && !Number.isInteger(rounds)) throw new Error(`--rounds ${rounds}: expected a whole number`);
  return {
    rounds: rounds ?? (values.quick ? 1 : 3),
    form: values.quick ? 'quick' : values.long ? 'long' : 'usual',
    only: values.only === undefined ? null : values.only.split(','),
    brokers: values.brokers === undefined ? BROKER_NAMES : values.brokers.split(',').map(parseBroker),
    transport: values.transport,
    seconds: parsePositive('--secs', values.secs),
    jsonPath: values.json ?? null,
    isCheck: values.check,
    mqloadPath: values.mqload ?? process.env.MQLOAD ?? null,
    isList: values.list,
  };
}

function parsePositive(name: string, text: string | undefined): number | null {
  if (text === undefined) return null;
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value)) throw new Error(`${name} ${text}: expected a number above 0`);
  return value;
}

function parseBroker(text: string): BrokerName {
  const name = BROKER_NAMES.find((known) => known === text);
  if (name === undefined) throw new Error(`--brokers ${text}: expected some of ${BROKER_NAMES.join(',')}`);
  return name;
}
