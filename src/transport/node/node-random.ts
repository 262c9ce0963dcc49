import { randomFillSync } from 'node:crypto';
import type { Random } from '../../base/random.ts';

/** The system's generator, fit for secrets. */
export const systemRandom: Random = {
  fill: (into) => randomFillSync(into),
};
