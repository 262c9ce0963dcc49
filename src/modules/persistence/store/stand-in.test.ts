import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { decodeRow } from '../bodies.ts';
import { RowState } from '../ops.ts';
import { mayBeQos2, standInBody } from './stand-in.ts';
import { bytes, loadedLines, opsOf, optionsFor, row, withFolder } from './store.fixture.ts';
import { Store } from './store.ts';
import { openDatabase } from './store-database.ts';

const SCALE = { toStored: (ms: number) => ms, fromStored: (ms: number) => ms, nameOf: () => '', idOf: () => 0 };
const QOS_1 = Uint8Array.of(1, 1, 9);
const QOS_2 = Uint8Array.of(1, 2, 9);

/** Title, rows of session 1, the position of the damaged one, what stands there afterwards. */
const CASES = [
  [
    'a message on its way',
    [
      [1, RowState.Sent, 7, QOS_2],
      [2, RowState.Queued, 0, QOS_2],
    ],
    1,
    'released 7 0',
  ],
  ['a message that was released', [[1, RowState.Released, 7, QOS_2]], 1, 'released 7 0'],
  ['a message of QoS 1', [[1, RowState.Sent, 7, QOS_1]], 1, null],
  ['a message that waits', [[1, RowState.Queued, 0, QOS_2]], 1, null],
  [
    'a packet id that another row has',
    [
      [1, RowState.Sent, 7, QOS_2],
      [2, RowState.Sent, 7, QOS_2],
    ],
    1,
    null,
  ],
  [
    'behind one that waits',
    [
      [1, RowState.Queued, 0, QOS_2],
      [2, RowState.Sent, 7, QOS_2],
    ],
    2,
    null,
  ],
] as const;

for (const [title, rows, damaged, expected] of CASES) {
  test(`stand-in: ${title}`, () => {
    withFolder((folder) => {
      const { store } = Store.open(optionsFor(folder));
      store.apply(
        opsOf((w) => {
          w.session(1, bytes('s'));
          for (const [position, state, packetId, body] of rows) w.queued(row(1, position, { state, packetId }), body);
        }),
      );
      const database = openDatabase(join(folder, 'zanzara.db'));
      database.prepare('UPDATE queue SET crc = crc + 1 WHERE position = ?').run(damaged);
      database.close();
      const said = store.replace('a row').join(' ');
      assert.match(said, /Left out, for their bytes are damaged: 1 queued messages/);
      const made = Store.open(optionsFor(folder)).store;
      const found = loadedLines(made, 10).find((line) => line.startsWith(`queued 1 ${damaged} `)) ?? null;
      made.close();
      assert.equal(found?.replace(`queued 1 ${damaged} `, '').slice(0, 12) ?? null, expected);
    });
  });
}

test('stand-in: its body is one that loading understands', () => {
  const { delivery } = decodeRow(1, standInBody(), null, SCALE);
  assert.deepEqual([delivery.qos, delivery.message.qos, delivery.message.payloadEnd], [2, 2, 0]);
  assert.deepEqual([mayBeQos2(standInBody()), mayBeQos2(QOS_1), mayBeQos2(null)], [true, false, true]);
});
