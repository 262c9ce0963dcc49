/** What the options of the store make of each other. */
import { keyOf } from './option.ts';
import type { GlobalValues } from './options.ts';
import type { Reading } from './reading.ts';
import { noteAt } from './section.ts';

/** Options of ours that do something only while state is kept on disk. Those of Mosquitto's often stand there without. */
const ONLY_WITH_PERSISTENCE = ['durability', 'will_restart_grace'] as const;

/** Notes options that do nothing, and one that undoes another. */
export function checkPersistence({ persistence, durability }: GlobalValues, { global, notes }: Reading): void {
  for (const name of persistence ? [] : ONLY_WITH_PERSISTENCE) {
    const given = global.get(keyOf(name));
    if (given === undefined) continue;
    const text = `Warning: '${name}' has no effect: nothing is kept on disk without 'persistence true'.`;
    notes.push(noteAt('warning', text, given.place));
  }
  const given = global.get('durability');
  if (given === undefined || !persistence || durability.kind !== 'off') return;
  const text = "Warning: 'durability off' keeps all state in memory: it is lost when the broker stops.";
  notes.push(noteAt('warning', text, given.place));
}
