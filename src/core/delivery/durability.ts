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

  /** Resolves when `ticket` is durable. Never rejects; a failing journal lets it wait until it has recovered. */
  whenDurable(ticket: Ticket): Promise<void> {
    return this.#when(() => this.isDurable(ticket));
  }

  /** Resolves when the journal works again. */
  whenRecovered(): Promise<void> {
    return this.#when(() => !this.journal.isFailing);
  }

  #when(isTrue: () => boolean): Promise<void> {
    if (isTrue()) return Promise.resolve();
    return new Promise((resolve) => {
      this.wait({
        release: () => {
          if (!isTrue()) return true;
          resolve();
          return false;
        },
      });
    });
  }

  #onProgress(): void {
    for (const waiter of [...this.#waiting]) {
      if (!waiter.release()) this.#waiting.delete(waiter);
    }
  }
}
