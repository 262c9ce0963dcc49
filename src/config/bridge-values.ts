/** Readers of the values that only bridges have. */
import { ConfigError } from './config-error.ts';
import { hasControlCharacter, type Line, wordsOf } from './lines.ts';
import type { BridgeAddress, BridgeTopic, RestartTimeout, TcpKeepalive } from './option.ts';
import { isTopicFilter, isTopicName } from './topic-check.ts';
import {
  emptyValue,
  invalidValue,
  parseInteger,
  shown,
  takeRest,
  takeWords,
  type ValueContext,
} from './value-context.ts';

const DEFAULT_PORT = 1883;
const RESTART_BASE_MAX = 3600;
const RESTART_CAP_MAX = 7200;
const SECONDS_MAX = 2_147_483_647;
/** TCP_KEEPIDLE, TCP_KEEPINTVL and TCP_KEEPCNT take no more on Linux. */
const KEEPALIVE_MAX = 32_767;
const DIRECTIONS = ['in', 'out', 'both'] as const;
const QOS_LEVELS = [0, 1, 2] as const;
/** How an empty pattern or prefix is written. */
const EMPTY = '""';

/** `address HOST[:PORT] ...`; a word that begins with # ends the list. @throws ConfigError */
export function readAddresses({ line, earlier }: ValueContext): readonly BridgeAddress[] {
  if (earlier.length > 0) throw new ConfigError(line, `Duplicate '${line.name}' value in configuration.`);
  const words = wordsOf(line.rest);
  const comment = words.findIndex((word) => word.startsWith('#'));
  const given = comment < 0 ? words : words.slice(0, comment);
  if (given.length === 0) throw emptyValue(line);
  return Object.freeze(given.map((word) => readAddress(line, word)));
}

function readAddress(line: Line, word: string): BridgeAddress {
  if (hasControlCharacter(word)) throw invalidValue(line, word, 'Expected a host name or an address.');
  const colon = word.lastIndexOf(':');
  const port = colon < 0 ? DEFAULT_PORT : parseInteger(word.slice(colon + 1));
  const host = (colon < 0 ? word : word.slice(0, colon)).replace(/^\[(.*)\]$/, '$1');
  // What is left of an IPv6 address that was cut at one of its own colons.
  if (host === '' || host.endsWith(':') || host.startsWith('[')) {
    throw invalidValue(line, word, 'Expected HOST or HOST:PORT. An IPv6 address needs its port: [::1]:1883.');
  }
  if (port !== null && port >= 1 && port <= 65_535) return Object.freeze({ host, port });
  const text = `Invalid 'port' value (${shown(line, word.slice(colon + 1))}). Expected a number from 1 to 65535.`;
  throw new ConfigError(line, text);
}

/** `topic PATTERN [DIRECTION [QOS [LOCAL-PREFIX [REMOTE-PREFIX]]]]` @throws ConfigError */
export function readBridgeTopic(context: ValueContext): BridgeTopic {
  const { line } = context;
  takeRest(line);
  const { pattern, rest } = splitPattern(line);
  const words = rest === '' ? [] : withoutComment(takeWords({ ...context, line: { ...line, rest } }, 4));
  const [direction = 'out', qos = '0', localPrefix = '', remotePrefix = ''] = words;
  const topic: BridgeTopic = {
    pattern,
    direction: readDirection(line, direction),
    qos: readQos(line, qos),
    localPrefix: localPrefix === EMPTY ? '' : localPrefix,
    remotePrefix: remotePrefix === EMPTY ? '' : remotePrefix,
  };
  checkTopic(line, topic);
  return Object.freeze(topic);
}

/** Behind the direction a word that begins with # ends the line. */
function withoutComment(words: readonly string[]): readonly string[] {
  const comment = words.findIndex((word, index) => index > 0 && word.startsWith('#'));
  return comment < 0 ? words : words.slice(0, comment);
}

function splitPattern(line: Line): { readonly pattern: string; readonly rest: string } {
  const text = line.rest.trim();
  const [, quoted, afterQuote, plain = '', afterPlain = ''] =
    /^(?:"([^"]*)"( .*)?|([^" ][^ ]*)( .*)?)$/.exec(text) ?? [];
  if (quoted !== undefined) return { pattern: quoted, rest: (afterQuote ?? '').trim() };
  if (plain !== '') return { pattern: plain, rest: afterPlain.trim() };
  throw invalidValue(line, text, 'A pattern that begins with a quote ends with one.');
}

function readDirection(line: Line, word: string): BridgeTopic['direction'] {
  const direction = DIRECTIONS.find((known) => known === word.toLowerCase());
  if (direction !== undefined) return direction;
  throw new ConfigError(line, `Invalid bridge topic direction '${shown(line, word)}'. Expected in, out or both.`);
}

function readQos(line: Line, word: string): BridgeTopic['qos'] {
  const qos = QOS_LEVELS.find((level) => level === parseInteger(word));
  if (qos !== undefined) return qos;
  throw new ConfigError(line, `Invalid bridge QoS level '${shown(line, word)}'. Expected 0, 1 or 2.`);
}

function checkTopic(line: Line, { pattern, localPrefix, remotePrefix }: BridgeTopic): void {
  const sides = { local: localPrefix, remote: remotePrefix };
  for (const [side, prefix] of Object.entries(sides)) {
    if (prefix !== '' && !isTopicName(prefix)) {
      throw new ConfigError(line, `Invalid bridge topic ${side} prefix '${shown(line, prefix)}'.`);
    }
  }
  if (pattern === '' && (localPrefix === '' || remotePrefix === '')) {
    throw new ConfigError(line, 'Invalid bridge remapping. An empty pattern needs a local and a remote prefix.');
  }
  for (const [side, prefix] of Object.entries(sides)) {
    if (isTopicFilter(prefix + pattern)) continue;
    const what = prefix === '' ? 'pattern' : `${side} prefix and pattern combination`;
    throw new ConfigError(line, `Invalid bridge topic ${what} '${shown(line, prefix + pattern)}'.`);
  }
}

/** `restart_timeout BASE [CAP [STABLE]]` @throws ConfigError */
export function readRestartTimeout(context: ValueContext): RestartTimeout {
  const { line } = context;
  const [baseWord, capWord, stableWord] = takeWords(context, 3);
  const given = readSeconds(line, baseWord, RESTART_BASE_MAX);
  if (given < 1) context.note('notice', 'restart_timeout interval too low, using 1 second.');
  const base = Math.max(1, given);
  const cap = isWord(capWord) ? readSeconds(line, capWord, RESTART_CAP_MAX) : base;
  const stable = isWord(capWord) && isWord(stableWord) ? readSeconds(line, stableWord, SECONDS_MAX) : 0;
  if (cap < base) throw new ConfigError(line, `backoff cap is lower than the base in ${line.name}.`);
  return Object.freeze({ base, cap, stable });
}

function isWord(word: string | undefined): word is string {
  return word !== undefined && !word.startsWith('#');
}

function readSeconds(line: Line, word: string, max: number): number {
  const seconds = parseInteger(word);
  if (seconds !== null && seconds >= 0 && seconds <= max) return seconds;
  throw invalidValue(line, word, `Expected seconds, at most ${max}.`);
}

/** `bridge_tcp_keepalive IDLE INTERVAL COUNT` @throws ConfigError */
export function readTcpKeepalive(context: ValueContext): TcpKeepalive {
  const [idle, interval, count] = takeWords(context, 3).map((word) => readProbes(context.line, word));
  if (idle !== undefined && interval !== undefined && count !== undefined)
    return Object.freeze({ idle, interval, count });
  throw invalidValue(context.line, context.line.rest.trim(), 'Expected three numbers: idle, interval and count.');
}

function readProbes(line: Line, word: string): number {
  const number = parseInteger(word);
  if (number !== null && number >= 1 && number <= KEEPALIVE_MAX) return number;
  throw invalidValue(line, word, `Expected a number from 1 to ${KEEPALIVE_MAX}.`);
}
