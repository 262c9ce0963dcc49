import type { Taking } from './owed.ts';

/** While a text may have been what is retained on a topic, in the order of messages. */
interface Span {
  /** '': nothing is retained. */
  readonly text: string;
  readonly from: number;
  until: number;
}

/** A value that may be there after a crash. */
interface Kept {
  readonly text: string;
  /** Null: nobody's acknowledgement says anything about it. */
  readonly taking: Taking | null;
}

/**
 * What may be retained on one topic. Usually it is known; after a crash it is the last value that was acknowledged, or any
 * later one, until the next one comes.
 */
export class RetainedBook {
  readonly #spans: Span[] = [{ text: '', from: 0, until: Number.POSITIVE_INFINITY }];
  /** In order of coming, from the last one that is known to be safe. */
  #ifCrash: Kept[] = [{ text: '', taking: null }];

  /** What may be retained now. */
  get possible(): readonly string[] {
    return [...new Set(this.#spans.filter(isOpen).map(({ text }) => text))];
  }

  /** A value has come. `isCertain` false: it may have come before, or together with another one. */
  set(text: string, taking: Taking, isCertain: boolean): void {
    if (isCertain) this.#closeAll(taking.order);
    this.#spans.push({ text, from: taking.order, until: Number.POSITIVE_INFINITY });
    this.#ifCrash.push({ text, taking: isCertain ? taking : null });
  }

  /** Its publisher was told that it is safe. */
  acknowledge(taking: Taking): void {
    const index = this.#ifCrash.findIndex((kept) => kept.taking === taking);
    if (index > 0) this.#ifCrash = this.#ifCrash.slice(index);
  }

  /** Everything that has come is on the disk. */
  settle(): void {
    const possible = new Set(this.possible);
    const latest = [...possible].map((text) => ({ text, taking: null }));
    this.#ifCrash = latest;
  }

  crash(order: number): void {
    const possible = new Set(this.#ifCrash.map(({ text }) => text));
    for (const span of this.#spans) {
      if (isOpen(span) && !possible.has(span.text)) span.until = order;
      else if (isOpen(span)) possible.delete(span.text);
    }
    for (const text of possible) this.#spans.push({ text, from: order, until: Number.POSITIVE_INFINITY });
  }

  /** Whether this text may have been retained at any time after `order`. */
  wasThere(text: string, order: number): boolean {
    return this.#spans.some((span) => span.text === text && span.until > order);
  }

  #closeAll(order: number): void {
    for (const span of this.#spans) span.until = Math.min(span.until, order);
  }
}

function isOpen({ until }: Span): boolean {
  return until === Number.POSITIVE_INFINITY;
}
