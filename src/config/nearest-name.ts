/** Finds what a misspelt name was meant to be. */

/** Longer names are not compared: nobody misspells that far. */
const NAME_LENGTH_MAX = 64;
/** A beginning of a name counts as meant from this length on. */
const BEGINNING_LENGTH_MIN = 5;

/** The one of `candidates` that `name` is most like, or null when none is near. The first of equals wins. */
export function nearestName(name: string, candidates: Iterable<string>): string | null {
  const wanted = name.toLowerCase().replaceAll('-', '_');
  if (wanted === '' || wanted.length > NAME_LENGTH_MAX) return null;
  let nearest: string | null = null;
  let leastDistance = Math.max(1, Math.floor(wanted.length / 4)) + 1;
  for (const candidate of candidates) {
    const distance = isBeginning(wanted, candidate) ? 1 : editDistance(wanted, candidate);
    if (distance >= leastDistance) continue;
    leastDistance = distance;
    nearest = candidate;
  }
  return nearest;
}

function isBeginning(wanted: string, candidate: string): boolean {
  return wanted.length >= BEGINNING_LENGTH_MIN && candidate.startsWith(wanted);
}

/** Insertions, deletions, replacements and swaps of neighbours that lead from one name to the other. */
function editDistance(from: string, to: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) row.push(cheapestStep(from, to, i, j, { row, last, beforeLast }));
    beforeLast = last;
    last = row;
  }
  return last[to.length] ?? Infinity;
}

interface Rows {
  readonly row: readonly number[];
  readonly last: readonly number[];
  readonly beforeLast: readonly number[];
}

function cheapestStep(from: string, to: string, i: number, j: number, rows: Rows): number {
  const at = (row: readonly number[], index: number) => row[index] ?? Infinity;
  const replace = at(rows.last, j - 1) + (from[i - 1] === to[j - 1] ? 0 : 1);
  const best = Math.min(replace, at(rows.last, j) + 1, at(rows.row, j - 1) + 1);
  const isSwap = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
  return isSwap ? Math.min(best, at(rows.beforeLast, j - 2) + 1) : best;
}
