/**
 * What a newcomer reads below `running`: where the broker listens, who can reach it, how to open it, what to try.
 * Not log lines: text for a person.
 */
import { DEFAULT_PORT, isIpv6 } from './listeners/listen-plan.ts';

export interface FirstMinute {
  /** How the user starts Zanzara. */
  readonly command: string;
  /** At least one. */
  readonly listening: readonly { readonly host: string; readonly port: number }[];
  /** Those of them where a client comes in that has nothing: no TLS, no user name. */
  readonly open: FirstMinute['listening'];
  /** The configuration file; null = none. */
  readonly file: string | null;
  readonly allowAnonymous: boolean;
  /** There are passwords, or names out of certificates and keys. */
  readonly hasUsers: boolean;
}

/** The block, a line each. */
export function firstMinuteLines(minute: FirstMinute): readonly string[] {
  return ['', ...reachLines(minute), ...tryLines(minute), ''];
}

function reachLines(minute: FirstMinute): readonly string[] {
  const { command, listening, file, hasUsers } = minute;
  const where = `Zanzara listens on ${placesText(listening)}.`;
  if (!listening.every(({ host }) => isLoopback(host)))
    return [`${where} Other machines can reach it.`, whoText(minute)];
  const reach = `${where} Only this machine can reach it.`;
  // Who has users knows how to open it, and would not want everybody.
  if (hasUsers) return [reach, whoText(minute)];
  const put = file === null ? 'put these two lines into a file' : `put these two lines into ${file}`;
  return [
    minute.allowAnonymous ? reach : `${reach} ${whoText(minute)}`,
    `To open it to everybody on your network, ${put} and start ${command} -c ${file ?? 'FILE'}:`,
    `    listener ${listening[0]?.port ?? DEFAULT_PORT}`,
    '    allow_anonymous true',
  ];
}

function whoText({ allowAnonymous, hasUsers }: FirstMinute): string {
  if (allowAnonymous) return 'Everybody who reaches it may connect.';
  return hasUsers ? 'Its users may connect.' : 'Clients are refused: allow_anonymous is false.';
}

function tryLines({ command, open }: FirstMinute): readonly string[] {
  const port = tryPort(open);
  if (port === null) return [];
  const at = port === DEFAULT_PORT ? '' : ` -p ${port}`;
  return [
    'Try it: paste these into two other terminals. Ctrl-C stops the broker.',
    `    ${command} sub${at} -t 'hello/#' -v`,
    `    ${command} pub${at} -t hello/world -m 'it works'`,
  ];
}

/** The port that a client which names no host will find; null = it would find none. */
function tryPort(listening: FirstMinute['listening']): number | null {
  return listening.find(({ host }) => isLoopback(host) || isEveryAddress(host))?.port ?? null;
}

function placesText(listening: FirstMinute['listening']): string {
  const ports = [...new Set(listening.map(({ port }) => port))];
  const groups = ports.map((port) => {
    const hosts = listening.filter((entry) => entry.port === port).map(({ host }) => host);
    return `${joined(hosts)} port ${port}`;
  });
  return groups.join('; ');
}

function joined(hosts: readonly string[]): string {
  if (hosts.every(isEveryAddress)) return hosts.some(isIpv6) ? 'every address,' : 'every IPv4 address,';
  return `${hosts.join(' and ')},`;
}

function isLoopback(host: string): boolean {
  return host === '::1' || /^127\./.test(host);
}

function isEveryAddress(host: string): boolean {
  return host === '0.0.0.0' || host === '::';
}
