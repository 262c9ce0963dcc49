/** What both tools do alike: connect as the options say, and tell what went wrong in Mosquitto's words. */
import { randomBytes } from 'node:crypto';
import type { ClientSession } from '../client/client-session.ts';
import {
  type ClosedReason,
  ConnectFailedError,
  type ConnectOptions,
  ConnectRefusedError,
  type WillOptions,
} from '../client/client-types.ts';
import { connectClient } from '../client/connect-client.ts';
import type { MqttClient } from '../client/mqtt-client.ts';
import { Reason, reasonText } from '../protocol/reasons.ts';
import type { OutputWriter } from './output-writer.ts';
import { ExitCode, type ToolIo, type ToolNetwork } from './tool-io.ts';
import { clientIdOf, type ToolSettings } from './tool-options.ts';
import type { TraceLines } from './trace-lines.ts';

const CONNECTION_LOST = 'The connection was lost.';
const PROTOCOL_ERROR = 'A network protocol error occurred when communicating with the broker.';

const RETURN_CODE_TEXT: ReadonlyMap<number, string> = new Map([
  [1, 'unacceptable protocol version'],
  [2, 'identifier rejected'],
  [3, 'broker unavailable'],
  [4, 'bad user name or password'],
  [5, 'not authorised'],
]);

const SYSTEM_TEXT: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'Connection refused'],
  ['ETIMEDOUT', 'Connection timed out'],
  ['ECONNRESET', 'Connection reset by peer'],
  ['EHOSTUNREACH', 'No route to host'],
  ['ENETUNREACH', 'Network is unreachable'],
  ['EACCES', 'Permission denied'],
  ['EADDRNOTAVAIL', 'Cannot assign requested address'],
  ['EPIPE', 'Broken pipe'],
  ['EMFILE', 'Too many open files'],
]);

/** A failure as the user sees it: lines for stderr and an exit code. */
export interface ToolFailure {
  readonly code: number;
  readonly lines: readonly string[];
  /** What `pub` says after them. */
  readonly summary?: string;
  /** True when another attempt may do better: the server was not there, or went away. */
  readonly isPassing: boolean;
}

export interface ToolParts {
  readonly io: ToolIo;
  readonly network: ToolNetwork;
  readonly settings: ToolSettings;
  readonly output: OutputWriter;
}

/** Prints an error line unless --quiet was given. */
export function printError(parts: Pick<ToolParts, 'io' | 'settings'>, line: string): void {
  if (!parts.settings.isQuiet) parts.io.stderr.write(`${line}\n`);
}

/** Tells a failure; returns its exit code. */
export function printFailure(parts: Pick<ToolParts, 'io' | 'settings'>, failure: ToolFailure): number {
  for (const line of failure.lines) printError(parts, line);
  return failure.code;
}

/** The id for all connections of one run. */
export function chooseClientId(parts: Pick<ToolParts, 'io' | 'settings'>): string {
  return clientIdOf(parts.settings, parts.io.pid, () => randomBytes(12).toString('hex'));
}

/** What only one of the tools needs. */
export interface ConnectMore {
  readonly session: ClientSession;
  readonly lines: TraceLines;
  readonly options?: Partial<ConnectOptions>;
  /** With -d: whether to show a packet. */
  readonly isShown?: (direction: 'sending' | 'received') => boolean;
  /** Told of each packet, with -d after its line was written. */
  readonly onTraced?: NonNullable<ConnectOptions['onTrace']>;
}

/** Connects as the options say. @throws what connectClient throws */
export function connectTool(parts: ToolParts, clientId: string, more: ConnectMore): Promise<MqttClient> {
  const { settings, network, output } = parts;
  const { userName, password } = settings;
  const onTrace: ConnectOptions['onTrace'] = (direction, packet) => {
    if (settings.isDebug && more.isShown?.(direction) !== false) output.writeText(more.lines.of(direction, packet));
    more.onTraced?.(direction, packet);
  };
  return connectClient(network.transport, network.clock, {
    host: settings.host,
    port: settings.port,
    version: settings.version,
    clientId,
    cleanStart: !settings.isSessionKept,
    keepAliveSeconds: settings.keepAliveSeconds,
    inflightMax: settings.inflightMax,
    properties: connectProperties(settings),
    ...(userName === null ? {} : { userName }),
    ...(password === null ? {} : { password }),
    ...willOf(settings),
    ...(settings.isDebug || more.onTraced !== undefined ? { onTrace } : {}),
    session: more.session,
    ...more.options,
  });
}

/** What a failed attempt to connect means. */
export function connectFailure(error: unknown, settings: ToolSettings): ToolFailure {
  if (error instanceof ConnectRefusedError) return refusal(error.reason, settings);
  if (error instanceof ConnectFailedError) return closedFailure(error.closed);
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  const message = error instanceof Error ? error.message : String(error);
  if (code === 'ENOTFOUND' || code.startsWith('EAI_')) {
    return { code: ExitCode.Failed, lines: ['Unable to connect (Lookup error.).'], isPassing: true };
  }
  return { code: ExitCode.Failed, lines: [`Error: ${SYSTEM_TEXT.get(code) ?? message}`], isPassing: code !== '' };
}

/** What the end of a connection means to a tool that did not want it. */
export function closedFailure(closed: ClosedReason): ToolFailure {
  switch (closed.kind) {
    case 'server-disconnect':
      return {
        code: ExitCode.NotConnected,
        lines: [`Error: The server ended the connection: ${reasonText(closed.reason)}.`],
        isPassing: false,
      };
    case 'protocol-error':
      return { code: ExitCode.Protocol, lines: [`Error: ${PROTOCOL_ERROR}`, closed.error.message], isPassing: false };
    case 'fault':
      return { code: ExitCode.Failed, lines: [`Error: ${closed.error.message}`], isPassing: false };
    default:
      return { code: ExitCode.ConnectionLost, lines: [`Error: ${CONNECTION_LOST}`], isPassing: true };
  }
}

function refusal(reason: number, settings: ToolSettings): ToolFailure {
  const isReturnCode = settings.version !== 5;
  const end = isReturnCode ? 'The connection was refused.' : PROTOCOL_ERROR;
  const why = isReturnCode
    ? `Connection Refused: ${RETURN_CODE_TEXT.get(reason) ?? 'unknown reason'}.`
    : v5Text(reason);
  return { code: reason, lines: [`Connection error: ${why}`], summary: `Error: ${end}`, isPassing: false };
}

function v5Text(reason: number): string {
  const text = reasonText(reason);
  if (reason !== Reason.UnsupportedProtocolVersion) return text;
  return `${text}. Try connecting to an MQTT v5 broker, or use MQTT v3.x mode.`;
}

/** Receive Maximum is announced as Mosquitto's tools do, so that a broker sees the same client. */
function connectProperties(settings: ToolSettings): NonNullable<ConnectOptions['properties']> {
  const given = Object.entries(settings.properties.connect ?? {}).filter(([, value]) => value !== null);
  const { sessionExpiry } = settings;
  return {
    ...(sessionExpiry === null ? {} : { sessionExpiryInterval: sessionExpiry }),
    receiveMaximum: settings.inflightMax,
    ...Object.fromEntries(given),
  };
}

function willOf(settings: ToolSettings): { readonly will?: WillOptions } {
  const { topic, payload, qos, retain } = settings.will;
  if (topic === null) return {};
  const properties = settings.properties.will ?? {};
  return { will: { topic, payload: payload ?? '', qos, retain, properties } };
}
