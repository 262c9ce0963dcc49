/** Rows of a queue that were read back, out of the bytes in which they came. */
import type { OwnedMessage, QueueRow } from '../../core/ports.ts';
import { BodyError, decodeMessage, decodeRow, type StoreScale } from './bodies.ts';
import { type OpVisitor, type RowPlace, readOps } from './ops.ts';

export interface StoredRows {
  readonly rows: readonly QueueRow[];
  /** Positions of rows that could not be understood. */
  readonly damaged: readonly number[];
}

/** @throws RangeError, TypeError when the bytes are not what OpWriter wrote */
export function readStoredRows(ops: Uint8Array, scale: StoreScale): StoredRows {
  const reading = new RowReading(scale);
  readOps(ops, reading);
  return reading;
}

/** Hears rows and the messages that they share; everything else is passed over. */
class RowReading implements OpVisitor {
  readonly rows: QueueRow[] = [];
  readonly damaged: number[] = [];
  readonly #scale: StoreScale;
  readonly #messages = new Map<number, OwnedMessage>();

  constructor(scale: StoreScale) {
    this.#scale = scale;
  }

  queued(place: RowPlace, body: Uint8Array): void {
    this.#take(place, body, null);
  }

  message(message: number, body: Uint8Array): void {
    try {
      this.#messages.set(message, decodeMessage(body, this.#scale));
    } catch (error) {
      // Its rows are damaged then.
      if (!(error instanceof BodyError)) throw error;
    }
  }

  queuedShared(place: RowPlace, message: number, body: Uint8Array): void {
    const owned = this.#messages.get(message);
    if (owned === undefined) this.damaged.push(place.position);
    else this.#take(place, body, owned);
  }

  #take({ position }: RowPlace, body: Uint8Array, message: OwnedMessage | null): void {
    try {
      this.rows.push(decodeRow(position, body, message, this.#scale));
    } catch (error) {
      if (!(error instanceof BodyError)) throw error;
      this.damaged.push(position);
    }
  }

  session(): void {}
  sessionRemoved(): void {}
  subscribed(): void {}
  unsubscribed(): void {}
  moved(): void {}
  done(): void {}
  received(): void {}
  receivedDone(): void {}
  retained(): void {}
  retainedRemoved(): void {}
  will(): void {}
  willRemoved(): void {}
  time(): void {}
  tail(): void {}
}
