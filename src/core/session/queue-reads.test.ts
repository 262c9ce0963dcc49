import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createHarness } from '../../../test/fixtures/broker-harness.ts';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import { SlowJournal } from '../../../test/fixtures/slow-journal.ts';
import { TimerQueue } from '../../base/timer-queue.ts';
import { Durability } from '../delivery/durability.ts';
import { DEFAULT_SETTINGS } from '../model/settings.ts';
import { StoredMessages } from '../model/stored-messages.ts';
import { retained } from '../routing/routing.fixture.ts';
import { QueueReads, READ_HELD_BYTES_MAX, READS_AT_ONCE_MAX, SMALL_READ_ROWS } from './queue-reads.ts';
import { SessionQueue } from './session-queue.ts';
import { Subscriptions } from './subscriptions.ts';

test('a crowd that returns at once reads a few queues at a time, and all of them in the end', async () => {
  const clientCount = 3 * READS_AT_ONCE_MAX;
  const journal = new SlowJournal({ isAtOnce: true });
  const house = createHarness({ journal, settings: { queueHeadMax: 1 } });
  const clients = Array.from({ length: clientCount }, (_, index) => {
    const client = house.client(`c${index}`, { cleanStart: false });
    client.subscribe('t', { qos: 1 });
    return client;
  });
  for (const client of clients) client.cut();
  const pub = house.client('pub');
  for (const text of ['1', '2']) pub.publish('t', text, { qos: 1 });
  journal.holdReads();
  const again = clients.map((_, index) => house.client(`c${index}`, { cleanStart: false }));
  await house.settleLater();
  assert.equal(journal.reads.length, READS_AT_ONCE_MAX);
  journal.releaseReads();
  for (let round = 0; round < clientCount; round += 1) await house.settleLater();
  for (const client of again) {
    assert.deepEqual(
      client.publishes().map(({ text }) => text),
      ['1', '2'],
    );
  }
});

test('a read that failed leaves its place to the next one', async () => {
  const journal = new SlowJournal();
  const reads = new QueueReads(journal);
  for (let count = 0; count < 2 * READS_AT_ONCE_MAX; count += 1) {
    journal.failNextRead(new Error('unreadable'));
    await assert.rejects(reads.read('c', 0, 10), /unreadable/);
  }
  assert.deepEqual(await reads.read('c', 0, 10), []);
});

test('the places are never more than they are', async () => {
  const journal = new SlowJournal();
  journal.holdReads();
  const reads = new QueueReads(journal);
  const all = Array.from({ length: 2 * READS_AT_ONCE_MAX }, () => reads.read('c', 0, 10));
  assert.equal(journal.reads.length, READS_AT_ONCE_MAX);
  journal.releaseReads();
  journal.holdReads();
  await setImmediate();
  assert.equal(journal.reads.length, 2 * READS_AT_ONCE_MAX);
  const late = reads.read('c', 0, 10);
  assert.equal(journal.reads.length, 2 * READS_AT_ONCE_MAX);
  journal.releaseReads();
  await Promise.all([...all, late]);
});

test('while much is held that was read, a read is small', async () => {
  const journal = new SlowJournal();
  const reads = new QueueReads(journal);
  reads.hold(READ_HELD_BYTES_MAX);
  await reads.read('c', 0, 1000);
  reads.hold(-1);
  await reads.read('c', 0, 1000);
  assert.deepEqual(
    journal.reads.map(({ limit }) => limit),
    [SMALL_READ_ROWS, 1000],
  );
});

test('what a session has read counts until it was taken, or the session ends', async () => {
  const journal = new SlowJournal({ isAtOnce: true });
  const reads = new QueueReads(journal);
  const queue = new SessionQueue('c', new Subscriptions(), {
    settings: { ...DEFAULT_SETTINGS, queueHeadMax: 2 },
    durability: new Durability(journal),
    reads,
    stored: new StoredMessages(),
    timers: new TimerQueue(new FakeClock()),
    log: new MemoryLog(),
  });
  const delivery = {
    message: retained('t', 'four'),
    qos: 1,
    retain: false,
    subscriptionIdentifiers: null,
    shared: null,
  } as const;
  for (let count = 0; count < 6; count += 1) queue.push(delivery, true);
  const held: number[] = [reads.heldBytes];
  for (let count = 0; count < 2; count += 1) {
    queue.shift();
    queue.shift();
    held.push(reads.heldBytes);
    await new Promise<void>((resolve) => queue.refill(resolve));
    held.push(reads.heldBytes);
  }
  queue.end();
  assert.deepEqual([...held, reads.heldBytes], [0, 0, 8, 0, 8, 0]);
});
