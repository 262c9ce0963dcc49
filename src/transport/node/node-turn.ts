import type { Turn } from '../../base/turn.ts';

/**
 * The end of the turn where node's own event loop reads the sockets: `setImmediate`, which comes after the phase that
 * handles all ready input. One for all runs of a turn. A run registered while the end is running has its turn at the
 * end of the next one, so that output that causes output does not keep the loop from reading.
 */
export function createImmediateTurn(): Turn {
  let runs: (() => void)[] = [];

  /** @throws what a run threw (several: an AggregateError), after all of them had their turn. */
  function end(): void {
    const due = runs;
    runs = [];
    const errors: unknown[] = [];
    for (const run of due) {
      try {
        run();
      } catch (error) {
        errors.push(error);
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1) throw new AggregateError(errors, `${errors.length} runs at the end of one turn failed`);
  }

  return {
    atEnd(run) {
      if (runs.push(run) === 1) setImmediate(end);
    },
  };
}
