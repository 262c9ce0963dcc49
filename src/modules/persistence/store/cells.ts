/** Cells of a row that SQLite gave as an array. What is not of the kind that was stored is damage. */
import { StoreDamage } from './store-faults.ts';

/** The row as cells; none when it is no array. */
export function cellsOf(row: unknown): readonly unknown[] {
  return Array.isArray(row) ? row : [];
}

/** A whole number, 0 or more. @throws StoreDamage */
export function countIn(cells: readonly unknown[], index: number): number {
  const value = cells[index];
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new StoreDamage('a row holds something that is no number of ours');
}

/** A whole number, negative ones too. @throws StoreDamage */
export function integerIn(cells: readonly unknown[], index: number): number {
  const value = cells[index];
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  throw new StoreDamage('a row holds something that is no number');
}

/** @throws StoreDamage */
export function bytesIn(cells: readonly unknown[], index: number): Uint8Array {
  const value = cells[index];
  if (value instanceof Uint8Array) return value;
  throw new StoreDamage('a row holds something that is no bytes');
}
