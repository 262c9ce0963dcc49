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

  constructor(journal: Journal) {
    this.journal = journal;
    journal.onProgress = () => this.#onProgress();
  }

  isDurable(ticket: Ticket): boolean {
    return ticket <= this.journal.durable;
  }

  wait(waiter: Waiter): void {
    this.#waiting.add(waiter);
  }

  forget(waiter: Waiter): void {
    this.#waiting.delete(waiter);
  }

  #onProgress(): void {
    for (const waiter of [...this.#waiting]) {
      if (!waiter.release()) this.#waiting.delete(waiter);
    }
  }
}
