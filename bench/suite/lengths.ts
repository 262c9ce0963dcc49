/** How long and how large a benchmark is. */

export interface Lengths {
  /** Counted seconds of a row, and those before it that are not. */
  readonly seconds: number;
  readonly warmSeconds: number;
  /** Counted seconds of the plant's load, whose rare latencies and pauses need many messages. */
  readonly plantSeconds: number;
  /** Retained messages that lie in the broker during the plant's load. */
  readonly plantRetained: number;
  /** Retained messages that a new `#` subscriber wants. */
  readonly retained: number;
  readonly idleClients: number;
  readonly busyClients: number;
  /** Starts per round, of which the median counts. */
  readonly starts: number;
}

/** Descriptors that a broker needs besides those of its clients. */
const SPARE_DESCRIPTORS = 200;

const USUAL: Lengths = {
  seconds: 4,
  warmSeconds: 2,
  plantSeconds: 20,
  plantRetained: 200_000,
  retained: 200_000,
  idleClients: 15_000,
  busyClients: 10_000,
  starts: 7,
};
const QUICK: Lengths = { ...USUAL, seconds: 1.5, warmSeconds: 1, plantSeconds: 4, plantRetained: 50_000, starts: 3 };
const LONG: Lengths = { ...USUAL, plantSeconds: 600, plantRetained: 1_000_000 };

/** `seconds` (--secs) shortens everything else along with it: for a test that the benchmark works at all. */
export function chooseLengths(
  form: 'usual' | 'quick' | 'long',
  seconds: number | null,
  descriptorLimit: number,
): Lengths {
  const chosen = { usual: USUAL, quick: QUICK, long: LONG }[form];
  const clientsMax = Math.max(descriptorLimit - SPARE_DESCRIPTORS, 1);
  const limited = {
    ...chosen,
    idleClients: Math.min(chosen.idleClients, clientsMax),
    busyClients: Math.min(chosen.busyClients, clientsMax),
  };
  return seconds === null ? limited : { ...limited, seconds, warmSeconds: seconds, plantSeconds: seconds };
}
