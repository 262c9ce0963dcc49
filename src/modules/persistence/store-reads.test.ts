import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodeRow } from './bodies.ts';
import { NAMES, openSceneWithSession, queue, sent } from './journal-scene.fixture.ts';
import { type OpWriter, RowState } from './ops.ts';
import { payloadOf, rowOf } from './records.fixture.ts';
import { LATER_MS } from './store-journal.ts';

const scale = { ...NAMES, toStored: (ms: number) => ms, fromStored: (ms: number) => ms };

function write(ops: OpWriter, position: number, isSound = true, qos: 1 | 2 = 1): void {
  const place = { session: 1, position, state: RowState.Queued, packetId: 0, payloadBytes: 2 };
  ops.queued(place, isSound ? encodeRow(rowOf(position, `m${position}`, { qos }).delivery, scale) : Uint8Array.of(7));
}

test('what is pending is shipped first, also when a group is under way', async () => {
  const scene = await openSceneWithSession({ rows: (ops) => write(ops, 1) });
  queue(scene, 1);
  scene.turn.end();
  queue(scene, 2);
  const reading = scene.journal.readQueue('a', 0, 5);
  queue(scene, 3);
  assert.equal(scene.store.waiting.length, 1, 'a turn stays whole');
  scene.turn.end();
  assert.deepEqual(
    scene.store.waiting.map((message) =>
      message.kind === 'read' ? [message.session, message.after, message.limit] : message.kind,
    ),
    ['commit', 'commit', [1, 0, 5]],
  );
  scene.store.release();
  assert.deepEqual(
    (await reading).map(({ delivery }) => payloadOf(delivery.message)),
    ['m1'],
  );
  assert.deepEqual(scene.store.commits, [['queued 1:1'], ['queued 1:2', 'queued 1:3']]);
});

test('a read that waits for the end of the turn is told when there is nothing to be had by then', async () => {
  const scene = await openSceneWithSession();
  queue(scene, 1);
  const failing = assert.rejects(scene.journal.readQueue('a', 0, 5), /closed/);
  const closing = scene.journal.close();
  scene.turn.end();
  scene.store.release();
  await closing;
  await failing;
});

test('several reads are answered each with its own', async () => {
  const scene = await openSceneWithSession({ rows: (ops, { after }) => write(ops, after + 1) });
  const readings = [0, 10, 20].map((after) => scene.journal.readQueue('a', after, 1));
  scene.store.release();
  const rows = await Promise.all(readings);
  assert.deepEqual(
    rows.map(([row]) => row?.position),
    [1, 11, 21],
  );
});

test('rows that are damaged in the store are left out, and the log says whose they were', async () => {
  const scene = await openSceneWithSession({ rows: (ops) => write(ops, 3) });
  scene.store.lostCount = 2;
  const reading = scene.journal.readQueue('a', 0, 5);
  scene.store.release();
  assert.equal((await reading).length, 1);
  assert.deepEqual(scene.log.texts('error'), [
    'Error: 2 messages in the queue of a are damaged in the store, and are left out.',
  ]);
});

test('rows that cannot be understood are left out and removed, and what is behind them is read', async () => {
  const scene = await openSceneWithSession({
    rows: (ops, { after }) => {
      if (after >= 2) write(ops, 3);
      else for (const position of [1, 2]) write(ops, position, false);
    },
  });
  const reading = scene.journal.readQueue('a', 0, 2);
  scene.store.release();
  assert.deepEqual(
    (await reading).map(({ position }) => position),
    [3],
  );
  assert.match(scene.log.texts('error').join(), /2 messages in the queue of a/);
  scene.store.commits.length = 0;
  scene.clock.advance(LATER_MS);
  scene.store.release();
  assert.deepEqual(scene.store.commits, [['done 1:1', 'done 1:2']]);
});

test('a read that fails rejects, and the next one may do well', async () => {
  const scene = await openSceneWithSession({ rows: (ops) => write(ops, 1) });
  const failing = assert.rejects(scene.journal.readQueue('a', 0, 5), /the disk is gone/);
  const [message] = scene.store.waiting.splice(0);
  assert.ok(message?.kind === 'read');
  scene.store.onMessage({ kind: 'read-failed', id: message.id, reason: 'the disk is gone' });
  await failing;
  const reading = scene.journal.readQueue('a', 0, 5);
  scene.store.release();
  assert.equal((await reading).length, 1);
});

test('while the store fails there is nothing to be had, and nothing is posted', async () => {
  const scene = await openSceneWithSession();
  queue(scene, 1);
  scene.turn.end();
  scene.store.fail('the disk is full');
  queue(scene, 2);
  await assert.rejects(scene.journal.readQueue('a', 0, 5), /the disk is full/);
  assert.equal(scene.store.waiting.length, 1);
});

test('bytes that are no operations reject', async () => {
  const scene = await openSceneWithSession();
  const failing = assert.rejects(scene.journal.readQueue('a', 0, 5), /no operation of kind 99/);
  const [message] = scene.store.waiting.splice(0);
  assert.ok(message?.kind === 'read');
  scene.store.onMessage({ kind: 'read', id: message.id, ops: Uint8Array.of(99), lost: 0 });
  await failing;
});

test('a QoS 2 row that was read back is known as such: its packet id is waited for', async () => {
  const scene = await openSceneWithSession({ rows: (ops) => write(ops, 5, true, 2) });
  assert.equal(sent(scene, 4), 0);
  const reading = scene.journal.readQueue('a', 0, 5);
  scene.turn.end();
  scene.store.release();
  await reading;
  assert.ok(sent(scene, 5) > 0);
  assert.equal(sent(scene, 6), 0);
});

test('reads that are under way at the end reject', async () => {
  const scene = await openSceneWithSession();
  const failing = assert.rejects(scene.journal.readQueue('a', 0, 5), /closed/);
  scene.store.waiting.length = 0;
  const closing = scene.journal.close();
  scene.store.release();
  await closing;
  await failing;
});
