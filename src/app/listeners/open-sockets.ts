/** Opens the sockets of one listener. All or nothing: when the group cannot be had, what is open is closed again. */
import { lstatSync, rmSync } from 'node:fs';
import type { ListenAt, Listening, UnixAddress } from '../../base/link.ts';
import type { Log } from '../../base/log.ts';
import { StartFailure } from '../start-failure.ts';
import { codeOf, explainListenFailure, explainUnixFailure, listenErrorText } from './listen-failure.ts';
import { isIpv6, type ListenGroup } from './listen-plan.ts';

export interface OpenSocketsOptions {
  /** Opens one. Rejects with the system's code. */
  readonly listen: (at: ListenAt | UnixAddress) => Promise<Listening>;
  /** 'websockets' and 'http api' stand in the line that announces a socket. */
  readonly kind: 'mqtt' | 'http api';
  readonly log: Log;
  /** How the user starts Zanzara, for messages. */
  readonly command: string;
}

/** What a machine answers that has no IPv6, or has it turned off. */
const NO_FAMILY: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EPROTONOSUPPORT']);
/** The file of a unix socket is for its owner and its group, as in Mosquitto. */
const UNIX_UMASK = 0o007;

interface Failed {
  readonly at: ListenAt;
  readonly error: unknown;
}

/** @throws StartFailure when the group could not be opened */
export async function openSockets(group: ListenGroup, options: OpenSocketsOptions): Promise<readonly Listening[]> {
  const open: Listening[] = [];
  const failed: Failed[] = [];
  for (const at of group.at) {
    if ('path' in at) {
      open.push(await openUnix(at, group, options));
      continue;
    }
    announce(at, options);
    try {
      open.push(await options.listen(at));
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

function announce(at: ListenAt, { log, kind }: OpenSocketsOptions): void {
  if (kind === 'http api') log.write('information', `Opening http api listen socket on port ${at.port}.`);
  else log.write('information', `Opening ${isIpv6(at.host) ? 'ipv6' : 'ipv4'} listen socket on port ${at.port}.`);
}

function isSurvived({ error }: Failed, group: ListenGroup): boolean {
  return group.survives === 'any' || NO_FAMILY.has(codeOf(error));
}

function explain({ at, error }: Failed, { place }: ListenGroup, { command }: OpenSocketsOptions): readonly string[] {
  return explainListenFailure(error, at, { command, place });
}

function hostsOf(open: readonly Listening[]): string {
  return open.map(({ host }) => host).join(', ');
}

/** A file that an earlier broker left behind is removed; one behind which somebody listens is not, nor another kind of file. */
async function openUnix(at: UnixAddress, group: ListenGroup, options: OpenSocketsOptions): Promise<Listening> {
  const { log, listen } = options;
  log.write('information', `Opening unix listen socket on path ${at.path}.`);
  const before = process.umask(UNIX_UMASK);
  try {
    if (await isStale(at.path)) rmSync(at.path);
    return await listen(at);
  } catch (error) {
    if (error instanceof StartFailure) throw error;
    log.write('error', `Error: ${listenErrorText(error)}`);
    throw new StartFailure(listenErrorText(error), explainUnixFailure(error, at.path, group.place));
  } finally {
    process.umask(before);
  }
}

async function isStale(path: string): Promise<boolean> {
  try {
    if (!lstatSync(path).isSocket()) return false;
  } catch {
    return false;
  }
  // Loaded only by who needs it: it costs 12 ms of a start.
  const { createConnection } = await import('node:net');
  return await new Promise((resolve) => {
    const probe = createConnection(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    // Every other reason is that of somebody who is there: too busy, another's whom we may not ask, or of another kind.
    probe.once('error', (error) => resolve(codeOf(error) === 'ECONNREFUSED'));
  });
}
