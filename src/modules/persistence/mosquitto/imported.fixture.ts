/** Runs an import and tells what came of it as lines of text. */

import type { OwnedMessage } from '../../../core/model/message.ts';
import { decodeMessage, decodeRetained, decodeRow, decodeSession, decodeSubscription, decodeWill } from '../bodies.ts';
import { type OpVisitor, RowState, readOps } from '../ops.ts';
import { type Imported, importMosquitto } from './import-mosquitto.ts';
import { PORT_SCALE } from './port-scale.ts';

const STATES = { [RowState.Queued]: 'queued', [RowState.Sent]: 'sent', [RowState.Released]: 'released' };

/** Sorted, so that only what is there counts; moments in seconds from now. */
export function importedLines(
  file: string,
  wallMs: number,
): { readonly lines: readonly string[]; readonly told: Imported } {
  const lines: string[] = [];
  const told = importMosquitto(file, (ops) => readOps(ops, teller(lines)), wallMs);
  return { lines: lines.sort(), told };
}

/** Operations as lines. */
export function teller(lines: string[]): OpVisitor {
  const messages = new Map<number, OwnedMessage>();
  const ignored = () => undefined;
  return {
    session(session, body) {
      const { clientId, userName, listenerId, expirySeconds, offlineSinceMs } = decodeSession(body, PORT_SCALE);
      const since = offlineSinceMs === null ? 'connected' : `gone ${Math.round(-offlineSinceMs / 1000)}`;
      lines.push(`session ${session} ${clientId} ${userName} ${listenerId} expiry ${expirySeconds} ${since}`);
    },
    subscribed(session, filter, body) {
      const { filter: own, qos, identifiers, ...rest } = decodeSubscription(filter, body);
      const options = `${rest.noLocal} ${rest.retainAsPublished} ${rest.retainHandling}`;
      lines.push(`subscribed ${session} ${own.text} qos ${qos} ${options} ${identifiers}`);
    },
    received: (session, packetId) => void lines.push(`received ${session} ${packetId}`),
    message: (number, body) => void messages.set(number, decodeMessage(body, PORT_SCALE)),
    queued: (place, body) => void lines.push(rowLine(place, decodeRow(place.position, body, null, PORT_SCALE))),
    queuedShared(place, number, body) {
      const message = messages.get(number);
      if (message === undefined) throw new Error(`message ${number} did not come before`);
      lines.push(rowLine(place, decodeRow(place.position, body, message, PORT_SCALE)));
    },
    retained: (topic, body) =>
      void lines.push(`retained ${messageLine(decodeRetained(topic, body, PORT_SCALE).message)}`),
    retainedRemoved: (topic) => void lines.push(`retained removed ${Buffer.from(topic)}`),
    will(clientId, body) {
      const { will, userName, listenerId } = decodeWill(clientId, body, PORT_SCALE);
      const times = `delay ${will.delaySeconds} expiry ${will.expirySeconds}`;
      lines.push(`will ${Buffer.from(clientId)} ${userName} ${listenerId} ${times} ${messageLine(will.message)}`);
    },
    time: (storeMs, wallMs) => void lines.push(`time ${storeMs} ${wallMs}`),
    sessionRemoved: ignored,
    unsubscribed: ignored,
    moved: ignored,
    done: ignored,
    receivedDone: ignored,
    willRemoved: ignored,
    tail: ignored,
  };
}

function rowLine(
  { session, position, state, packetId, payloadBytes }: Parameters<OpVisitor['queued']>[0],
  { delivery }: ReturnType<typeof decodeRow>,
): string {
  const { message, qos, retain, subscriptionIdentifiers } = delivery;
  const marks = `${retain ? ' retain' : ''}${subscriptionIdentifiers === null ? '' : ` id ${subscriptionIdentifiers}`}`;
  return `row ${session}/${position} ${STATES[state]} ${packetId} qos ${qos}${marks} (${payloadBytes}): ${messageLine(message)}`;
}

function messageLine(message: OwnedMessage): string {
  const { topic, qos, retain, expiresAtMs, publisher, forwardedProperties, bytes } = message;
  const by = publisher === null ? 'nobody' : `${publisher.clientId} ${publisher.userName} ${publisher.listenerId}`;
  const expiry = expiresAtMs === Number.POSITIVE_INFINITY ? '' : ` expires ${Math.round(expiresAtMs / 1000)}`;
  const properties = Buffer.from(forwardedProperties).toString('hex');
  return `${topic.text} '${Buffer.from(bytes)}' qos ${qos}${retain ? ' retained' : ''} by ${by}${expiry} {${properties}}`;
}
