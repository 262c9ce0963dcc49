/**
 * The options that `zanzara pub` and `zanzara sub` share, and how a command line of Mosquitto's tools is read: one
 * option a word, its value in the next one. Neither `-p1883` nor `-rd` is an option there, so it is none here.
 */
import type { ProtocolVersion, Qos } from '../protocol/version.ts';
import { ArgumentError, integerOf } from './argument-error.ts';
import { type PropertySettings, takeProperty } from './property-option.ts';

/** What a word on the command line may be. */
export interface ToolOption<Settings> {
  readonly names: readonly string[];
  /** How Mosquitto calls the missing value ('no port specified'); none: the option has no value. */
  readonly value?: string;
  /** @throws ArgumentError when the value cannot be used. */
  readonly apply: (settings: Settings, value: string) => void;
}

/** Settings of both tools, as the command line makes them. */
export interface ToolSettings {
  host: string;
  port: number;
  version: ProtocolVersion;
  id: string | null;
  idPrefix: string | null;
  isSessionKept: boolean;
  keepAliveSeconds: number;
  qos: Qos;
  userName: string | null;
  password: string | null;
  /** Seconds, 0xFFFFFFFF = never ends; null: not given. */
  sessionExpiry: number | null;
  inflightMax: number;
  isDebug: boolean;
  isQuiet: boolean;
  will: { topic: string | null; payload: string | null; qos: Qos; retain: boolean };
  readonly properties: PropertySettings;
  topics: string[];
}

const NEVER_EXPIRES = 0xffffffff;

export function defaultSettings(): ToolSettings {
  return {
    host: 'localhost',
    port: 1883,
    version: 4,
    id: null,
    idPrefix: null,
    isSessionKept: false,
    keepAliveSeconds: 60,
    qos: 0,
    userName: null,
    password: null,
    sessionExpiry: null,
    inflightMax: 20,
    isDebug: false,
    isQuiet: false,
    will: { topic: null, payload: null, qos: 0, retain: false },
    properties: {},
    topics: [],
  };
}

const VERSIONS: ReadonlyMap<string, ProtocolVersion> = new Map([
  ['31', 3],
  ['mqttv31', 3],
  ['311', 4],
  ['mqttv311', 4],
  ['5', 5],
  ['mqttv5', 5],
]);

/** The options both tools know. */
export const SHARED_OPTIONS: readonly ToolOption<ToolSettings>[] = [
  { names: ['-h', '--host'], value: 'host', apply: (to, value) => (to.host = value) },
  { names: ['-p', '--port'], value: 'port', apply: (to, value) => (to.port = portOf(value)) },
  { names: ['-i', '--id'], value: 'id', apply: setId },
  { names: ['-I', '--id-prefix'], value: 'id prefix', apply: setIdPrefix },
  { names: ['-c', '--disable-clean-session'], apply: (to) => (to.isSessionKept = true) },
  { names: ['-k', '--keepalive'], value: 'keepalive', apply: setKeepAlive },
  { names: ['-q', '--qos'], value: 'QoS', apply: (to, value) => (to.qos = qosOf(value, 'Invalid QoS given: ')) },
  { names: ['-u', '--username'], value: 'username', apply: (to, value) => (to.userName = value) },
  { names: ['-P', '--pw'], value: 'password', apply: (to, value) => (to.password = value) },
  { names: ['--protocol-version', '-V'], value: 'version', apply: setVersion },
  { names: ['-x'], value: 'session expiry interval', apply: setSessionExpiry },
  { names: ['-M'], value: 'max_inflight', apply: setInflightMax },
  { names: ['-L', '--url'], value: 'URL', apply: setUrl },
  { names: ['-t', '--topic'], value: 'topic', apply: (to, value) => to.topics.push(value) },
  { names: ['-d', '--debug'], apply: (to) => (to.isDebug = true) },
  { names: ['--quiet'], apply: (to) => (to.isQuiet = true) },
  { names: ['--will-topic'], value: 'will topic', apply: (to, value) => (to.will.topic = value) },
  { names: ['--will-payload'], value: 'will payload', apply: (to, value) => (to.will.payload = value) },
  {
    names: ['--will-qos'],
    value: 'will QoS',
    apply: (to, value) => (to.will.qos = qosOf(value, 'Invalid will QoS ', '.')),
  },
  { names: ['--will-retain'], apply: (to) => (to.will.retain = true) },
  // What they ask for is so in any case.
  { names: ['--nodelay'], apply: () => {} },
  { names: ['--no-tls'], apply: () => {} },
];

/** Mosquitto's options that neither tool has yet. */
const NOT_YET: ReadonlySet<string> = new Set([
  ...['-A', '-o', '-S', '--unix', '--proxy', '--ws', '--cafile', '--capath', '--cert', '--key', '--keyform'],
  ...['--ciphers', '--tls-version', '--tls-alpn', '--tls-engine', '--tls-engine-kpass-sha1', '--tls-keylog'],
  ...['--tls-use-os-certs', '--insecure', '--psk', '--psk-identity'],
]);

/** What was asked for. */
export type ParsedTool<Settings> =
  | { readonly kind: 'run'; readonly settings: Settings }
  | { readonly kind: 'help' | 'version' }
  | { readonly kind: 'wrong'; readonly message: string; readonly wantsHint: boolean };

export interface ToolGrammar<Settings extends ToolSettings> {
  /** 'pub' or 'sub', for messages. */
  readonly tool: string;
  readonly options: readonly ToolOption<Settings>[];
  /** Options of Mosquitto's tool that this one does not have yet, beside the shared ones. */
  readonly notYet: readonly string[];
  readonly defaults: () => Settings;
  /** Looks at the whole. @throws ArgumentError when it makes no sense. */
  readonly check: (settings: Settings) => void;
}

/** Reads a command line. Never throws for what stands in it. */
export function parseToolArguments<Settings extends ToolSettings>(
  argv: readonly string[],
  grammar: ToolGrammar<Settings>,
): ParsedTool<Settings> {
  const settings = grammar.defaults();
  const options = optionsByName(grammar);
  try {
    for (let index = 0; index < argv.length; index++) {
      const word = argv[index] ?? '';
      if (word === '--help') return { kind: 'help' };
      if (word === '--version') return { kind: 'version' };
      if (word === '-D' || word === '--property') {
        index += takeProperty(settings, argv.slice(index + 1));
        continue;
      }
      const option = options.get(word);
      if (option === undefined) throw unknownOption(word, grammar);
      if (option.value === undefined) option.apply(settings, '');
      else option.apply(settings, valueAfter(argv, ++index, option));
    }
    checkShared(settings);
    grammar.check(settings);
    return { kind: 'run', settings };
  } catch (error) {
    if (!(error instanceof ArgumentError)) throw error;
    return { kind: 'wrong', message: error.message, wantsHint: error.wantsHint };
  }
}

/** The client id to send. An empty one is for the server to choose, which 3.1 does not know. */
export function clientIdOf(settings: ToolSettings, pid: number, random: () => string): string {
  if (settings.id !== null) return settings.id;
  if (settings.idPrefix !== null) return `${settings.idPrefix}${pid}`;
  return settings.version === 3 ? `zanzara-${random()}`.slice(0, 23) : '';
}

function optionsByName<Settings extends ToolSettings>(grammar: ToolGrammar<Settings>) {
  const options = new Map<string, ToolOption<Settings>>();
  for (const option of [...SHARED_OPTIONS, ...grammar.options]) {
    for (const name of option.names) options.set(name, option);
  }
  return options;
}

function unknownOption<Settings extends ToolSettings>(word: string, grammar: ToolGrammar<Settings>): ArgumentError {
  if (NOT_YET.has(word) || grammar.notYet.includes(word)) {
    return new ArgumentError(`option '${word}' is not supported by zanzara ${grammar.tool} yet.`, false);
  }
  return new ArgumentError(`Unknown option '${word}'.`);
}

function valueAfter<Settings>(argv: readonly string[], index: number, option: ToolOption<Settings>): string {
  const value = argv[index];
  if (value !== undefined) return value;
  const missing = option.value === 'max_inflight' ? 'max_inflight not' : `no ${option.value}`;
  throw new ArgumentError(`${option.names[0]} argument given but ${missing} specified.`);
}

function checkShared(settings: ToolSettings): void {
  const { will } = settings;
  if (will.payload !== null && will.topic === null) {
    throw new ArgumentError('Will payload given, but no will topic given.');
  }
  if (will.retain && will.topic === null) throw new ArgumentError('Will retain given, but no will topic given.');
  const hasId = settings.id !== null || settings.idPrefix !== null;
  if (settings.isSessionKept && !hasId) {
    throw new ArgumentError('You must provide a client id if you are using the -c option.');
  }
  if (settings.sessionExpiry === NEVER_EXPIRES && !hasId) {
    throw new ArgumentError('You must provide a client id if you are using an infinite session expiry interval.');
  }
  if (settings.id === '') throw new ArgumentError('Invalid id.', false);
  if (settings.version !== 5 && settings.password !== null && settings.userName === null) {
    throw new ArgumentError('Problem setting username and/or password.', false);
  }
  // A kept session of v5 does not end by itself unless it is told when.
  if (settings.isSessionKept) settings.sessionExpiry ??= NEVER_EXPIRES;
}

function portOf(value: string): number {
  const port = integerOf(value);
  if (port === null || port < 1 || port > 65_535) throw new ArgumentError(`Invalid port given: ${value}`);
  return port;
}

function qosOf(value: string, before: string, after = ''): Qos {
  switch (integerOf(value)) {
    case 0:
      return 0;
    case 1:
      return 1;
    case 2:
      return 2;
    default:
      throw new ArgumentError(`${before}${value}${after}`);
  }
}

function setId(settings: ToolSettings, value: string): void {
  if (settings.idPrefix !== null) throw new ArgumentError('-i and -I argument cannot be used together.');
  settings.id = value;
}

function setIdPrefix(settings: ToolSettings, value: string): void {
  if (settings.id !== null) throw new ArgumentError('-i and -I argument cannot be used together.');
  settings.idPrefix = value;
}

function setKeepAlive(settings: ToolSettings, value: string): void {
  const seconds = integerOf(value);
  if (seconds === null || seconds < 5 || seconds > 65_535) {
    throw new ArgumentError('Invalid keepalive given, it must be between 5 and 65535 inclusive.');
  }
  settings.keepAliveSeconds = seconds;
}

function setVersion(settings: ToolSettings, value: string): void {
  const version = VERSIONS.get(value);
  if (version === undefined) throw new ArgumentError('Invalid protocol version argument given.');
  settings.version = version;
}

function setSessionExpiry(settings: ToolSettings, value: string): void {
  const seconds = value === '∞' ? -1 : integerOf(value);
  if (seconds === null) throw new ArgumentError('session-expiry-interval not a number.');
  if (seconds < -1 || seconds > NEVER_EXPIRES) throw new ArgumentError('session-expiry-interval out of range.');
  settings.sessionExpiry = seconds === -1 ? NEVER_EXPIRES : seconds;
  settings.version = 5;
}

function setInflightMax(settings: ToolSettings, value: string): void {
  const count = integerOf(value);
  if (count === null || count < 1) throw new ArgumentError('Maximum inflight messages must be greater than 0.');
  settings.inflightMax = Math.min(count, 65_535);
}

/** mqtt://[user[:password]@]host[:port]/topic, taken as it stands: nothing in it is decoded. */
function setUrl(settings: ToolSettings, value: string): void {
  const scheme = value.slice(0, value.indexOf('://') + 3);
  if (['mqtts://', 'ws://', 'wss://'].includes(scheme)) {
    throw new ArgumentError(`option '-L' with ${scheme} is not supported by zanzara yet.`, false);
  }
  if (scheme !== 'mqtt://') throw new ArgumentError('unsupported URL scheme.');
  const rest = value.slice(scheme.length);
  const slash = rest.indexOf('/');
  if (slash === -1) throw new ArgumentError('Invalid URL for -L argument specified - topic missing.');
  settings.topics.push(rest.slice(slash + 1));
  const authority = rest.slice(0, slash);
  const at = authority.lastIndexOf('@');
  if (at !== -1) setUser(settings, authority.slice(0, at));
  setAddress(settings, authority.slice(at + 1));
}

function setUser(settings: ToolSettings, user: string): void {
  const colon = user.indexOf(':');
  settings.userName = colon === -1 ? user : user.slice(0, colon);
  if (colon !== -1) settings.password = user.slice(colon + 1);
}

/** host, host:port, [v6] or [v6]:port */
function setAddress(settings: ToolSettings, address: string): void {
  const bracket = address.startsWith('[') ? address.indexOf(']') : -1;
  const colon = address.indexOf(':', bracket + 1);
  const host = colon === -1 ? address : address.slice(0, colon);
  settings.host = bracket === -1 ? host : host.slice(1, bracket);
  if (colon !== -1) settings.port = portOf(address.slice(colon + 1));
}
