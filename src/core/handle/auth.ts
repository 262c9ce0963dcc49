/**
 * Enhanced authentication of v5 (section 4.12): the exchange of AUTH packets, at CONNECT and again on a connection that
 * stands. What the data mean is the Gatekeeper's matter.
 *
 *      CONNECT(method) --> step --continue--> AUTH 0x18 --> client's AUTH 0x18 --> step ...
 *                               --allowed---> CONNACK 0x00 (re-authentication: AUTH 0x00)
 *                               --refused---> CONNACK reason (re-authentication: DISCONNECT reason)
 */
import { decodeAuth } from '../../protocol/decode/auth.ts';
import { encodeAuth } from '../../protocol/encode/packet.ts';
import type { FrameHeader } from '../../protocol/frame.ts';
import { EMPTY_PROPERTIES } from '../../protocol/packets.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import type { Channel } from '../delivery/channel.ts';
import type { ConnectRequest, EnhancedAuthentication, EnhancedStep } from '../ports.ts';
import type { Client } from './client.ts';
import type { AdmittedUser } from './connect.ts';
import type { HandleContext } from './context.ts';
import type { Entrant } from './entrant.ts';

/** Begins the exchange of a CONNECT with an Authentication Method. `onAllowed` goes on with the claim. */
export function startEnhanced(
  context: HandleContext,
  entrant: Entrant,
  request: ConnectRequest,
  method: string,
  data: Uint8Array | null,
  onAllowed: (user: AdmittedUser) => void | Promise<void>,
): void | Promise<void> {
  const exchange = context.gatekeeper?.startEnhanced(method, request) ?? null;
  if (exchange === null) {
    // [MQTT-4.12.0-1]
    entrant.refuse(Reason.BadAuthenticationMethod, 'authentication method is not offered');
    return undefined;
  }
  entrant.beginAuth(() => exchange.abandon());
  const apply = (step: EnhancedStep): void | Promise<void> => {
    if (!entrant.isOpen) return undefined;
    if (step.kind === 'continue') {
      sendAuth(entrant.channel, Reason.ContinueAuthentication, method, step.data);
      entrant.awaitAuth(onAuth);
      return undefined;
    }
    entrant.endAuth();
    if (step.kind === 'refused') {
      entrant.refuse(step.reason, 'not authorised');
      return undefined;
    }
    return onAllowed({ userName: step.userName ?? request.userName, data: step.data, proof: step.proof });
  };
  const onAuth = (next: Uint8Array | null, nextMethod: string | null): void | Promise<void> => {
    checkMethod(method, nextMethod);
    return after(exchange.step(next), apply);
  };
  return after(exchange.step(data), apply);
}

/** AUTH from a connected client: starts or continues a re-authentication [MQTT-4.12.1-1]. */
export function handleAuth(
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  _frameStart: number,
  header: FrameHeader,
): void | Promise<void> {
  const packet = decodeAuth(bytes, header, 5);
  const method = client.authenticationMethod;
  if (method === null) {
    throw new ProtocolError(
      Reason.ProtocolError,
      'MQTT-4.12.0-7',
      'AUTH from a client that gave no authentication method',
    );
  }
  checkMethod(method, packet.properties.authenticationMethod);
  const exchange = exchangeFor(context, client, method, packet.reason);
  return after(exchange.step(packet.properties.authenticationData), (step) => applyToClient(client, method, step));
}

function exchangeFor(
  context: HandleContext,
  client: Client,
  method: string,
  reason: ReasonCode,
): EnhancedAuthentication {
  const isStart = reason === Reason.ReAuthenticate;
  if (isStart !== (client.reauthentication === null)) {
    throw new ProtocolError(
      Reason.ProtocolError,
      '',
      isStart ? 'a re-authentication is under way' : 'no authentication to continue',
    );
  }
  if (client.reauthentication !== null) return client.reauthentication;
  const { version, remoteAddress, listener, security } = client;
  const { clientId, userName } = client.identity;
  const places = { remoteAddress, listenerPort: listener.port, listenerId: listener.id };
  const request = { clientId, userName, password: null, version, ...places, security };
  const exchange = context.gatekeeper?.startEnhanced(method, request) ?? null;
  if (exchange === null)
    throw new ProtocolError(Reason.BadAuthenticationMethod, 'MQTT-4.12.0-1', 'the method is no longer offered');
  client.reauthentication = exchange;
  return exchange;
}

function applyToClient(client: Client, method: string, step: EnhancedStep): void {
  if (!client.channel.isOpen) return;
  if (step.kind === 'continue') {
    sendAuth(client.channel, Reason.ContinueAuthentication, method, step.data);
    return;
  }
  client.reauthentication = null;
  if (step.kind === 'refused') {
    // [MQTT-4.12.1-2]
    client.disconnect(step.reason, 'not authorised');
    return;
  }
  const isHeard = client.listener.userNameSource === 'connect' && step.userName !== null;
  if (isHeard && step.userName !== client.identity.userName) {
    client.disconnect(Reason.NotAuthorized, 're-authenticated as another user');
    return;
  }
  sendAuth(client.channel, Reason.Success, method, step.data);
}

/** [MQTT-4.12.0-5] */
function checkMethod(expected: string, given: string | null): void {
  if (given === expected) return;
  throw new ProtocolError(
    Reason.ProtocolError,
    'MQTT-4.12.0-5',
    'AUTH names another authentication method than CONNECT',
  );
}

function sendAuth(channel: Channel, reason: ReasonCode, method: string, data: Uint8Array | null): void {
  const properties = { ...EMPTY_PROPERTIES, authenticationMethod: method, authenticationData: data };
  const bytes = encodeAuth({ type: 'auth', reason, properties });
  if (!channel.fits(bytes.length)) {
    const message = `AUTH would have ${bytes.length} bytes, more than the client takes`;
    throw new ProtocolError(Reason.PacketTooLarge, 'MQTT-3.1.2-24', message);
  }
  channel.send(bytes);
}

function after<T>(answer: T | Promise<T>, then: (value: T) => void | Promise<void>): void | Promise<void> {
  return answer instanceof Promise ? answer.then(then) : then(answer);
}
