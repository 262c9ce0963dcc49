/**
 * What goes on after its client has gone: a will whose right is asked, a session whose messages move to others. By client
 * id, because whoever comes with the id next may have to wait for it.
 */
export class Endings {
  readonly #byClient = new Map<string, Set<Promise<void>>>();

  get isEmpty(): boolean {
    return this.#byClient.size === 0;
  }

  add(clientId: string, ending: Promise<void>): void {
    const endings = this.#byClient.get(clientId) ?? new Set();
    this.#byClient.set(clientId, endings.add(ending));
    const forget = (): void => {
      endings.delete(ending);
      if (endings.size === 0 && this.#byClient.get(clientId) === endings) this.#byClient.delete(clientId);
    };
    ending.then(forget, forget);
  }

  /** Resolves when all have ended that go on for this id now; null: there are none. */
  of(clientId: string): Promise<void> | null {
    const endings = this.#byClient.get(clientId);
    return endings === undefined ? null : Promise.allSettled(endings).then(() => undefined);
  }

  all(): readonly Promise<void>[] {
    return [...this.#byClient.values()].flatMap((endings) => [...endings]);
  }
}
