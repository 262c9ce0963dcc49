/** What the lines of a file have given so far, before defaults: for the broker, a listener, a bridge. */
import type { ConfigNote } from './config.ts';
import type { Place } from './config-error.ts';
import { type Compat, type GivenValue, keyOf, type Option, REPEATABLE_KINDS } from './option.ts';
import { rowsOf, type ScopeValues } from './options.ts';
import type { ValueType } from './values.ts';

/** What the lines of one option gave, in order. */
export interface GivenOption {
  readonly values: GivenValue[];
  /** The last line. */
  place: Place;
}

/** Options that belong together, by key. */
export type Section = Map<string, GivenOption>;

/** Adds what a line gave. */
export function addTo(section: Section, key: string, place: Place, value: GivenValue): void {
  const given = section.get(key) ?? { values: [], place };
  given.values.push(value);
  given.place = place;
  section.set(key, given);
}

/** Every value of a scope, given or default, frozen. */
export function settle<Scope extends keyof ScopeValues>(
  scope: Scope,
  section: Section,
  compat: Compat,
): ScopeValues[Scope] {
  const rows = rowsOf(scope).filter((row) => hasValue(row.type));
  const entries = rows.map((row) => {
    const key = keyOf(row.name);
    return [key, settledValue(row, section.get(key), compat)];
  });
  // Justified by the table: it gives both the types of the values and the readers that made them.
  return Object.freeze(Object.fromEntries(entries)) as ScopeValues[Scope];
}

/** The default of an option in a version. */
export function defaultOf(row: Option, compat: Compat): unknown {
  const older = row.defaultIn;
  if (compat === '2.1' || older === undefined || !(compat in older)) return row.default;
  return older[compat];
}

function settledValue(row: Option, given: GivenOption | undefined, compat: Compat): unknown {
  if (given === undefined) return defaultOf(row, compat);
  return REPEATABLE_KINDS.has(row.type.kind) ? Object.freeze([...given.values]) : given.values.at(-1);
}

/** Whether options of a type have a place among the values. */
export function hasValue(type: Option['type']): type is ValueType {
  switch (type.kind) {
    case 'listener':
    case 'connection':
    case 'include-folder':
    case 'plugin':
    case 'named-plugin':
    case 'plugin-use':
    case 'plugin-option':
    case 'plugin-switch':
    case 'refused':
    case 'without-effect':
      return false;
    default:
      return true;
  }
}

/** A note with the line that it is about. */
export function noteAt(level: ConfigNote['level'], text: string, { file, line }: Place): ConfigNote {
  return Object.freeze({ level, text: `${text} (${file}:${line})` });
}
