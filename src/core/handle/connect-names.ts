/**
 * Who a client is by its CONNECT and its listener: client id and user name.
 *
 *      user name   CONNECT, or its certificate or pre-shared key, and then nobody is asked to authenticate
 *      client id   CONNECT, or one that is assigned, or the user name
 */
import type { ConnectPacket } from '../../protocol/packets.ts';
import { Reason } from '../../protocol/reasons.ts';
import { isMqttText } from '../../protocol/utf8.ts';
import type { ListenerSettings } from '../model/listener.ts';
import { assignClientId } from './assigned-id.ts';
import { NOT_AUTHORISED, type Refusal } from './connect-checks.ts';
import type { HandleContext } from './context.ts';
import type { Entrant } from './entrant.ts';

export interface Names {
  readonly kind: 'named';
  readonly clientId: string;
  readonly userName: string | null;
  readonly password: Uint8Array | null;
  /** TLS has authenticated the user. */
  readonly isVouchedFor: boolean;
}

/** 3.x: bad user name or password. */
const BAD_USER_NAME = 4;

const NO_NAME: Refusal = {
  kind: 'refused',
  reason: Reason.BadUserNameOrPassword,
  words: NOT_AUTHORISED,
  why: 'its certificate or pre-shared key names no user',
  returnCode: BAD_USER_NAME,
};
export const NO_USER: Refusal = {
  kind: 'refused',
  reason: Reason.NotAuthorized,
  words: NOT_AUTHORISED,
  why: 'use_username_as_clientid is on, and it has no user name',
};
const WRONG_PREFIX: Refusal = {
  kind: 'refused',
  reason: Reason.NotAuthorized,
  words: NOT_AUTHORISED,
  why: 'its client id does not begin as clientid_prefixes demands',
};

/** The names before authentication. An enhanced authentication may find another user: see `clientIdOf`. */
export function namesOf(context: HandleContext, entrant: Entrant, packet: ConnectPacket): Names | Refusal {
  const { listener } = entrant;
  const given = packet.clientId === '' ? assignClientId(listener.autoIdPrefix, context.random) : packet.clientId;
  const { clientIdPrefixes } = context.settings;
  if (clientIdPrefixes !== null && !given.startsWith(clientIdPrefixes)) return WRONG_PREFIX;
  const isVouchedFor = listener.userNameSource !== 'connect';
  // An empty name is nobody's, as in Mosquitto: small devices send the field empty.
  const userName = isVouchedFor ? vouchedName(entrant) : packet.userName || null;
  if (isVouchedFor && userName === null) return NO_NAME;
  const password = isVouchedFor ? null : packet.password;
  const clientId = listener.isUserNameClientId && userName !== null && userName !== '' ? userName : given;
  return { kind: 'named', clientId, userName, password, isVouchedFor };
}

/** The client id of somebody who has been let in; null: the user name is to be the id, and there is none. */
export function clientIdOf(listener: ListenerSettings, clientId: string, userName: string | null): string | null {
  if (!listener.isUserNameClientId) return clientId;
  return userName === '' ? null : userName;
}

/** The name in the certificate, or of the pre-shared key. Null: there is none that could be a user name. */
function vouchedName({ listener, security }: Entrant): string | null {
  if (security === null) return null;
  const { certificate, pskIdentity } = security;
  const ofCertificate = listener.userNameSource === 'subject' ? certificate?.subject : certificate?.commonName;
  const name = pskIdentity ?? ofCertificate ?? '';
  return name !== '' && isMqttText(name) ? name : null;
}
