/** Reads of queues that are under way. */
import type { Log } from '../../base/log.ts';
import type { QueueRow } from '../../core/ports.ts';
import type { StoreScale } from './bodies.ts';
import type { StoredSession } from './session-table.ts';
import type { StorePort } from './store-port.ts';
import { readStoredRows } from './stored-rows.ts';
import type { FromStore } from './thread-messages.ts';

export interface ReadWish {
  readonly session: StoredSession;
  readonly clientId: string;
  readonly after: number;
  readonly limit: number;
}

interface OpenRead extends ReadWish {
  readonly resolve: (rows: readonly QueueRow[]) => void;
  readonly reject: (error: Error) => void;
}

interface Losses {
  readonly lostCount: number;
  /** Position of the last row that was whole but could not be understood; 0 = none. */
  readonly lastDamaged: number;
}

export interface StoreReadsParts {
  readonly port: StorePort;
  readonly log: Log;
  readonly scale: StoreScale;
}

/** There is one at a time for each session that is online: the session waits for its answer. */
export class StoreReads {
  readonly #parts: StoreReadsParts;
  readonly #open = new Map<number, OpenRead>();
  #lastId = 0;

  constructor(parts: StoreReadsParts) {
    this.#parts = parts;
  }

  read(wish: ReadWish): Promise<readonly QueueRow[]> {
    return new Promise((resolve, reject) => this.#ask({ ...wish, resolve, reject }));
  }

  /** An answer. @returns rows that could not be understood, which nobody needs any more; null = nobody had asked. */
  take(
    message: FromStore & { readonly kind: 'read' | 'read-failed' },
  ): { readonly session: StoredSession; readonly positions: readonly number[] } | null {
    const read = this.#open.get(message.id);
    if (read === undefined) return null;
    this.#open.delete(message.id);
    const { session } = read;
    if (message.kind === 'read-failed') {
      read.reject(new Error(message.reason));
      return null;
    }
    try {
      const { rows, damaged } = readStoredRows(message.ops, this.#parts.scale);
      this.#finish(read, rows, { lostCount: message.lost + damaged.length, lastDamaged: damaged.at(-1) ?? 0 });
      return { session, positions: damaged };
    } catch (error) {
      read.reject(error instanceof Error ? error : new Error(String(error)));
      return null;
    }
  }

  failAll(error: Error): void {
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
  }

  #ask(read: OpenRead): void {
    const { session, after, limit } = read;
    this.#lastId += 1;
    this.#open.set(this.#lastId, read);
    this.#parts.port.post({ kind: 'read', id: this.#lastId, session: session.number, after, limit });
  }

  #finish(read: OpenRead, rows: readonly QueueRow[], { lostCount, lastDamaged }: Losses): void {
    const { session, clientId, after, resolve } = read;
    if (lostCount > 0) {
      this.#parts.log.write(
        'error',
        `Error: ${lostCount} messages in the queue of ${clientId} are damaged in the store, and are left out.`,
      );
    }
    if (rows.length === 0 && lastDamaged > after) {
      // Behind them there may be sound ones.
      this.#ask({ ...read, after: lastDamaged });
      return;
    }
    for (const { position, delivery } of rows) session.see(position, delivery.qos);
    resolve(rows);
  }
}
