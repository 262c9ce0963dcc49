/**
 * The state of before a restart, put back record by record before the first client comes. Nothing of it is told to the
 * journal again, which has it.
 */
import { assert } from '../../base/assert.ts';
import type { StoredOwner, StoredRecord } from '../ports.ts';
import { NEVER_EXPIRES, type Session } from '../session/session.ts';
import type { HandleContext } from './context.ts';

/**
 * Rejects when what is stored cannot be read; the broker must not be used then.
 * @returns what starts the clocks of all that was put back: sessions that expire, wills that are due
 */
export async function restoreState(context: HandleContext): Promise<() => void> {
  const restorer = new Restorer(context);
  await context.durability.journal.load(context.settings.queueHeadMax, (record) => restorer.put(record));
  return () => restorer.begin();
}

type RecordOf<K extends StoredRecord['kind']> = Extract<StoredRecord, { readonly kind: K }>;

class Restorer {
  readonly #context: HandleContext;
  /** Since when the client of a session has been away; null: it was connected when the process ended. */
  readonly #sessions = new Map<string, number | null>();
  readonly #wills: RecordOf<'will'>[] = [];

  constructor(context: HandleContext) {
    this.#context = context;
  }

  put(record: StoredRecord): void {
    switch (record.kind) {
      case 'session':
        this.#putSession(record);
        return;
      case 'subscribed':
        this.#putSubscription(record);
        return;
      case 'received':
        this.#session(record.clientId).takeIn(record.packetId);
        return;
      case 'sent':
        this.#session(record.clientId).outgoing.restoreSent(record.row, record.packetId, record.isReleased);
        return;
      case 'queued':
        this.#session(record.clientId).outgoing.restoreQueued(record.row);
        return;
      case 'tail': {
        const { after, count, payloadBytes, lastPosition } = record;
        this.#session(record.clientId).outgoing.restoreTail(after, count, payloadBytes, lastPosition);
        return;
      }
      case 'retained':
        this.#context.router.restoreRetained(record.message, record.sinceMs);
        return;
      case 'will':
        this.#wills.push(record);
    }
  }

  /**
   * Those who were connected are away from now on. While a will of theirs is not settled the journal still has them as
   * connected, so that another crash would give them the grace time again.
   */
  begin(): void {
    const { sessions, timers } = this.#context;
    const owners = new Set(this.#wills.map(({ clientId }) => clientId));
    for (const will of this.#wills) this.#beginWill(will);
    for (const [clientId, sinceMs] of this.#sessions) {
      const session = sessions.get(clientId);
      session?.restore(sinceMs ?? timers.now);
      if (sinceMs === null && !owners.has(clientId)) session?.tellOffline();
    }
  }

  #putSession(record: RecordOf<'session'>): void {
    this.#context.sessions.create(this.#identify(record), record.expirySeconds);
    this.#sessions.set(record.clientId, record.offlineSinceMs);
  }

  #putSubscription({ clientId, subscription }: RecordOf<'subscribed'>): void {
    const session = this.#session(clientId);
    const own = { ...subscription, target: session };
    session.subscriptions.set(own);
    this.#context.router.tree.add(own);
  }

  #beginWill(record: RecordOf<'will'>): void {
    const { orphanWills, sessions, settings, timers } = this.#context;
    const { clientId, will } = record;
    const sinceMs = this.#sessions.get(clientId) ?? null;
    if (sinceMs !== null) {
      sessions.get(clientId)?.restoreWill(will, sinceMs);
      return;
    }
    // It is due at the end of its session at the latest; without a session that was when the connection ended.
    const endSeconds = sessions.get(clientId)?.expirySeconds ?? 0;
    const bound = settings.persistentClientExpirationSeconds ?? NEVER_EXPIRES;
    const delaySeconds = Math.min(will.delaySeconds, endSeconds, bound);
    orphanWills.add(this.#identify(record), will, timers.now + Math.max(settings.willGraceMs, delaySeconds * 1000));
  }

  #identify({ clientId, userName, listenerId }: StoredOwner) {
    return this.#context.access.identify({ clientId, userName, listenerId });
  }

  #session(clientId: string): Session {
    const session = this.#context.sessions.get(clientId);
    assert(session !== undefined, 'what belongs to a session is loaded after it');
    return session;
  }
}
