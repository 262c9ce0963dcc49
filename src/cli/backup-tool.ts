/** The command line that the tools for stores have in common (import, export, backup, restore), and how they end. */
import { type Account, accountToBecome, DEFAULT_USER } from '../app/process/switch-user.ts';
import { StartFailure } from '../app/start-failure.ts';
import { loadStoreTools } from '../modules/persistence/index.ts';
import type { ToolIo } from './tool-io.ts';

export const StoreExit = { Done: 0, Failed: 1, BadArguments: 3 } as const;

type StoreTools = Awaited<ReturnType<typeof loadStoreTools>>;

export interface StoreCommand {
  readonly name: 'import' | 'export' | 'backup' | 'restore';
  readonly usage: string;
  /** Names of what stands in the command line beside options, in order. */
  readonly operands: readonly [string, string];
  readonly options: readonly string[];
}

export interface StoreArguments {
  readonly first: string;
  readonly second: string;
  readonly options: ReadonlySet<string>;
}

/** What the help of all of them says of root. */
export const RIGHTS_USAGE = `In a folder of another user (one that this user owns or can move away) root works with the rights of that user only: what
the user may not read there is not read, and what is made there is the user's.`;

/** What the help of those says that fill a folder. */
export const OWNER_USAGE = `Where root has FOLDER made, or it is root's and empty, it is given to the user that the broker becomes: mosquitto, or
PUID and PGID of the environment. Where it stays root's, the chown that is needed is said.`;

/** Whom a broker that is started now, without a word about that in its configuration, would become; null: nobody else. */
export function brokerUser(): Account | null {
  try {
    return accountToBecome({ user: DEFAULT_USER, environment: process.env });
  } catch (error) {
    // The broker will say it when it starts.
    if (error instanceof StartFailure) return null;
    throw error;
  }
}

/** Runs one of the commands. @returns the exit code */
export async function runStoreCommand(
  command: StoreCommand,
  argv: readonly string[],
  io: Pick<ToolIo, 'stdout' | 'stderr'>,
  run: (given: StoreArguments, tools: StoreTools, say: (line: string) => void) => Promise<void>,
): Promise<number> {
  // Where nobody reads there is nobody to tell.
  for (const stream of [io.stdout, io.stderr]) stream.on('error', () => {});
  if (argv.includes('--help') || argv.includes('-h')) {
    io.stdout.write(command.usage);
    return StoreExit.Done;
  }
  const given = parse(command, argv);
  if (typeof given === 'string') {
    io.stderr.write(`Error: ${given}\n\nUse 'zanzara ${command.name} --help' to see usage.\n`);
    return StoreExit.BadArguments;
  }
  // Only a command line that can be used loads it.
  const tools = await loadStoreTools();
  try {
    await run(given, tools, (line) => io.stdout.write(`${line}\n`));
    return StoreExit.Done;
  } catch (error) {
    const lines = tools.storeFaultLines(error);
    if (lines === null) throw error;
    for (const line of lines) io.stderr.write(`${line}\n`);
    return StoreExit.Failed;
  }
}

/** @returns what is wrong with the command line, where something is */
function parse({ name, operands, options: known }: StoreCommand, argv: readonly string[]): StoreArguments | string {
  const options = new Set<string>();
  const rest: string[] = [];
  for (const argument of argv) {
    if (!argument.startsWith('-')) rest.push(argument);
    else if (known.includes(argument)) options.add(argument);
    else return `Unknown option '${argument}'.`;
  }
  const [first, second, more] = rest;
  const wanted = `zanzara ${name} ${operands.join(' ')}`;
  if (first === undefined || first === '') return `${operands[0]} is missing: ${wanted}.`;
  if (second === undefined || second === '') return `${operands[1]} is missing: ${wanted}.`;
  if (more !== undefined) return `'${more}' is one too many: ${wanted}.`;
  return { first, second, options };
}
