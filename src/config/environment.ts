/**
 * Values from the environment, off unless asked for (`--expand-env`):
 *
 *   ${NAME}            the variable, or the content of the file that NAME_FILE names (how containers hand over secrets)
 *   ${NAME:-default}   the same, or the default when neither is set
 *   $${                the two characters themselves
 *
 * Only values are expanded, never names and comments, and the result is not expanded again.
 */
import type { ConfigHost } from './config.ts';
import { ConfigError } from './config-error.ts';
import { hasControlCharacter, type Line } from './lines.ts';

const REFERENCE = /\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-)([^}]*))?\}|\$\{/g;

/** The line with the variables of its value replaced. @throws ConfigError for a variable that is not set. */
export function expandLine(line: Line, host: ConfigHost): Line {
  if (!line.rest.includes('${')) return line;
  const rest = line.rest.replace(REFERENCE, (text: string, name?: string, mark?: string, fallback?: string) => {
    if (text === '$${') return '${';
    if (name === undefined) {
      throw new ConfigError(
        line,
        `A '\${' here begins no name of a variable and no '}' ends it. Write '$\${' for the characters themselves.`,
      );
    }
    return variable(line, host, name) ?? valueOrRefusal(line, name, mark === undefined ? null : (fallback ?? ''));
  });
  return { ...line, rest, isExpanded: true };
}

/** The value of a variable, or of the file that it names; null when neither is set. An empty one counts as not set. */
function variable(line: Line, host: ConfigHost, name: string): string | null {
  const value = host.environment[name];
  if (value !== undefined && value !== '') return checked(line, name, value);
  const file = host.environment[`${name}_FILE`];
  if (file === undefined || file === '') return null;
  return checked(line, `${name}_FILE`, contentOf(line, host, `${name}_FILE`, file));
}

function contentOf(line: Line, host: ConfigHost, name: string, file: string): string {
  let bytes: Uint8Array;
  try {
    bytes = host.readFile(file);
  } catch {
    throw new ConfigError(line, `Unable to read the file ${file}, which the environment variable ${name} names.`);
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
  } catch {
    throw new ConfigError(line, `The file ${file}, which the environment variable ${name} names, is not UTF-8.`);
  }
}

/** A line feed in a value would be a line of its own in the eyes of a reader, and a null byte the end of a path. */
function checked(line: Line, name: string, value: string): string {
  if (!hasControlCharacter(value)) return value;
  throw new ConfigError(line, `Control character in the value of the environment variable ${name}.`);
}

function valueOrRefusal(line: Line, name: string, fallback: string | null): string {
  if (fallback !== null) return fallback;
  const text = `The environment variable ${name} is not set, nor is ${name}_FILE. Set one, or write \${${name}:-default}.`;
  throw new ConfigError(line, text);
}
