/**
 * Ways around the type checker and the linter (`any`, `as`, `!`, ignored lints), counted per room. House style rule 11
 * says where they may stand; no tool can judge that, so the counts are a ratchet: they may fall, and a rise is a
 * change of tidy-limits.json that a reader of the commit sees.
 */
import { ESCAPES, type EscapeKind, type SourceFacts } from './source-facts.ts';
import { type Finding, isTest } from './tree.ts';

export type EscapeCounts = Readonly<Record<EscapeKind, number>>;
export type EscapeTable = ReadonlyMap<string, EscapeCounts>;

export const LIMITS_PATH = 'scripts/tidy-limits.json';

/** Counts by room: base, protocol, ..., and tests, scripts, bench. */
export function countEscapes(facts: ReadonlyMap<string, SourceFacts>): EscapeTable {
  const table = new Map<string, Record<EscapeKind, number>>();
  for (const [path, fact] of facts) {
    const room = roomName(path);
    const counts = table.get(room) ?? { any: 0, as: 0, '!': 0, ignore: 0 };
    for (const { kind } of fact.escapes) counts[kind] += 1;
    table.set(room, counts);
  }
  return new Map([...table].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function roomName(path: string): string {
  if (isTest(path)) return 'tests';
  const [top = '', next = ''] = path.split('/');
  return top === 'src' ? next : top;
}

/** Reads tidy-limits.json; a room that is not in it may have none. */
export function parseLimits(text: string): EscapeTable {
  const parsed: unknown = JSON.parse(text);
  if (typeof parsed !== 'object' || parsed === null) throw new Error(`${LIMITS_PATH}: expected an object of rooms`);
  return new Map(Object.entries(parsed).map(([room, counts]) => [room, parseCounts(room, counts)]));
}

function parseCounts(room: string, counts: unknown): EscapeCounts {
  const table = new Map(Object.entries(typeof counts === 'object' && counts !== null ? counts : {}));
  const count = (kind: EscapeKind): number => {
    const value: unknown = table.get(kind);
    if (typeof value === 'number') return value;
    throw new Error(`${LIMITS_PATH}: ${room}.${kind} is not a number; run: node scripts/tidy.ts --set-limits`);
  };
  return { any: count('any'), as: count('as'), '!': count('!'), ignore: count('ignore') };
}

/** One finding for each count that has grown; it names the files. */
export function checkEscapes(facts: ReadonlyMap<string, SourceFacts>, limits: EscapeTable): Finding[] {
  const findings: Finding[] = [];
  for (const [room, counts] of countEscapes(facts)) {
    for (const kind of ESCAPES) {
      const limit = limits.get(room)?.[kind] ?? 0;
      if (counts[kind] <= limit) continue;
      const places = placesOf(facts, room, kind).join(', ');
      const text = `${room} has ${counts[kind]} of "${kind}", ${limit} are allowed: ${places}; do without, or raise the limit with the reason in the commit`;
      findings.push({ path: LIMITS_PATH, line: 0, text });
    }
  }
  return findings;
}

function placesOf(facts: ReadonlyMap<string, SourceFacts>, room: string, kind: EscapeKind): string[] {
  return [...facts].flatMap(([path, fact]) => {
    const lines = roomName(path) === room ? fact.escapes.filter((entry) => entry.kind === kind) : [];
    return lines.length === 0 ? [] : [`${path}:${lines.map(({ line }) => line).join(':')}`];
  });
}

/** The table as text, for the screen. */
export function showEscapes(counts: EscapeTable, limits: EscapeTable): string {
  const rows = [...counts].map(([room, count]) => {
    const cells = ESCAPES.map((kind) => `${count[kind]}/${limits.get(room)?.[kind] ?? 0}`.padStart(9));
    return `  ${room.padEnd(12)}${cells.join('')}`;
  });
  const head = `  ${'count/limit'.padEnd(12)}${ESCAPES.map((kind) => kind.padStart(9)).join('')}`;
  return ['Ways around the type checker, per room:', head, ...rows].join('\n');
}

/** The counts as tidy-limits.json. */
export function formatLimits(counts: EscapeTable): string {
  return `${JSON.stringify(Object.fromEntries(counts), null, 2)}\n`;
}
