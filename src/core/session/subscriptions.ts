import type { Subscription } from '../model/subscription.ts';

/**
 * The subscriptions of one session, by the filter as the client sent it (`$share/…` included), and what their filters
 * take, because a filter may have 65535 bytes and their number alone bounds nothing. Most clients have one subscription:
 * it stands for itself, and a Map is made for the second.
 */
export class Subscriptions {
  #only: Subscription | null = null;
  /** All of them, once there were two. */
  #byFilter: Map<string, Subscription> | null = null;
  #filterChars = 0;

  get count(): number {
    if (this.#byFilter !== null) return this.#byFilter.size;
    return this.#only === null ? 0 : 1;
  }

  /** Characters of all filters. */
  get filterChars(): number {
    return this.#filterChars;
  }

  has(filterText: string): boolean {
    return this.#byFilter === null ? this.#only?.filter.text === filterText : this.#byFilter.has(filterText);
  }

  /** Null: there is none to this filter. */
  get(filterText: string): Subscription | null {
    if (this.#byFilter !== null) return this.#byFilter.get(filterText) ?? null;
    return this.#only?.filter.text === filterText ? this.#only : null;
  }

  /** Adds a subscription, or replaces the one to the same filter. */
  set(subscription: Subscription): void {
    const { text } = subscription.filter;
    const isNew = !this.has(text);
    if (isNew) this.#filterChars += text.length;
    if (this.#byFilter === null && this.#only !== null && isNew) {
      this.#byFilter = new Map([[this.#only.filter.text, this.#only]]);
      this.#only = null;
    }
    if (this.#byFilter === null) this.#only = subscription;
    else this.#byFilter.set(text, subscription);
  }

  /** @returns false when there is none. */
  delete(filterText: string): boolean {
    if (!this.has(filterText)) return false;
    this.#filterChars -= filterText.length;
    if (this.#byFilter === null) this.#only = null;
    else this.#byFilter.delete(filterText);
    return true;
  }

  values(): Iterator<Subscription> {
    if (this.#byFilter !== null) return this.#byFilter.values();
    return (this.#only === null ? [] : [this.#only]).values();
  }

  clear(): void {
    this.#only = null;
    this.#byFilter = null;
    this.#filterChars = 0;
  }
}
