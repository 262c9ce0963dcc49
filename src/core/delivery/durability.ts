import type { ProtocolVersion } from '../../protocol/version.ts';
import type { Journal, Ticket } from '../ports.ts';

/** Something that waits for tickets to become durable. */
export interface Waiter {
  /** Called after `durable` grew or the journal failed or recovered. @returns true while it still waits. */
  release(): boolean;
}

/** Wakes what waits for the journal. One for each broker. */
export class Durability {
  readonly journal: Journal;
  readonly #waiting = new Set<Waiter>();
  /** By client id, oldest first: ends of sessions and of wills that are not durable yet. */
  readonly #ends = new Map<string, Ticket>();

  constructor(journal: Journal) {
    this.journal = journal;
    journal.onProgress = () => this.#onProgress();
  }

  isDurable(ticket: Ticket): boolean {
    return ticket <= this.journal.durable;
  }

  /**
   * Whether messages that have to be stored are taken from clients of this version now: not while the journal is behind, nor
   * while it fails, but v5 clients are refused then and need not wait.
   */
  takesFrom(version: ProtocolVersion): boolean {
    const { isFailing, isBehind } = this.journal;
    return isFailing ? version === 5 : !isBehind;
  }

  /**
   * Whether changes are taken that need room under a key of their own (subscriptions, sessions and wills that were not there
   * before): not while the journal is behind or fails, or they would gather in memory. Whoever makes them waits, of any version.
   */
  get takesNewKeys(): boolean {
    return !this.journal.isFailing && !this.journal.isBehind;
  }

  /** Something of the client has ended, and whoever comes with its id next is told so only when that is durable. */
  noteEnd(clientId: string, ticket: Ticket): void {
    if (this.isDurable(ticket)) return;
    this.#ends.delete(clientId);
    this.#ends.set(clientId, ticket);
  }

  /** The ticket of the last such end, 0 = all of them are durable. */
  endOf(clientId: string): Ticket {
    return this.#ends.get(clientId) ?? 0;
  }

  /** Resolves when everything up to this ticket is durable. */
  whenDurable(ticket: Ticket): Promise<void> {
    if (this.isDurable(ticket)) return Promise.resolve();
    return new Promise((resolve) => {
      const release = (): boolean => {
        if (!this.isDurable(ticket)) return true;
        resolve();
        return false;
      };
      this.wait({ release });
    });
  }

  wait(waiter: Waiter): void {
    this.#waiting.add(waiter);
  }

  forget(waiter: Waiter): void {
    this.#waiting.delete(waiter);
  }

  #onProgress(): void {
    for (const [clientId, ticket] of this.#ends) {
      if (!this.isDurable(ticket)) break;
      this.#ends.delete(clientId);
    }
    for (const waiter of [...this.#waiting]) {
      if (!waiter.release()) this.#waiting.delete(waiter);
    }
  }
}
