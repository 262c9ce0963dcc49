import { readVersion } from '../app/version.ts';
import { SHARED_USAGE } from './shared-usage.ts';
import { ExitCode, type ToolIo } from './tool-io.ts';
import { parseToolArguments, type ToolGrammar, type ToolSettings } from './tool-options.ts';

/** Settings to run with, or the exit code of a command line that says something else. */
export function settingsOrExit<Settings extends ToolSettings>(
  argv: readonly string[],
  io: ToolIo,
  grammar: ToolGrammar<Settings>,
  usage: string,
): Settings | number {
  // Where nobody reads there is nobody to tell.
  for (const stream of [io.stdout, io.stderr]) stream.on('error', () => {});
  const parsed = parseToolArguments(argv, grammar);
  switch (parsed.kind) {
    case 'run':
      return parsed.settings;
    case 'help':
      io.stdout.write(`${usage}${SHARED_USAGE}`);
      return ExitCode.Done;
    case 'version':
      io.stdout.write(`zanzara ${grammar.tool} version ${readVersion()}\n`);
      return ExitCode.Done;
    case 'wrong': {
      const hint = parsed.wantsHint ? `\nUse 'zanzara ${grammar.tool} --help' to see usage.\n` : '';
      if (!argv.includes('--quiet')) io.stderr.write(`Error: ${parsed.message}\n${hint}`);
      return ExitCode.Failed;
    }
  }
}
