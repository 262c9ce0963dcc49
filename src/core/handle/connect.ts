/**
 * CONNECT, from its first check to the client it makes:
 *
 *      check -> names -> authenticate (may wait) -> claim the client id (take-over, session) -> durable? -> CONNACK -> resume
 *
 * A client id is claimed only after authentication, and claims of one id are made in order of arrival. Rules that change
 * meanwhile are asked again before CONNACK.
 */
import { encodeConnack } from '../../protocol/encode/packet.ts';
import { type ConnectPacket, EMPTY_PROPERTIES, type Properties } from '../../protocol/packets.ts';
import { Reason } from '../../protocol/reasons.ts';
import type { TopicName } from '../../protocol/topic.ts';
import { OwnedMessage } from '../model/message.ts';
import { mountTopic } from '../model/mount-point.ts';
import { isOwnedBy, UNKNOWN_OWNER } from '../model/owner.ts';
import type { Will } from '../model/will.ts';
import type { AuthenticateAnswer, ConnectRequest, Identity, Ticket } from '../ports.ts';
import { NEVER_EXPIRES, type Session } from '../session/session.ts';
import { startEnhanced } from './auth.ts';
import { Client } from './client.ts';
import { checkConnect, checkWill, LONG_WILL_TOPIC, NOT_AUTHORISED, type Refusal } from './connect-checks.ts';
import { clientIdOf, type Names, NO_USER, namesOf } from './connect-names.ts';
import { type HandleContext, receiveMaximumOf } from './context.ts';
import type { Entrant } from './entrant.ts';
import { logConnack, logConnect, logOusted } from './log-connect.ts';

/** Connections of one client id that wait for their claim; one more is refused. */
const CLAIMS_MAX = 8;

/** The version of no rules: they are asked again before CONNACK. */
const OUTDATED = -1;

/** The user as authentication has found it out. */
export interface AdmittedUser {
  readonly userName: string | null;
  /** Last data of an enhanced authentication, for CONNACK. */
  readonly data: Uint8Array | null;
  readonly proof: unknown;
}

/** A CONNECT that has passed its first checks. */
interface Arrival {
  readonly packet: ConnectPacket;
  readonly names: Names;
  /** The will's topic as the broker names it. */
  readonly willTopic: TopicName | null;
  /** The rules that were in force when it came. */
  readonly rulesVersion: number;
}

/** An arrival that was let in. */
interface Admission extends Arrival {
  readonly identity: Identity;
  readonly authenticationData: Uint8Array | null;
}

const NOT_WELCOME: Refusal = { kind: 'refused', reason: Reason.NotAuthorized, words: NOT_AUTHORISED };
const ALLOWED: AuthenticateAnswer = { kind: 'allowed' };

/** @returns a promise when the answer comes later. */
export function handleConnect(context: HandleContext, entrant: Entrant, packet: ConnectPacket): void | Promise<void> {
  const refusal = checkConnect(context, entrant, packet) ?? checkWill(entrant, packet);
  if (refusal !== null) return refuse(context, entrant, refusal);
  const names = namesOf(context, entrant, packet);
  if (names.kind === 'refused') return refuse(context, entrant, names);
  entrant.clientId = names.clientId;
  const willTopic = packet.will === null ? null : mountTopic(entrant.channel.mount, packet.will.topic);
  if (packet.will !== null && willTopic === null) return refuse(context, entrant, LONG_WILL_TOPIC);
  // What TLS vouches for was found right at the handshake, which may be long ago.
  const rulesVersion = entrant.security === null ? context.access.rulesVersion : OUTDATED;
  return authenticate(context, entrant, { packet, names, willTopic, rulesVersion });
}

function authenticate(context: HandleContext, entrant: Entrant, arrival: Arrival): void | Promise<void> {
  const { packet, names } = arrival;
  const request = requestOf(entrant, arrival);
  const { authenticationMethod: method, authenticationData } = packet.properties;
  if (method !== null) {
    return startEnhanced(context, entrant, request, method, authenticationData, (user) =>
      // Whom TLS has vouched for stays who he is.
      admit(context, entrant, arrival, names.isVouchedFor ? { ...user, userName: names.userName } : user),
    );
  }
  const { gatekeeper } = context;
  const answer = gatekeeper === null || names.isVouchedFor ? ALLOWED : gatekeeper.authenticate(request);
  if (answer instanceof Promise) return answer.then((later) => decide(context, entrant, arrival, later));
  return decide(context, entrant, arrival, answer);
}

function requestOf({ remoteAddress, security, listener }: Entrant, { packet, names }: Arrival): ConnectRequest {
  const { clientId, userName, password } = names;
  const { version } = packet;
  const { port: listenerPort, id: listenerId } = listener;
  return { clientId, userName, password, version, remoteAddress, listenerPort, listenerId, security };
}

function decide(
  context: HandleContext,
  entrant: Entrant,
  arrival: Arrival,
  answer: AuthenticateAnswer,
): void | Promise<void> {
  if (answer.kind === 'refused') {
    return refuse(context, entrant, { kind: 'refused', reason: answer.reason, words: NOT_AUTHORISED });
  }
  const { userName } = arrival.names;
  return admit(context, entrant, arrival, { userName, data: null, proof: answer.proof });
}

function admit(context: HandleContext, entrant: Entrant, arrival: Arrival, user: AdmittedUser): void | Promise<void> {
  if (!entrant.isOpen) return undefined;
  const { listener } = entrant;
  const { userName, proof } = user;
  if (userName === UNKNOWN_OWNER) return refuse(context, entrant, NOT_WELCOME);
  const clientId = clientIdOf(listener, arrival.names.clientId, userName);
  if (clientId === null) return refuse(context, entrant, NO_USER);
  entrant.clientId = clientId;
  const identity = context.access.identify({ clientId, userName, listenerId: listener.id, proof });
  return claim(context, entrant, { ...arrival, identity, authenticationData: user.data });
}

function refuse(context: HandleContext, entrant: Entrant, refusal: Refusal): undefined {
  if (!entrant.isOpen) return undefined;
  const { reason, words, why, returnCode } = refusal;
  if (why !== undefined && context.settings.hasConnectionMessages) {
    const name = entrant.clientId === '' ? '<unknown>' : entrant.clientId;
    context.log.write('notice', `Client ${name} is refused: ${why}.`);
  }
  entrant.refuse(reason, words, returnCode);
  return undefined;
}

/** Claims of one client id follow each other: the next one begins when the one before has got its CONNACK. */
function claim(context: HandleContext, entrant: Entrant, admission: Admission): void | Promise<void> {
  const { clientId } = admission.identity;
  const before = context.claims.get(clientId);
  const run = (): void | Promise<void> => claimNow(context, entrant, admission);
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

function claimNow(context: HandleContext, entrant: Entrant, admission: Admission): undefined | Promise<void> {
  if (!entrant.isOpen) return undefined;
  const { packet, identity } = admission;
  if (!isWelcomeNow(context, entrant, admission)) return refuse(context, entrant, NOT_WELCOME);
  if (isHouseFull(context, identity.clientId)) return turnAway(entrant);
  if (mustWait(context, packet, identity)) {
    return entrant.channel.whenJournalTakesNewKeys().then(() => claimNow(context, entrant, admission));
  }
  const expirySeconds = sessionExpiry(packet);
  // Before the session may end: its client is back, so this will is not due.
  const returned = context.orphanWills.onReturn(identity);
  const { session: existing, ticket: ended } = takeOver(context, entrant, packet, identity);
  // What still has to be told of this id comes before what this client adds, or one of the two is lost in the journal.
  const ending = endingOf(context, packet, identity);
  if (ending !== null) return ending.then(() => claimNow(context, entrant, admission));
  const session = existing ?? context.sessions.create(identity, expirySeconds);
  const claimed = session.claim(identity, expirySeconds, makeWill(admission));
  const ticket = Math.max(returned, ended, claimed, context.durability.endOf(identity.clientId));
  const welcome = (): void => welcomeClient(context, entrant, admission, { session, isPresent: existing !== null });
  if (context.durability.isDurable(ticket)) {
    welcome();
    return undefined;
  }
  return entrant.channel.whenDurable(ticket).then(() => {
    if (entrant.isOpen) welcome();
    else session.abandonClaim();
  });
}

/**
 * Whether the journal would get something new to keep, a session or a will, while it takes nothing new. Who returns to what
 * the journal has under this id does not wait here: that might end meanwhile.
 */
function mustWait(context: HandleContext, packet: ConnectPacket, { clientId }: Identity): boolean {
  const { durability, orphanWills, sessions } = context;
  if (durability.takesNewKeys || (packet.will === null && sessionExpiry(packet) === 0)) return false;
  return sessions.get(clientId)?.isStored !== true && !orphanWills.has(clientId);
}

/** A session of this id that has not ended for the journal yet; a will that one with the same key would replace there. */
function endingOf(
  { durability, endingSessions, askedWills }: HandleContext,
  { will }: ConnectPacket,
  { clientId }: Identity,
): Promise<void> | null {
  const asked = will === null || durability.journal.isVolatile ? null : askedWills.of(clientId);
  return endingSessions.of(clientId) ?? asked;
}

/** `global_max_clients`: a client that has a session adds none. */
function isHouseFull({ settings, sessions }: HandleContext, clientId: string): boolean {
  const { globalMaxClients } = settings;
  return globalMaxClients > 0 && sessions.count >= globalMaxClients && sessions.get(clientId) === undefined;
}

/** v5 is told, 3.x has no word for it. */
function turnAway(entrant: Entrant): undefined {
  const words = 'server busy';
  if (entrant.channel.version === 5) entrant.refuse(Reason.ServerBusy, words);
  else entrant.leave(words);
  return undefined;
}

/** 3.x: Clean Session 0 keeps the session for ever, 1 for the connection [MQTT-3.1.2-23]. */
function sessionExpiry(packet: ConnectPacket): number {
  if (packet.version === 5) return packet.properties.sessionExpiryInterval ?? 0;
  return packet.cleanStart ? 0 : NEVER_EXPIRES;
}

/**
 * Ends the older connection of the id [MQTT-3.1.4-3], and its session if a new one is wanted [MQTT-3.1.2-4] or the
 * user is another: a session belongs to its client id and to who made it; one of UNKNOWN_OWNER to who comes first.
 * @returns the session to go on with, or null and the ticket of the end of the old one.
 */
function takeOver(
  context: HandleContext,
  entrant: Entrant,
  packet: ConnectPacket,
  identity: Identity,
): { readonly session: Session | null; readonly ticket: Ticket } {
  const { clientId } = identity;
  const session = context.sessions.get(clientId);
  const holder = session?.holder ?? null;
  if (holder !== null && context.settings.hasConnectionMessages) {
    context.log.write('notice', `Client ${clientId} already connected, closing old connection.`);
  }
  holder?.disconnect(Reason.SessionTakenOver, 'session taken over');
  if (session === undefined || session.isEnded) return { session: null, ticket: 0 };
  const isTheirs = isOwnedBy(session.identity, identity);
  if (!packet.cleanStart && isTheirs) return { session, ticket: 0 };
  if (!isTheirs) logOusted(context, entrant, session, identity);
  return { session: null, ticket: session.end() };
}

function makeWill({ packet: { will }, willTopic: topic, identity }: Admission): Will | null {
  if (will === null || topic === null) return null;
  const publisherId = identity.clientId;
  const { qos, retain, forwardedProperties, payload, delaySeconds, messageExpiryInterval } = will;
  const expiresAtMs = Number.POSITIVE_INFINITY;
  const message = new OwnedMessage({
    topic,
    qos,
    retain,
    expiresAtMs,
    forwardedProperties,
    publisherId,
    publisher: identity,
    bytes: payload,
  });
  return { message, delaySeconds, expirySeconds: messageExpiryInterval };
}

interface Claimed {
  readonly session: Session;
  readonly isPresent: boolean;
}

/** CONNACK and everything that follows it. */
function welcomeClient(context: HandleContext, entrant: Entrant, admission: Admission, claimed: Claimed): void {
  const { session, isPresent } = claimed;
  const { packet } = admission;
  const { version, properties } = packet;
  const keepAlive = serverKeepAlive(context, packet);
  const connack = encodeConnack(
    {
      type: 'connack',
      // The flag is new in 3.1.1 [MQTT-3.2.2-2] [MQTT-3.2.2-3].
      sessionPresent: isPresent && version !== 3,
      reason: Reason.Success,
      properties: version === 5 ? connackProperties(entrant, admission, keepAlive) : EMPTY_PROPERTIES,
    },
    version,
  );
  if (!entrant.channel.fits(connack.length)) {
    session.abandonClaim();
    entrant.leave(`its maximum packet size does not fit CONNACK (${connack.length} bytes)`);
    return;
  }
  if (!isWelcomeNow(context, entrant, admission)) {
    session.dropWill();
    session.abandonClaim();
    refuse(context, entrant, NOT_WELCOME);
    return;
  }
  const client = new Client(entrant, session, {
    isBridge: packet.isBridge,
    wantedExpiry: sessionExpiry(packet) > 0,
    authenticationMethod: properties.authenticationMethod,
  });
  entrant.admit(client, keepAlive);
  logConnect(context, entrant, packet, { keepAlive, userName: admission.identity.userName });
  logConnack(context, entrant, isPresent && version !== 3);
  entrant.channel.send(connack);
  session.start(client, properties.receiveMaximum ?? receiveMaximumOf(entrant.promised));
}

/** Who was let in by rules that have changed since is asked about again. */
function isWelcomeNow({ access }: HandleContext, { security }: Entrant, admission: Admission): boolean {
  return admission.rulesVersion === access.rulesVersion || access.isStillWelcome(admission.identity, security);
}

function serverKeepAlive(context: HandleContext, packet: ConnectPacket): number {
  const { maxKeepAlive } = context.settings;
  const { keepAlive } = packet;
  const isTooLong = packet.version === 5 && maxKeepAlive > 0 && (keepAlive > maxKeepAlive || keepAlive === 0);
  return isTooLong ? maxKeepAlive : keepAlive;
}

function connackProperties(entrant: Entrant, admission: Admission, keepAlive: number): Properties {
  const { listener, promised } = entrant;
  const { packet } = admission;
  const bound = promised.persistentClientExpirationSeconds ?? NEVER_EXPIRES;
  return {
    ...EMPTY_PROPERTIES,
    serverKeepAlive: keepAlive === packet.keepAlive ? null : keepAlive,
    topicAliasMaximum: listener.maxTopicAlias > 0 ? listener.maxTopicAlias : null,
    assignedClientIdentifier: packet.clientId === '' ? admission.identity.clientId : null,
    authenticationMethod: packet.properties.authenticationMethod,
    authenticationData: admission.authenticationData,
    retainAvailable: promised.retainAvailable ? null : 0,
    maximumPacketSize: promised.maxPacketSize > 0 ? promised.maxPacketSize : null,
    receiveMaximum: promised.maxInflightMessages > 0 ? promised.maxInflightMessages : null,
    maximumQos: listener.maxQos === 2 ? null : listener.maxQos,
    sessionExpiryInterval: sessionExpiry(packet) > bound ? bound : null,
  };
}
