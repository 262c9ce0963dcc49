/**
 * `user`: a broker that is started as root gives up its rights before it opens anything. Mosquitto's rules: the account
 * `mosquitto` unless another one is named, `nobody` where that does not exist; PUID and PGID in the environment stand above
 * both, and 0 means that root stays.
 *
 * An account is looked up by taking its effective user id for a moment: that is the one way in which Node tells the primary
 * group of another user, from wherever the system has its accounts.
 */
import { userInfo } from 'node:os';
import { StartFailure } from '../start-failure.ts';
import type { Environment } from './open-carefully.ts';

/** What `user` is where the configuration does not name one. */
export const DEFAULT_USER = 'mosquitto';
const LAST_RESORT = 'nobody';
/** One less than what the system takes for "no change". */
const ID_MAX = 2 ** 32 - 2;

/** The calls of `process` that this needs; there are none on Windows. */
type PosixProcess = Required<
  Pick<NodeJS.Process, 'geteuid' | 'getgid' | 'getuid' | 'seteuid' | 'setgid' | 'setgroups' | 'setuid'>
> & { initgroups(user: string, group: number): void };

export interface SwitchOptions {
  /** The value of `user`. */
  readonly user: string;
  readonly environment: Environment;
}

export interface Account {
  readonly userId: number;
  readonly groupId: number;
}

interface Target extends Account {
  /** Whose further groups it gets; null = none. */
  readonly name: string | null;
}

/**
 * Becomes the user that the broker is to run as. Does nothing when the process is not root's.
 * @returns warnings for the log
 * @throws StartFailure when that is not possible: a broker that cannot give up its rights does not start
 */
export function switchUser({ user, environment }: SwitchOptions): readonly string[] {
  const posix = posixProcess();
  if (posix === null || posix.geteuid() !== 0) return [];
  const target = targetOf(posix, user, environment);
  if (target === null || target.userId === 0) {
    if (target !== null && target.groupId !== 0) attempt(target, () => posix.setgid(target.groupId));
    return ['Warning: Zanzara should not be run as root/administrator.'];
  }
  attempt(target, () => {
    // Groups first: without the rights of root they cannot be changed any more.
    if (target.name === null) posix.setgroups([target.groupId]);
    else posix.initgroups(target.name, target.groupId);
    posix.setgid(target.groupId);
    posix.setuid(target.userId);
  });
  if (posix.getuid() !== target.userId || posix.geteuid() !== target.userId || posix.getgid() !== target.groupId) {
    throw new StartFailure('user', [`Error: Unable to become ${wordsOf(target)}: the system did not do it.`]);
  }
  return [];
}

/**
 * Whom `switchUser` makes of this process.
 * @returns null when it stays who it is
 * @throws StartFailure when there is no such user
 */
export function accountToBecome({ user, environment }: SwitchOptions): Account | null {
  const posix = posixProcess();
  if (posix === null || posix.geteuid() !== 0) return null;
  const target = targetOf(posix, user, environment);
  return target === null || target.userId === 0 ? null : target;
}

/** @returns null when root stays because `user root` says so */
function targetOf(posix: PosixProcess, user: string, environment: Environment): Target | null {
  const userId = idOf(environment, 'PUID');
  const groupId = idOf(environment, 'PGID');
  if (userId !== null) {
    if (userId === 0) return { userId, groupId: groupId ?? 0, name: null };
    return { userId, groupId: groupId ?? lookUp(posix, userId)?.groupId ?? userId, name: null };
  }
  if (user === 'root') return groupId === null ? null : { userId: 0, groupId, name: null };
  const account = findAccount(posix, user);
  return { ...account, groupId: groupId ?? account.groupId };
}

function findAccount(posix: PosixProcess, user: string): Target {
  for (const name of user === DEFAULT_USER ? [DEFAULT_USER, LAST_RESORT] : [user]) {
    const account = lookUp(posix, name);
    if (account !== null) return { ...account, name };
  }
  throw new StartFailure('user', [
    `Error: Unable to drop privileges to '${user}' because this user does not exist.`,
    "Create the account, name another one with 'user', or set PUID and PGID in the environment.",
  ]);
}

function lookUp(posix: PosixProcess, nameOrId: string | number): Account | null {
  try {
    posix.seteuid(nameOrId);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_UNKNOWN_CREDENTIAL') return null;
    throw new StartFailure('user', [`Error: Unable to become ${nameOrId}: ${messageOf(error)}.`, RIGHTS_HINT]);
  }
  try {
    const { uid, gid } = userInfo();
    return { userId: uid, groupId: gid };
  } catch {
    // An id without an account.
    return null;
  } finally {
    posix.seteuid(0);
  }
}

function idOf(environment: Environment, name: 'PUID' | 'PGID'): number | null {
  const text = environment[name];
  if (text === undefined || text === '') return null;
  const id = /^[0-9]{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (id <= ID_MAX) return id;
  throw new StartFailure(name, [
    `Error: Invalid ${name} '${text}' in the environment. It is a number from 0 to ${ID_MAX}.`,
  ]);
}

const RIGHTS_HINT =
  'The process is root without the right to change its user. Start it as that user, or give it CAP_SETUID and CAP_SETGID.';

function attempt(target: Target, run: () => void): void {
  try {
    run();
  } catch (error) {
    throw new StartFailure('user', [`Error: Unable to become ${wordsOf(target)}: ${messageOf(error)}.`, RIGHTS_HINT]);
  }
}

function wordsOf({ name, userId, groupId }: Target): string {
  const user = name === null ? `user ${userId}` : `user '${name}' (${userId})`;
  return `${user} of group ${groupId}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function posixProcess(): PosixProcess | null {
  const { geteuid, getgid, getuid, seteuid, setgid, setgroups, setuid } = process;
  // Documented by Node, and not known to its types.
  const initgroups: unknown = Reflect.get(process, 'initgroups');
  if (!geteuid || !getgid || !getuid || !seteuid || !setgid || !setgroups || !setuid) return null;
  if (typeof initgroups !== 'function') return null;
  const calls = { geteuid, getgid, getuid, seteuid, setgid, setgroups, setuid };
  return { ...calls, initgroups: (user, group) => initgroups.call(process, user, group) };
}
