/**
 * Breaks the journal of a broker on purpose, to see that the crash campaign finds it: `node --import` this file before the
 * program, with `?break=` and the name of the mistake.
 */
import type { JournalRecord } from '../../src/core/ports.ts';
import { StoreJournal } from '../../src/modules/persistence/store-journal.ts';

/** What goes wrong, by the records that are not written. */
const FORGOTTEN: ReadonlyMap<string, JournalRecord['kind']> = new Map([
  ['forgets-received-ids', 'received'],
  ['forgets-wills', 'will'],
  ['forgets-pubrec', 'released'],
  ['forgets-unsubscribe', 'unsubscribed'],
  ['forgets-clears', 'retained-removed'],
]);

/** Two more: all that is told counts as durable at once, and a message in flight comes back with the id of another one. */
const EARLY = 'acknowledges-before-commit';
const MIXED_IDS = 'mixes-packet-ids';

/** Puts `change` before what the journal is told; null = it is not told. */
function distort(change: (record: JournalRecord) => JournalRecord | null): void {
  const { append } = StoreJournal.prototype;
  StoreJournal.prototype.append = function appendDistorted(this: StoreJournal, record) {
    const changed = change(record);
    return changed === null ? 0 : append.call(this, changed);
  };
}

const name = new URL(import.meta.url).searchParams.get('break') ?? '';
const forgotten = FORGOTTEN.get(name);
if (forgotten !== undefined) distort((record) => (record.kind === forgotten ? null : record));
else if (name === EARLY) {
  Object.defineProperty(StoreJournal.prototype, 'durable', { get: () => Number.MAX_SAFE_INTEGER });
} else if (name === MIXED_IDS) {
  distort((record) => (record.kind === 'sent' ? { ...record, packetId: record.packetId + 1 } : record));
} else throw new Error(`?break= must be ${[EARLY, MIXED_IDS, ...FORGOTTEN.keys()].join(', ')}, not '${name}'`);
