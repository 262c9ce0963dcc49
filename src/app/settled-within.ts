import type { Clock } from '../base/clock.ts';

/** Waits for `work`, but no longer than `ms` milliseconds. @returns whether it has ended, well or not */
export function settledWithin(work: Promise<unknown>, clock: Clock, ms: number): Promise<boolean> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => resolve(false));
    const end = (): void => {
      cancel();
      resolve(true);
    };
    work.then(end, end);
  });
}
