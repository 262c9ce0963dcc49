/**
 * The batch against a store that is told of each change by itself: whatever cancels out, wherever groups are cut, and also when
 * a group that is thought to have failed is written once more, each group ends where all changes until then lead to.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { OwnedMessage } from '../../core/model/message.ts';
import type { JournalRecord } from '../../core/ports.ts';
import { decodeMessage, decodeRow } from './bodies.ts';
import { KeyHistory } from './key-history.fixture.ts';
import { type OpVisitor, OpWriter, type RowPlace, type RowState, readOps } from './ops.ts';
import { PendingBatch } from './pending-batch.ts';
import { RecordIntake } from './record-intake.ts';
import { payloadOf, SHIFTED_SCALE } from './records.fixture.ts';
import { SessionTable } from './session-table.ts';

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

/** What is stored, in words, by thing: `1 row 7`, `1 filter a`, `retained a`. */
class PlainStore implements OpVisitor {
  readonly things = new Map<string, string>();
  readonly #messages = new Map<number, OwnedMessage>();

  session(session: number, body: Uint8Array): void {
    this.things.set(`${session} session`, hex(body));
  }
  sessionRemoved(session: number): void {
    for (const key of this.things.keys()) if (key.startsWith(`${session} `)) this.things.delete(key);
  }
  subscribed(session: number, filter: Uint8Array, body: Uint8Array): void {
    this.things.set(`${session} filter ${text(filter)}`, hex(body));
  }
  unsubscribed(session: number, filter: Uint8Array): void {
    this.things.delete(`${session} filter ${text(filter)}`);
  }
  queued(place: RowPlace, body: Uint8Array): void {
    this.#putRow(place, body, null);
  }
  message(message: number, body: Uint8Array): void {
    this.#messages.set(message, decodeMessage(body, SHIFTED_SCALE));
  }
  queuedShared(place: RowPlace, message: number, body: Uint8Array): void {
    this.#putRow(place, body, this.#messages.get(message) ?? assert.fail(`message ${message} comes before its rows`));
  }
  moved(session: number, position: number, state: RowState, packetId: number): void {
    const key = `${session} row ${position}`;
    const before = this.things.get(key);
    if (before !== undefined) this.things.set(key, `${before.split(' | ')[0]} | ${state} ${packetId}`);
  }
  done(session: number, position: number): void {
    this.things.delete(`${session} row ${position}`);
  }
  received(session: number, packetId: number): void {
    this.things.set(`${session} received ${packetId}`, 'there');
  }
  receivedDone(session: number, packetId: number): void {
    this.things.delete(`${session} received ${packetId}`);
  }
  retained(topic: Uint8Array, body: Uint8Array): void {
    this.things.set(`retained ${text(topic)}`, hex(body));
  }
  retainedRemoved(topic: Uint8Array): void {
    this.things.delete(`retained ${text(topic)}`);
  }
  will(clientId: Uint8Array, body: Uint8Array): void {
    this.things.set(`will ${text(clientId)}`, hex(body));
  }
  willRemoved(clientId: Uint8Array): void {
    this.things.delete(`will ${text(clientId)}`);
  }
  time(): void {}
  tail(): void {}

  #putRow({ session, position, state, packetId }: RowPlace, body: Uint8Array, message: OwnedMessage | null): void {
    const { delivery } = decodeRow(position, body, message, SHIFTED_SCALE);
    this.things.set(
      `${session} row ${position}`,
      `${payloadOf(delivery.message)} q${delivery.qos} | ${state} ${packetId}`,
    );
  }
}

/** A batch, what it is fed by, and what it leads to. */
class Side {
  readonly store = new PlainStore();
  readonly #batch = new PendingBatch(SHIFTED_SCALE);
  readonly #intake = new RecordIntake(new SessionTable(1), this.#batch);

  take(record: JournalRecord): void {
    this.#intake.take(record);
  }

  /** `isWhole`: with what stands aside. */
  ship(isWhole: boolean, times: number): void {
    if (isWhole) this.#batch.joinLater();
    const ops = new OpWriter();
    this.#batch.writeTo(ops, null);
    const bytes = ops.finish();
    for (let time = 0; time < times; time += 1) readOps(bytes, this.store);
    assert.deepEqual([this.#batch.readyCount, this.#batch.awaitedCount], [0, 0]);
    if (isWhole) assert.deepEqual([this.#batch.changeCount, this.#batch.byteCount], [0, 0]);
  }

  /** `isWhole` false: without what may stand aside. */
  things(isWhole: boolean): readonly string[] {
    const words = [...this.store.things].map(([key, value]) => `${key}: ${value}`);
    return words.filter((word) => isWhole || !word.startsWith('retained ')).sort();
  }
}

const KINDS = [
  'connect',
  'offline',
  'remove',
  'queue',
  'queue',
  'queue-all',
  'sent',
  'sent',
  'released',
  'done',
  'done',
];
const OTHERS = ['received', 'received-done', 'retained', 'retained0', 'retained-removed', 'will', 'will-removed'];

const step = fc.record({
  kind: fc.constantFrom(...KINDS, ...OTHERS, 'subscribe', 'unsubscribe', 'ship', 'ship', 'ship-whole', 'ship-twice'),
  clientId: fc.constantFrom('a', 'b'),
  choice: fc.nat(2),
});

test('each group ends where the changes until then lead to, one by one', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 10, maxLength: 120, size: 'max' }), (steps) => {
      const history = new KeyHistory();
      const plain = new Side();
      const grouped = new Side();
      for (const { kind, clientId, choice } of [...steps, { kind: 'ship-whole', clientId: 'a', choice: 0 }]) {
        if (kind.startsWith('ship')) {
          const isWhole = kind === 'ship-whole';
          grouped.ship(isWhole, kind === 'ship-twice' ? 2 : 1);
          assert.deepEqual(grouped.things(isWhole), plain.things(isWhole));
          continue;
        }
        for (const record of history.recordsFor(kind, clientId, choice)) {
          history.note(record, 0);
          grouped.take(record);
          plain.take(record);
          plain.ship(true, 1);
        }
      }
    }),
    { numRuns: 300 },
  );
});
