/** The refusal of a line whose name is no option, with what was perhaps meant. */
import { ConfigError } from './config-error.ts';
import type { Line } from './lines.ts';
import { nearestOption } from './options.ts';

export function unknownOption(line: Line): ConfigError {
  return new ConfigError(line, `Unknown configuration variable '${line.name}'.${hintFor(line.name)}`);
}

function hintFor(name: string): string {
  if (name.startsWith('#')) return ` A comment has its '#' at the start of the line.`;
  const [word = ''] = name.split(/[\t=:]/);
  const meant = nearestOption(word);
  if (meant === null) return '';
  const hint = ` Did you mean '${meant}'?`;
  return word === name ? hint : `${hint} One space separates the name from its value.`;
}
