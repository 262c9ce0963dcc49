/**
 * CONNECT, from its first check to the client it makes:
 *
 *      check -> authenticate (may wait) -> claim the client id (take-over, session) -> durable? -> CONNACK -> resume
 *
 * A client id is claimed only after authentication, and claims of one id are made in order of arrival.
 */
import { encodeConnack } from '../../protocol/encode/packet.ts';
import { type ConnectPacket, EMPTY_PROPERTIES, type Properties, type WillPacket } from '../../protocol/packets.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import { isControl } from '../access/reserved-topics.ts';
import { OwnedMessage } from '../model/message.ts';
import type { Will } from '../model/will.ts';
import type { AuthenticateAnswer, ConnectRequest, Identity, Ticket } from '../ports.ts';
import { NEVER_EXPIRES, type Session } from '../session/session.ts';
import { assignClientId } from './assigned-id.ts';
import { startEnhanced } from './auth.ts';
import { Client } from './client.ts';
import { type HandleContext, receiveMaximumOf } from './context.ts';
import type { Entrant } from './entrant.ts';

/** Connections of one client id that wait for their claim; one more is refused. */
const CLAIMS_MAX = 8;

/** What authentication has found out. */
export interface Admission {
  readonly identity: Identity;
  /** Last data of an enhanced authentication, for CONNACK. */
  readonly authenticationData: Uint8Array | null;
}

/** @returns a promise when the answer comes later. */
export function handleConnect(context: HandleContext, entrant: Entrant, packet: ConnectPacket): void | Promise<void> {
  const refusal = checkConnect(context, packet);
  if (refusal !== null) {
    entrant.refuse(refusal.reason, refusal.words);
    return undefined;
  }
  const clientId =
    packet.clientId === '' ? assignClientId(context.settings.autoIdPrefix, context.random) : packet.clientId;
  entrant.clientId = clientId;
  const { version, userName, password } = packet;
  const { remoteAddress, localPort: listenerPort } = entrant;
  const request: ConnectRequest = { clientId, userName, password, version, remoteAddress, listenerPort };
  const method = packet.properties.authenticationMethod;
  if (method !== null) {
    return startEnhanced(context, entrant, request, method, packet.properties.authenticationData, (admission) =>
      claim(context, entrant, packet, admission),
    );
  }
  const answer = context.gatekeeper === null ? ALLOWED : context.gatekeeper.authenticate(request);
  if (answer instanceof Promise) return answer.then((later) => decide(context, entrant, packet, request, later));
  return decide(context, entrant, packet, request, answer);
}

const ALLOWED: AuthenticateAnswer = { kind: 'allowed' };

interface Refusal {
  readonly reason: ReasonCode;
  readonly words: string;
}

/** Limits and rules that need no look at anything but the packet. */
function checkConnect(context: HandleContext, packet: ConnectPacket): Refusal | null {
  const { settings } = context;
  const { version, clientId, cleanStart, keepAlive, will } = packet;
  if (clientId === '') {
    // [MQTT-3.1.3-8]; 3.1 knows no empty id at all.
    const isAllowed = settings.allowZeroLengthClientId && version !== 3 && (version === 5 || cleanStart);
    if (!isAllowed) return { reason: Reason.ClientIdentifierNotValid, words: 'client id is empty' };
  }
  if (version !== 5 && settings.maxKeepAlive > 0 && (keepAlive > settings.maxKeepAlive || keepAlive === 0)) {
    return {
      reason: Reason.ClientIdentifierNotValid,
      words: `keep alive ${keepAlive} is above ${settings.maxKeepAlive}`,
    };
  }
  return will === null ? null : checkWill(context, will);
}

function checkWill(context: HandleContext, will: WillPacket): Refusal | null {
  const { settings } = context;
  if (isControl(will.topic.text)) return { reason: Reason.NotAuthorized, words: 'will topic is under $CONTROL' };
  // [MQTT-3.2.2-12] [MQTT-3.2.2-13]
  if (will.qos > settings.maxQos) return { reason: Reason.QosNotSupported, words: `will has QoS ${will.qos}` };
  if (will.retain && !settings.retainAvailable) {
    return { reason: Reason.RetainNotSupported, words: 'will is retained, retained messages are switched off' };
  }
  return null;
}

function decide(
  context: HandleContext,
  entrant: Entrant,
  packet: ConnectPacket,
  request: ConnectRequest,
  answer: AuthenticateAnswer,
): void | Promise<void> {
  if (!entrant.isOpen) return undefined;
  if (answer.kind === 'refused') {
    entrant.refuse(answer.reason, 'not authorised');
    return undefined;
  }
  const identity = { clientId: request.clientId, userName: request.userName };
  return claim(context, entrant, packet, { identity, authenticationData: null });
}

/** Claims of one client id follow each other: the next one begins when the one before has got its CONNACK. */
function claim(
  context: HandleContext,
  entrant: Entrant,
  packet: ConnectPacket,
  admission: Admission,
): void | Promise<void> {
  const { clientId } = admission.identity;
  const before = context.claims.get(clientId);
  const run = (): void | Promise<void> => claimNow(context, entrant, packet, admission);
  if (before === undefined) {
    const claimed = run();
    return claimed === undefined ? undefined : queueClaim(context, clientId, claimed, 1);
  }
  if (before.count >= CLAIMS_MAX) {
    entrant.refuse(Reason.ServerBusy, 'too many connections wait for this client id');
    return undefined;
  }
  return queueClaim(context, clientId, before.last.then(run, run), before.count + 1);
}

function queueClaim(context: HandleContext, clientId: string, claimed: Promise<void>, count: number): Promise<void> {
  const last = claimed.finally(() => {
    if (context.claims.get(clientId)?.last === last) context.claims.delete(clientId);
  });
  context.claims.set(clientId, { last, count });
  return last;
}

function claimNow(
  context: HandleContext,
  entrant: Entrant,
  packet: ConnectPacket,
  admission: Admission,
): undefined | Promise<void> {
  if (!entrant.isOpen) return undefined;
  const { identity } = admission;
  const expirySeconds = sessionExpiry(packet);
  const { session: existing, ticket: ended } = takeOver(context, packet, identity);
  const session = existing ?? context.sessions.create(identity, expirySeconds);
  const will = packet.will === null ? null : makeWill(packet.will, identity.clientId);
  const ticket = Math.max(ended, session.claim(expirySeconds, will));
  const welcome = (): void =>
    welcomeClient(context, entrant, packet, admission, { session, isPresent: existing !== null });
  if (context.durability.isDurable(ticket)) {
    welcome();
    return undefined;
  }
  return entrant.channel.whenDurable(ticket).then(() => {
    if (entrant.isOpen) welcome();
    else session.abandonClaim();
  });
}

/** 3.x: Clean Session 0 keeps the session for ever, 1 for the connection [MQTT-3.1.2-23]. */
function sessionExpiry(packet: ConnectPacket): number {
  if (packet.version === 5) return packet.properties.sessionExpiryInterval ?? 0;
  return packet.cleanStart ? 0 : NEVER_EXPIRES;
}

/**
 * Ends the older connection of the id [MQTT-3.1.4-3], and its session if a new one is wanted [MQTT-3.1.2-4] or the
 * user is another: a session belongs to its client id and to who made it.
 * @returns the session to go on with, or null and the ticket of the end of the old one.
 */
function takeOver(
  context: HandleContext,
  packet: ConnectPacket,
  identity: Identity,
): { readonly session: Session | null; readonly ticket: Ticket } {
  const { clientId } = identity;
  const session = context.sessions.get(clientId);
  session?.holder?.disconnect(Reason.SessionTakenOver, 'session taken over');
  if (session === undefined || session.isEnded) return { session: null, ticket: 0 };
  if (!packet.cleanStart && session.identity.userName === identity.userName) return { session, ticket: 0 };
  return { session: null, ticket: session.end() };
}

function makeWill(will: WillPacket, publisherId: string): Will {
  const { topic, qos, retain, forwardedProperties, payload, delaySeconds, messageExpiryInterval } = will;
  const expiresAtMs = Number.POSITIVE_INFINITY;
  const message = new OwnedMessage({
    topic,
    qos,
    retain,
    expiresAtMs,
    forwardedProperties,
    publisherId,
    bytes: payload,
  });
  return { message, delaySeconds, expirySeconds: messageExpiryInterval };
}

interface Claimed {
  readonly session: Session;
  readonly isPresent: boolean;
}

/** CONNACK and everything that follows it. */
function welcomeClient(
  context: HandleContext,
  entrant: Entrant,
  packet: ConnectPacket,
  admission: Admission,
  claimed: Claimed,
): void {
  const { session, isPresent } = claimed;
  const { version, properties } = packet;
  const keepAlive = serverKeepAlive(context, packet);
  const connack = encodeConnack(
    {
      type: 'connack',
      // The flag is new in 3.1.1 [MQTT-3.2.2-2] [MQTT-3.2.2-3].
      sessionPresent: isPresent && version !== 3,
      reason: Reason.Success,
      properties: version === 5 ? connackProperties(context, packet, admission, keepAlive) : EMPTY_PROPERTIES,
    },
    version,
  );
  if (!entrant.channel.fits(connack.length)) {
    session.abandonClaim();
    entrant.leave(`its maximum packet size does not fit CONNACK (${connack.length} bytes)`);
    return;
  }
  const client = new Client(entrant, session, {
    isBridge: packet.isBridge,
    wantedExpiry: sessionExpiry(packet) > 0,
    authenticationMethod: properties.authenticationMethod,
  });
  entrant.admit(client, keepAlive);
  logConnect(context, entrant, packet, keepAlive, isPresent);
  entrant.channel.send(connack);
  session.start(client, properties.receiveMaximum ?? receiveMaximumOf(context.settings));
}

function serverKeepAlive(context: HandleContext, packet: ConnectPacket): number {
  const { maxKeepAlive } = context.settings;
  const { keepAlive } = packet;
  const isTooLong = packet.version === 5 && maxKeepAlive > 0 && (keepAlive > maxKeepAlive || keepAlive === 0);
  return isTooLong ? maxKeepAlive : keepAlive;
}

function connackProperties(
  context: HandleContext,
  packet: ConnectPacket,
  admission: Admission,
  keepAlive: number,
): Properties {
  const { settings } = context;
  const bound = settings.persistentClientExpirationSeconds ?? NEVER_EXPIRES;
  return {
    ...EMPTY_PROPERTIES,
    serverKeepAlive: keepAlive === packet.keepAlive ? null : keepAlive,
    topicAliasMaximum: settings.maxTopicAlias > 0 ? settings.maxTopicAlias : null,
    assignedClientIdentifier: packet.clientId === '' ? admission.identity.clientId : null,
    authenticationMethod: packet.properties.authenticationMethod,
    authenticationData: admission.authenticationData,
    retainAvailable: settings.retainAvailable ? null : 0,
    maximumPacketSize: settings.maxPacketSize > 0 ? settings.maxPacketSize : null,
    receiveMaximum: settings.maxInflightMessages > 0 ? settings.maxInflightMessages : null,
    maximumQos: settings.maxQos === 2 ? null : settings.maxQos,
    sessionExpiryInterval: sessionExpiry(packet) > bound ? bound : null,
  };
}

/** The lines of section 12 of Mosquitto's manual: who came, with which protocol, clean flag, keep alive and user. */
function logConnect(
  context: HandleContext,
  entrant: Entrant,
  packet: ConnectPacket,
  keepAlive: number,
  isPresent: boolean,
): void {
  const { log } = context;
  if (!log.has('notice')) return;
  const { version, cleanStart, userName, will } = packet;
  const user = userName === null ? '' : `, u'${userName}'`;
  const from = `${entrant.remoteAddress}:${entrant.remotePort}`;
  const kind = packet.isBridge ? 'bridge' : 'client';
  const facts = `(p${version}, c${Number(cleanStart)}, k${keepAlive}${user})`;
  log.write('notice', `New ${kind} connected from ${from} as ${entrant.clientId} ${facts}.`);
  if (!log.has('debug')) return;
  if (will === null) log.write('debug', 'No will message specified.');
  else {
    log.write(
      'debug',
      `Will message specified (${will.payload.length} bytes) (r${Number(will.retain)}, q${will.qos}).`,
    );
    log.write('debug', `\t${will.topic.text}`);
  }
  log.write('debug', `Sending CONNACK to ${entrant.clientId} (${Number(isPresent)}, 0)`);
}
