/**
 * The Journal of `persistence false`: everything is durable at once, and gone with the process. It keeps only what
 * sessions do not hold themselves, the tails of long queues.
 */
import type { Journal, JournalRecord, QueueRow, Ticket } from '../../core/ports.ts';

class MemoryJournal implements Journal {
  readonly isVolatile = true;
  readonly isFailing = false;
  readonly isBehind = false;
  onProgress: () => void = () => undefined;
  /** Rows by session and position; a Map keeps the order of positions, which only grow. */
  readonly #tails = new Map<string, Map<number, QueueRow>>();
  #durable: Ticket = 0;

  get durable(): Ticket {
    return this.#durable;
  }

  append(record: JournalRecord): Ticket {
    if (record.kind === 'queued' && !record.isHeld) this.#add(record.clientId, record.row);
    else if (record.kind === 'done') this.#remove(record.clientId, record.position);
    else if (record.kind === 'session-removed') this.#tails.delete(record.clientId);
    this.#durable += 1;
    return this.#durable;
  }

  load(): Promise<void> {
    return Promise.resolve();
  }

  readQueue(clientId: string, after: number, limit: number): Promise<readonly QueueRow[]> {
    const rows: QueueRow[] = [];
    for (const row of this.#tails.get(clientId)?.values() ?? []) {
      if (rows.length >= limit) break;
      if (row.position > after) rows.push(row);
    }
    return Promise.resolve(rows);
  }

  close(): Promise<void> {
    this.#tails.clear();
    return Promise.resolve();
  }

  #add(clientId: string, row: QueueRow): void {
    let tail = this.#tails.get(clientId);
    if (tail === undefined) {
      tail = new Map();
      this.#tails.set(clientId, tail);
    }
    tail.set(row.position, row);
  }

  #remove(clientId: string, position: number): void {
    const tail = this.#tails.get(clientId);
    if (tail === undefined) return;
    tail.delete(position);
    if (tail.size === 0) this.#tails.delete(clientId);
  }
}

export function createMemoryJournal(): Journal {
  return new MemoryJournal();
}
