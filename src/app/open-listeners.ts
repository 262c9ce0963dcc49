/** Opens the sockets of a plan. All or nothing: when a group cannot be had, what is open is closed again. */
import type { Accept, ListenAt, Listening, Transport } from '../base/link.ts';
import type { Log } from '../base/log.ts';
import { codeOf, explainListenFailure, listenErrorText } from './listen-failure.ts';
import { isIpv6, type ListenGroup } from './listen-plan.ts';
import { StartFailure } from './start-failure.ts';

export interface OpenListenersOptions {
  readonly transport: Transport;
  readonly accept: Accept;
  readonly log: Log;
  /** How the user starts Zanzara, for messages. */
  readonly command: string;
  /** The configuration file, for messages. */
  readonly file: string | null;
}

/** What a machine answers that has no IPv6, or has it turned off. */
const NO_FAMILY: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT']);

interface Failed {
  readonly at: ListenAt;
  readonly error: unknown;
}

/** @throws StartFailure when a group could not be opened */
export async function openListeners(
  groups: readonly ListenGroup[],
  options: OpenListenersOptions,
): Promise<readonly Listening[]> {
  const open: Listening[] = [];
  try {
    for (const group of groups) open.push(...(await openGroup(group, options)));
    return open;
  } catch (error) {
    await Promise.all(open.map((listening) => listening.close()));
    throw error;
  }
}

async function openGroup(group: ListenGroup, options: OpenListenersOptions): Promise<readonly Listening[]> {
  const open: Listening[] = [];
  const failed: Failed[] = [];
  for (const at of group.at) {
    options.log.write('information', `Opening ${isIpv6(at.host) ? 'ipv6' : 'ipv4'} listen socket on port ${at.port}.`);
    try {
      open.push(await options.transport.listen(at, options.accept));
    } catch (error) {
      failed.push({ at, error });
      options.log.write('error', `Error: ${listenErrorText(error)}`);
    }
  }
  const [first] = failed;
  if (first === undefined) return open;
  const fatal = open.length === 0 ? first : failed.find((failure) => !isSurvived(failure, group));
  if (fatal === undefined) {
    const [reason = ''] = explain(first, group, options);
    options.log.write('warning', `Warning: Port ${group.port} is open on ${hostsOf(open)} only. ${reason}`.trimEnd());
    return open;
  }
  await Promise.all(open.map((listening) => listening.close()));
  throw new StartFailure(listenErrorText(fatal.error), explain(fatal, group, options));
}

function isSurvived({ error }: Failed, group: ListenGroup): boolean {
  return group.survives === 'any' || NO_FAMILY.has(codeOf(error));
}

function explain({ at, error }: Failed, { line }: ListenGroup, options: OpenListenersOptions): readonly string[] {
  const place = line === null ? null : `${options.file}:${line}`;
  return explainListenFailure(error, at, { command: options.command, place });
}

function hostsOf(open: readonly Listening[]): string {
  return open.map(({ host }) => host).join(', ');
}
