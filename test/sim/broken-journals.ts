/**
 * Builds that are broken on purpose, one way each: what a core or a store would do to the disk if it had that defect. The
 * simulation must find every one of them, or it would not find the defect either.
 */
import type { Journal, JournalRecord, QueueRow, StoredRecord, Ticket } from '../../src/core/ports.ts';
import type { CrashJournal } from '../fixtures/crash-journal.ts';

interface Break {
  /** Records that do not reach the disk. */
  readonly loses?: (record: JournalRecord) => boolean;
  /** Everything counts as durable as soon as it is appended. */
  readonly isHasty?: boolean;
  /** What is read back is handed over otherwise; null = not at all. */
  readonly loadsAs?: (record: StoredRecord) => StoredRecord | null;
}

/** One record of so many of its kind is lost: a defect that always shows would be found by anything. */
const LOST_OF = 4;

class BrokenJournal implements Journal {
  readonly isVolatile = false;
  readonly #inner: CrashJournal;
  readonly #break: Break;

  constructor(inner: CrashJournal, breakage: Break) {
    this.#inner = inner;
    this.#break = breakage;
  }

  get durable(): Ticket {
    return this.#break.isHasty === true ? this.#inner.lastTicket : this.#inner.durable;
  }

  get isFailing(): boolean {
    return this.#inner.isFailing;
  }

  get isBehind(): boolean {
    return this.#inner.isBehind;
  }

  get onProgress(): () => void {
    return this.#inner.onProgress;
  }

  set onProgress(onProgress: () => void) {
    this.#inner.onProgress = onProgress;
  }

  append(record: JournalRecord): Ticket {
    return this.#break.loses?.(record) === true ? this.#inner.lastTicket : this.#inner.append(record);
  }

  load(headMax: number, apply: (record: StoredRecord) => void): Promise<void> {
    const { loadsAs } = this.#break;
    return this.#inner.load(headMax, (record) => {
      const changed = loadsAs === undefined ? record : loadsAs(record);
      if (changed !== null) apply(changed);
    });
  }

  readQueue(clientId: string, after: number, limit: number): Promise<readonly QueueRow[]> {
    return this.#inner.readQueue(clientId, after, limit);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

/** Makes a broken build of a good one. */
export type BreakBuild = (journal: CrashJournal) => Journal;

function losing(...kinds: readonly JournalRecord['kind'][]): BreakBuild {
  return (journal) => new BrokenJournal(journal, { loses: ({ kind }) => kinds.includes(kind) });
}

function losingSome(kind: JournalRecord['kind']): BreakBuild {
  return (journal) => {
    let count = 0;
    const loses = (record: JournalRecord): boolean => {
      if (record.kind !== kind) return false;
      count += 1;
      return count % LOST_OF === 0;
    };
    return new BrokenJournal(journal, { loses });
  };
}

function loading(loadsAs: (record: StoredRecord) => StoredRecord | null): BreakBuild {
  return (journal) => new BrokenJournal(journal, { loadsAs });
}

/** By what is wrong with them. */
export const BROKEN_BUILDS: ReadonlyMap<string, BreakBuild> = new Map([
  ['acknowledges before the commit', (journal) => new BrokenJournal(journal, { isHasty: true })],
  ['loses the id of a QoS 2 message that came', losing('received')],
  ['keeps the id of a QoS 2 message that is finished', losing('received-done')],
  ['forgets wills', losing('will')],
  ['publishes wills again that are over', losing('will-removed')],
  ['forgets the packet id of what was sent, and uses it again', losing('sent')],
  ['sends a QoS 2 message again that was released', losing('released')],
  ['brings back a QoS 2 message that is finished', losing('released', 'done')],
  ['loses a queued message now and then', losingSome('queued')],
  ['loses a subscription now and then', losingSome('subscribed')],
  ['brings back subscriptions that are gone', losing('unsubscribed')],
  ['loses a session now and then', losingSome('session')],
  ['brings back sessions that have ended', losing('session-removed')],
  ['does not know when a client went', losing('session-offline')],
  ['loses a retained message now and then', losingSome('retained')],
  ['brings back retained messages that were cleared', losing('retained-removed')],
  [
    'loses what waits beyond the head of a queue',
    loading((record) => (record.kind === 'tail' ? { ...record, count: 0 } : record)),
  ],
  [
    'mixes up the states of what is in flight',
    loading((record) => (record.kind === 'sent' ? { ...record, isReleased: !record.isReleased } : record)),
  ],
]);
