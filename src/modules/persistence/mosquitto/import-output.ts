/** Where an import puts its operations, and counts what it leaves out. */
import { OpWriter } from '../ops.ts';

/** Operations are applied when they have as many bytes. */
const APPLY_BYTES = 4 * 1024 * 1024;

export class ImportOutput {
  readonly #apply: (ops: Uint8Array) => void;
  readonly #left = new Map<string, number>();
  #ops = new OpWriter();

  constructor(apply: (ops: Uint8Array) => void) {
    this.#apply = apply;
  }

  /** To be asked for anew after each `flush`. */
  get ops(): OpWriter {
    return this.#ops;
  }

  get isFull(): boolean {
    return this.#ops.byteLength >= APPLY_BYTES;
  }

  flush(): void {
    if (this.#ops.byteLength === 0) return;
    this.#apply(this.#ops.finish());
    this.#ops = new OpWriter();
  }

  /** `what` in the plural, after a number. */
  leave(what: string, count = 1): void {
    this.#left.set(what, (this.#left.get(what) ?? 0) + count);
  }

  /** Such as '3 sessions that have expired, 1 retained messages of $SYS'; '' = nothing was left out. */
  get leftWords(): string {
    return [...this.#left].map(([what, count]) => `${count} ${what}`).join(', ');
  }
}
