import type { Subscription } from '../model/subscription.ts';

/**
 * The subscriptions of one session, by the filter as the client sent it (`$share/…` included), and what their filters
 * take, because a filter may have 65535 bytes and their number alone bounds nothing.
 */
export class Subscriptions {
  readonly #byFilter = new Map<string, Subscription>();
  #filterChars = 0;

  get count(): number {
    return this.#byFilter.size;
  }

  /** Characters of all filters. */
  get filterChars(): number {
    return this.#filterChars;
  }

  has(filterText: string): boolean {
    return this.#byFilter.has(filterText);
  }

  /** Adds a subscription, or replaces the one to the same filter. */
  set(subscription: Subscription): void {
    const { text } = subscription.filter;
    if (!this.#byFilter.has(text)) this.#filterChars += text.length;
    this.#byFilter.set(text, subscription);
  }

  /** @returns false when there is none. */
  delete(filterText: string): boolean {
    if (!this.#byFilter.delete(filterText)) return false;
    this.#filterChars -= filterText.length;
    return true;
  }

  values(): IterableIterator<Subscription> {
    return this.#byFilter.values();
  }

  clear(): void {
    this.#byFilter.clear();
    this.#filterChars = 0;
  }
}
