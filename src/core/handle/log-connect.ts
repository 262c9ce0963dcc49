/** What the log says of a client that was let in, in Mosquitto's words. */
import type { ConnectPacket } from '../../protocol/packets.ts';
import type { Identity } from '../ports.ts';
import type { Session } from '../session/session.ts';
import type { HandleContext } from './context.ts';
import type { Entrant } from './entrant.ts';

/** Who came, with which protocol, clean flag, keep alive and user, by which cipher, and with which will. */
export function logConnect(
  { log, settings }: HandleContext,
  entrant: Entrant,
  packet: ConnectPacket,
  facts: { readonly keepAlive: number; readonly userName: string | null },
): void {
  if (!settings.hasConnectionMessages || !log.has('notice')) return;
  const { version, cleanStart, isBridge } = packet;
  const user = facts.userName === null ? '' : `, u'${facts.userName}'`;
  const from = `${entrant.remoteAddress}:${entrant.remotePort}`;
  const kind = isBridge ? 'bridge' : 'client';
  const details = `(p${version}, c${Number(cleanStart)}, k${facts.keepAlive}${user})`;
  log.write('notice', `New ${kind} connected from ${from} as ${entrant.clientId} ${details}.`);
  const { security } = entrant;
  if (security !== null && security.cipher !== '') {
    const text = `Client ${entrant.clientId} negotiated ${security.version} cipher ${security.cipher}`;
    log.write('information', text);
  }
  if (log.has('debug')) logWill({ log }, packet);
}

/**
 * A session is about to end because its client id is used by another user: `identity` is who has come. Said whatever
 * `connection_messages` says, since messages are lost.
 */
export function logOusted({ log }: HandleContext, entrant: Entrant, session: Session, identity: Identity): void {
  if (!log.has('notice')) return;
  const from = `${entrant.remoteAddress}:${entrant.remotePort}`;
  const count = session.outgoing.unfinishedCount;
  const lost = count === 1 ? '1 queued message' : `${count} queued messages`;
  log.write(
    'notice',
    `Client id ${session.clientId} of ${userOf(session.identity)} is now used by ${userOf(identity)} from ${from}: ` +
      `the session of before and its ${lost} have ended.`,
  );
}

function userOf({ userName }: Identity): string {
  return userName === null ? 'a client without user name' : `user '${userName}'`;
}

export function logConnack({ log }: HandleContext, { clientId }: Entrant, isPresent: boolean): void {
  if (log.has('debug')) log.write('debug', `Sending CONNACK to ${clientId} (${Number(isPresent)}, 0)`);
}

function logWill({ log }: Pick<HandleContext, 'log'>, { will }: ConnectPacket): void {
  if (will === null) {
    log.write('debug', 'No will message specified.');
    return;
  }
  const flags = `(r${Number(will.retain)}, q${will.qos})`;
  log.write('debug', `Will message specified (${will.payload.length} bytes) ${flags}.`);
  log.write('debug', `\t${will.topic.text}`);
}
