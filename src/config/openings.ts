/** The lines that open a listener or a bridge. */
import { ConfigError } from './config-error.ts';
import { hasControlCharacter, type Line } from './lines.ts';
import type { BridgeSection, ListenerSection } from './reading.ts';
import { invalidValue, parseInteger, shown, takeRest, takeWords, type ValueContext } from './value-context.ts';

/** What a unix socket address has room for on Linux, less the null byte. */
const SOCKET_PATH_BYTES_MAX = 107;

/** `listener PORT [ADDRESS]` or `listener 0 PATH` @throws ConfigError */
export function openListener(context: ValueContext): ListenerSection {
  const { line } = context;
  const [portWord, secondWord] = takeWords(context, 2);
  const port = parseInteger(portWord);
  if (port === null || port < 0 || port > 65_535) {
    const text = `Invalid 'port' value (${shown(line, portWord)}). Expected a number from 1 to 65535.`;
    throw new ConfigError(line, text);
  }
  const second = secondWord === undefined || secondWord.startsWith('#') ? null : secondWord;
  if (second !== null && hasControlCharacter(second)) throw invalidValue(line, second, 'Expected an address.');
  if (port === 0) checkSocketPath(line, second);
  return {
    port,
    host: port === 0 ? null : second,
    path: port === 0 ? second : null,
    place: { file: line.file, line: line.line },
    options: new Map(),
    security: new Map(),
    plugins: [],
  };
}

function checkSocketPath(line: Line, path: string | null): void {
  if (path === null) throw new ConfigError(line, 'A listener with port 0 must provide a Unix socket path.');
  const byteCount = new TextEncoder().encode(path).length;
  if (byteCount <= SOCKET_PATH_BYTES_MAX) return;
  const text = `Path to unix socket is too long "${shown(line, path)}". It has ${byteCount} bytes, ${SOCKET_PATH_BYTES_MAX} are the limit.`;
  throw new ConfigError(line, text);
}

/** `connection NAME` @throws ConfigError */
export function nameBridge({ line }: ValueContext, earlier: readonly BridgeSection[]): BridgeSection {
  const name = takeRest(line);
  const same = earlier.find((bridge) => bridge.name === name);
  if (same !== undefined) {
    const text = `Duplicate bridge name '${shown(line, name)}'. The first stands at ${same.place.file}:${same.place.line}.`;
    throw new ConfigError(line, text);
  }
  return { name, place: { file: line.file, line: line.line }, options: new Map() };
}
