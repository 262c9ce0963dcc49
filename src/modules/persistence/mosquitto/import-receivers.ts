/** Who is to get a message that is handed on during an import. There are few of them, so every subscription is looked at. */
import type { OwnedMessage } from '../../../core/model/message.ts';
import type { Qos } from '../../../protocol/version.ts';
import type { StoredSubscription } from '../bodies.ts';
import type { ImportedSession } from './import-sessions.ts';

export interface Receiver {
  readonly session: ImportedSession;
  readonly qos: Qos;
  readonly isRetained: boolean;
  readonly identifiers: readonly number[] | null;
}

/** Each session once, whatever number of its subscriptions match; of each shared group the first member. QoS 0 waits for nobody. */
export function* receiversOf(
  message: OwnedMessage,
  senderId: string,
  sessions: ReadonlyMap<string, ImportedSession>,
): Generator<Receiver> {
  const levels = message.topic.text.split('/');
  const served = new Set<string>();
  for (const session of sessions.values()) {
    const matching = session.subscriptions.filter((subscription) => {
      const { filter, noLocal } = subscription;
      if (noLocal && session.clientId === senderId) return false;
      return matches(filter.filter, levels) && (filter.shareName === null || !served.has(filter.text));
    });
    for (const { filter } of matching) if (filter.shareName !== null) served.add(filter.text);
    const receiver = receiverOf(session, message, matching);
    if (receiver !== null) yield receiver;
  }
}

function receiverOf(
  session: ImportedSession,
  message: OwnedMessage,
  matching: readonly StoredSubscription[],
): Receiver | null {
  let qos: Qos = 0;
  let isRetained = false;
  const identifiers: number[] = [];
  for (const subscription of matching) {
    if (subscription.qos > qos) qos = subscription.qos;
    if (subscription.retainAsPublished && message.retain) isRetained = true;
    identifiers.push(...(subscription.identifiers ?? []));
  }
  if (qos > message.qos) qos = message.qos;
  if (qos === 0) return null;
  return { session, qos, isRetained, identifiers: identifiers.length === 0 ? null : identifiers };
}

/** `[MQTT-4.7.2-1]`: a leading wildcard does not match a topic that begins with $. */
function matches(filter: string, levels: readonly string[]): boolean {
  if (levels[0]?.startsWith('$') === true && !filter.startsWith('$')) return false;
  const wanted = filter.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length) return false;
    if (level !== '+' && level !== levels[index]) return false;
  }
  return wanted.length === levels.length;
}
