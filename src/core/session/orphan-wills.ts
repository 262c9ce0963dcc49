/**
 * The wills of clients that were connected when the process before was killed. Their connections are gone, but not by any
 * fault of theirs: such a will is due a grace time after the start, unless its client returns, with a clean start or not.
 */
import { Timer } from '../../base/timer-queue.ts';
import { isOwnedBy } from '../model/owner.ts';
import type { Will } from '../model/will.ts';
import type { Identity, Ticket } from '../ports.ts';
import type { SessionParts } from './session-parts.ts';
import type { SessionStore } from './session-store.ts';

interface OrphanWill {
  readonly identity: Identity;
  readonly will: Will;
  readonly timer: Timer;
}

export class OrphanWills {
  readonly #parts: SessionParts;
  readonly #sessions: SessionStore;
  readonly #wills = new Map<string, OrphanWill>();

  constructor(parts: SessionParts, sessions: SessionStore) {
    this.#parts = parts;
    this.#sessions = sessions;
  }

  get count(): number {
    return this.#wills.size;
  }

  has(clientId: string): boolean {
    return this.#wills.has(clientId);
  }

  /** One more; `dueMs` on the monotonic clock. */
  add(identity: Identity, will: Will, dueMs: number): void {
    const timer = new Timer(() => this.#publish(identity.clientId));
    this.#wills.set(identity.clientId, { identity, will, timer });
    this.#parts.timers.add(timer, dueMs);
  }

  /**
   * A client has come in: its will from before is not due any more. One of another user is: who had it will not return to
   * it. @returns the ticket of that, 0 = there was none.
   */
  onReturn(client: Identity): Ticket {
    const { clientId } = client;
    const orphan = this.#wills.get(clientId);
    if (orphan === undefined) return 0;
    if (!isOwnedBy(orphan.identity, client)) {
      this.#publish(clientId);
      return 0;
    }
    this.#forget(orphan);
    const { durability } = this.#parts;
    const ticket = durability.journal.append({ kind: 'will-removed', clientId });
    durability.noteEnd(clientId, ticket);
    return ticket;
  }

  #publish(clientId: string): void {
    const orphan = this.#wills.get(clientId);
    if (orphan === undefined) return;
    this.#forget(orphan);
    this.#parts.onWillDue(orphan.identity, orphan.will);
    // Until now it counted as connected: a second crash would have given it the grace time again.
    this.#sessions.get(clientId)?.tellOffline();
  }

  #forget({ identity: { clientId }, timer }: OrphanWill): void {
    this.#wills.delete(clientId);
    this.#parts.timers.remove(timer);
  }
}
