/** A StoreServer whose answers and timers are in the hand of a test. */
import assert from 'node:assert/strict';
import { optionsFor, PlainStore } from '../../src/modules/persistence/store/store.fixture.ts';
import { StoreServer } from '../../src/modules/persistence/store/store-server.ts';
import type { FromStore, ToStore } from '../../src/modules/persistence/thread-messages.ts';

export class StoreHouse {
  readonly #answers: FromStore[] = [];
  readonly #timers: (() => void)[] = [];
  readonly #server: StoreServer;

  constructor() {
    this.#server = new StoreServer(
      (message, transfer) => this.#answers.push(structuredClone(message, { transfer })),
      (_ms, run) => this.#timers.push(run),
    );
  }

  /** @returns what was answered at once. */
  tell(message: ToStore): readonly FromStore[] {
    this.#server.handle(message);
    return this.#answers.splice(0);
  }

  /** Runs the timers that were set. @returns what was answered. */
  wait(): readonly FromStore[] {
    for (const run of this.#timers.splice(0)) run();
    return this.#answers.splice(0);
  }

  /** Opens the store in `folder` and loads all of it. */
  open(folder: string): PlainStore {
    const [opened] = this.tell({ kind: 'open', options: optionsFor(folder) });
    assert.ok(opened?.kind === 'opened', JSON.stringify(opened));
    assert.deepEqual(opened.opened.notes, []);
    const model = new PlainStore();
    let [answer] = this.tell({ kind: 'load', headMax: Number.POSITIVE_INFINITY });
    while (answer?.kind === 'loaded') {
      model.apply(answer.ops);
      [answer] = this.tell({ kind: 'more' });
    }
    assert.equal(answer?.kind, 'load-ended');
    return model;
  }

  close(): void {
    assert.deepEqual(this.tell({ kind: 'close' }), [{ kind: 'closed' }]);
  }
}
