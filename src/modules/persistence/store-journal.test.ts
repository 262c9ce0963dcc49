import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import type { JournalRecord } from '../../core/ports.ts';
import {
  done,
  type JournalScene,
  openScene,
  openSceneWithSession,
  queue,
  sent,
  storeAll,
} from './journal-scene.fixture.ts';
import { GROUP_BYTES_MAX, GROUP_CHANGES_MAX } from './pending-batch.ts';
import { messageOf, queuedRecord, rowOf, sessionRecord, subscriptionOf, topicOf } from './records.fixture.ts';
import { SESSION_NUMBER_MAX } from './session-table.ts';
import { REASON_MS } from './store-health.ts';
import { BEHIND_BYTES, CAUGHT_UP_BYTES, CLOSE_MS_MAX, END_MS_MAX, LATER_MS } from './store-journal.ts';

/** Ends the turn and commits everything that wants to be; the words of each commit. */
function commitAll({ turn, store }: JournalScene): readonly (readonly string[])[] {
  store.commits.length = 0;
  turn.end();
  store.release();
  return store.commits;
}

function retained(topic: string, qos: 0 | 1 = 0, text = 'm'): JournalRecord {
  return {
    kind: 'retained',
    message: messageOf(text, { topic: topicOf(topic), qos, retain: true }),
    sinceMs: Infinity,
  };
}

describe('groups', () => {
  test('the changes of a turn leave at its end, as one', async () => {
    const scene = await openSceneWithSession();
    const tickets = [queue(scene, 1), queue(scene, 2)];
    assert.equal(scene.store.waiting.length, 0);
    scene.turn.end();
    assert.deepEqual(scene.store.nextCommit(), ['queued 1:1', 'queued 1:2']);
    assert.ok(scene.journal.durable < (tickets[0] ?? 0));
    assert.deepEqual(scene.told, []);
    scene.store.release();
    assert.deepEqual(scene.told, [tickets[1]]);
  });

  test('while one is under way the next one gathers, and leaves as soon as that is committed', async () => {
    const scene = await openSceneWithSession();
    const first = queue(scene, 1);
    scene.turn.end();
    const second = queue(scene, 2);
    scene.turn.end();
    const third = queue(scene, 3);
    scene.turn.end();
    assert.equal(scene.store.waiting.length, 1);
    scene.store.release(1);
    assert.deepEqual(scene.told, [first]);
    assert.deepEqual(scene.store.nextCommit(), ['queued 1:2', 'queued 1:3']);
    scene.store.release(1);
    assert.deepEqual(scene.told, [first, third]);
    assert.ok(second < third);
  });

  test('tickets never run ahead of what is committed, whatever is appended and however the commits come', async () => {
    const step = fc.constantFrom('queue', 'queue2', 'sent', 'done', 'retained', 'received', 'turn', 'commit', 'second');
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const scene = await openSceneWithSession();
        const { journal, store, turn, clock } = scene;
        let last = 0;
        const open: { ticket: number; words: string }[] = [];
        const cancelled = new Set<number>();
        let acknowledged = 0;
        const states = new Map<number, { qos: 1 | 2; isSent: boolean }>();
        journal.onProgress = () => {
          const committed = new Set(store.commits.flat().map((line) => line.split(' ').slice(0, 2).join(' ')));
          for (const { ticket, words } of open.splice(0)) {
            if (ticket > journal.durable) open.push({ ticket, words });
            else {
              acknowledged += 1;
              const position = Number(words.split(':')[1]);
              assert.ok(committed.has(words) || cancelled.has(position), `${words} is acknowledged, but not stored`);
            }
          }
        };
        for (const kind of steps) {
          if (kind === 'turn') turn.end();
          else if (kind === 'commit') store.release(1);
          else if (kind === 'second') clock.advance(LATER_MS);
          else if (kind === 'retained') journal.append(retained(`r${last}`));
          else if (kind === 'received') journal.append({ kind: 'received', clientId: 'a', packetId: 1 });
          else if (kind === 'queue' || kind === 'queue2') {
            last += 1;
            const qos = kind === 'queue' ? 1 : 2;
            states.set(last, { qos, isSent: false });
            open.push({ ticket: queue(scene, last, qos), words: `queued 1:${last}` });
          } else {
            const [position, state] = [...states].find(([, { isSent }]) => isSent === (kind === 'done')) ?? [0, null];
            if (state === null) continue;
            if (kind === 'sent') {
              state.isSent = true;
              sent(scene, position);
            } else {
              states.delete(position);
              if (state.qos === 1) cancelled.add(position);
              done(scene, position);
            }
          }
        }
        turn.end();
        store.release();
        assert.equal(open.length, 0, 'everything becomes durable');
        assert.equal(acknowledged, last);
      }),
      { numRuns: 200 },
    );
  });

  test('what nobody waits for gets ticket 0, rides along, or leaves after a second', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    commitAll(scene);
    assert.equal(sent(scene, 1), 0);
    assert.deepEqual(commitAll(scene), []);
    scene.clock.advance(LATER_MS - 1);
    assert.deepEqual(commitAll(scene), []);
    scene.clock.advance(1);
    assert.deepEqual(commitAll(scene), [['moved 1:1 sent 1']]);
    assert.equal(done(scene, 1), 0);
    queue(scene, 2);
    assert.deepEqual(commitAll(scene), [['done 1:1', 'queued 1:2']]);
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), []);
  });

  test('the packet id of a QoS 2 message is waited for, and so is its PUBREC', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1, 2);
    commitAll(scene);
    const sentTicket = sent(scene, 1, 77);
    assert.ok(sentTicket > scene.journal.durable);
    assert.deepEqual(commitAll(scene), [['moved 1:1 sent 77']]);
    assert.equal(scene.journal.durable, sentTicket);
    const releasedTicket = scene.journal.append({ kind: 'released', clientId: 'a', position: 1 });
    assert.deepEqual(commitAll(scene), [['moved 1:1 released 77']]);
    assert.equal(scene.journal.durable, releasedTicket);
  });

  test('every kind of change, in order', async () => {
    const scene = await openSceneWithSession();
    const { journal } = scene;
    const will = { message: messageOf('w'), delaySeconds: 0, expirySeconds: null };
    const records: JournalRecord[] = [
      sessionRecord('b'),
      { kind: 'subscribed', clientId: 'b', subscription: subscriptionOf('$share/g/x') },
      { kind: 'unsubscribed', clientId: 'b', filter: 'y' },
      { kind: 'received', clientId: 'b', packetId: 9 },
      { kind: 'received-done', clientId: 'b', packetId: 8 },
      { kind: 'will', clientId: 'b', userName: null, listenerId: 0, will },
      { kind: 'will-removed', clientId: 'c' },
      { kind: 'retained-removed', topic: topicOf('old') },
      retained('new', 1),
      { kind: 'session-removed', clientId: 'a' },
    ];
    let before = 0;
    for (const record of records) {
      const ticket = journal.append(record);
      assert.ok(ticket > before, `${record.kind} is waited for`);
      before = ticket;
    }
    assert.deepEqual(commitAll(scene), [
      [
        'session 2',
        'subscribed 2 $share/g/x',
        'unsubscribed 2 y',
        'received 2 9',
        'received-done 2 8',
        'will b',
        'will-removed c',
        'session-removed 1',
        'retained-removed old',
        'retained new',
      ],
    ]);
    assert.equal(journal.durable, before);
  });

  test('a session that goes off line is written anew, with what was known of it, and nobody waits', async () => {
    const scene = await openSceneWithSession();
    assert.equal(scene.journal.append({ kind: 'session-offline', clientId: 'a', atMs: 5 }), 0);
    assert.deepEqual(commitAll(scene), []);
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), [['session 1']]);
    scene.journal.append(sessionRecord('a'));
    scene.journal.append({ kind: 'session-offline', clientId: 'a', atMs: 6 });
    assert.deepEqual(commitAll(scene), [['session 1']]);
  });

  test('a session that was removed and comes again gets a new number; its old rows are not written', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    scene.journal.append({ kind: 'session-removed', clientId: 'a' });
    scene.journal.append(sessionRecord('a'));
    queue(scene, 1);
    assert.deepEqual(commitAll(scene), [['session-removed 1', 'session 2', 'queued 2:1']]);
    assert.equal(scene.journal.append({ kind: 'session-removed', clientId: 'nobody' }), 0);
  });

  test('a row for a session that is not known is our fault, not a loss', async () => {
    const scene = await openScene();
    assert.throws(() => scene.journal.append(queuedRecord('x', rowOf(1, 'm'))), /was not told of/);
    assert.equal(scene.journal.append({ kind: 'done', clientId: 'x', position: 1 }), 0);
  });
});

const MEGABYTE = 1024 * 1024;

/** A row of session `a` of a megabyte. */
function queueLarge({ journal }: JournalScene, position: number): void {
  const delivery = { ...rowOf(1, '').delivery, message: messageOf('', { bytes: new Uint8Array(MEGABYTE) }) };
  journal.append(queuedRecord('a', { position, delivery }));
}

/** How many commits wait for the store. */
function groupCount({ store }: JournalScene): number {
  return store.waiting.length;
}

describe('a group has an end', () => {
  test('while one takes long the others leave as they become large, each at the end of a turn', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    scene.turn.end();
    const perTurn = 5;
    for (let turn = 0; turn < 4; turn += 1) {
      for (let index = 0; index < perTurn; index += 1) queueLarge(scene, 2 + turn * perTurn + index);
      assert.equal(groupCount(scene), 1 + Math.floor(turn / 2));
      scene.turn.end();
    }
    assert.equal(groupCount(scene), 3);
    scene.store.release();
    assert.deepEqual(
      scene.store.commits.map(({ length }) => length),
      [1, 2 * perTurn, 2 * perTurn],
    );
    assert.equal(scene.journal.durable, scene.told.at(-1));
    assert.equal(scene.journal.figures().pendingBytes, 0);
  });

  test('what is appended in one turn stays together, however large', async () => {
    const scene = await openSceneWithSession();
    for (let position = 1; position <= 20; position += 1) queueLarge(scene, position);
    const ticket = scene.journal.append({ kind: 'received', clientId: 'a', packetId: 7 });
    const commits = commitAll(scene);
    assert.equal(commits.length, 1);
    assert.equal(commits[0]?.at(-1), 'received 1 7');
    assert.equal(scene.journal.durable, ticket);
  });

  test('nobody is told before the group that holds it is safe; what ends in a later turn is removed by the next', async () => {
    const scene = await openSceneWithSession();
    const first = queue(scene, 1);
    scene.turn.end();
    for (let position = 2; position <= 10; position += 1) queueLarge(scene, position);
    const second = queue(scene, 11);
    scene.turn.end();
    done(scene, 11);
    const third = queue(scene, 12);
    done(scene, 12);
    scene.turn.end();
    assert.deepEqual(scene.told, []);
    scene.store.release(1);
    assert.deepEqual(scene.told, [first]);
    scene.store.release(1);
    assert.deepEqual(scene.told, [first, third]);
    assert.ok(second < third);
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), [['done 1:11']]);
  });

  test('also many small changes', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    scene.turn.end();
    for (let packetId = 1; packetId <= GROUP_CHANGES_MAX; packetId += 1) {
      assert.equal(groupCount(scene), 1);
      scene.journal.append({ kind: 'received', clientId: 'a', packetId });
    }
    scene.turn.end();
    assert.equal(groupCount(scene), 2);
  });

  test('what stands aside leaves in as many groups as it takes', async () => {
    const scene = await openSceneWithSession();
    const bytes = new Uint8Array(MEGABYTE);
    const count = 20;
    const append = (): void => {
      for (let index = 0; index < count; index += 1) {
        const message = messageOf('', { topic: topicOf(`t${index}`), qos: 0, retain: true, bytes });
        scene.journal.append({ kind: 'retained', message, sinceMs: Infinity });
      }
      scene.turn.end();
    };
    append();
    assert.equal(groupCount(scene), 0);
    scene.clock.advance(LATER_MS);
    scene.store.release();
    const perGroup = Math.ceil(GROUP_BYTES_MAX / MEGABYTE);
    const lengths = (): readonly number[] =>
      scene.store.commits.map((lines) => lines.filter((line) => line !== 'time').length);
    assert.deepEqual(lengths(), [perGroup, perGroup, count - 2 * perGroup]);
    scene.store.commits.length = 0;
    append();
    const closing = scene.journal.close();
    scene.store.release();
    await closing;
    assert.deepEqual(lengths(), [perGroup, perGroup, count - 2 * perGroup]);
  });
});

describe('a client that says the same again and again while the store is slow', () => {
  const will = { message: messageOf('w'), delaySeconds: 0, expirySeconds: null };
  const owner = { clientId: 'a', userName: null, listenerId: 0 };
  const subscribed: JournalRecord = { kind: 'subscribed', clientId: 'a', subscription: subscriptionOf('f') };
  const unsubscribed: JournalRecord = { kind: 'unsubscribed', clientId: 'a', filter: 'f' };
  const removed: JournalRecord = { kind: 'session-removed', clientId: 'a' };
  const repetitions: readonly {
    readonly name: string;
    readonly records: readonly JournalRecord[];
    readonly words: readonly string[];
  }[] = [
    { name: 'SUBSCRIBE', records: [subscribed], words: ['subscribed 1 f'] },
    { name: 'SUBSCRIBE and UNSUBSCRIBE', records: [subscribed, unsubscribed], words: ['unsubscribed 1 f'] },
    { name: 'UNSUBSCRIBE and SUBSCRIBE', records: [unsubscribed, subscribed], words: ['subscribed 1 f'] },
    {
      name: 'PUBLISH of QoS 2, and PUBREL',
      records: [
        { kind: 'received', clientId: 'a', packetId: 7 },
        { kind: 'received-done', clientId: 'a', packetId: 7 },
      ],
      words: ['received-done 1 7'],
    },
    {
      name: 'CONNECT with a will, and DISCONNECT',
      records: [sessionRecord('a'), { kind: 'will', ...owner, will }, { kind: 'will-removed', clientId: 'a' }],
      words: ['session 1', 'will-removed a'],
    },
    { name: 'CONNECT with a will', records: [{ kind: 'will', ...owner, will }], words: ['will a'] },
    {
      name: 'CONNECT that begins anew',
      records: [removed, sessionRecord('a'), subscribed, queuedRecord('a', rowOf(1, 'm'))],
      words: ['session-removed 1', 'session 5001', 'subscribed 5001 f', 'queued 5001:1'],
    },
    { name: 'CONNECT whose session ends', records: [sessionRecord('a'), removed], words: ['session-removed 1'] },
  ];
  for (const { name, records, words } of repetitions) {
    test(`${name}: the last one counts, and memory has a bound`, async () => {
      const scene = await openSceneWithSession();
      queue(scene, 1000, 2);
      scene.turn.end();
      scene.store.fail('the disk is full');
      const before = scene.journal.figures().pendingBytes;
      let last = 0;
      for (let round = 0; round < 5000; round += 1) {
        for (const record of records) last = Math.max(last, scene.journal.append(record));
      }
      const { pendingBytes, pendingChanges } = scene.journal.figures();
      assert.equal(pendingChanges, 1 + words.length);
      assert.ok(pendingBytes - before < 1500, `${pendingBytes - before} bytes`);
      scene.turn.end();
      scene.store.release();
      assert.deepEqual(scene.store.commits, [['queued 1:1000'], words]);
      assert.equal(scene.journal.durable, last);
      assert.equal(scene.journal.figures().pendingBytes, 0);
    });
  }

  test('texts count', async () => {
    const scene = await openSceneWithSession();
    const text = 'x'.repeat(10_000);
    const changes: readonly JournalRecord[] = [
      { kind: 'subscribed', clientId: 'a', subscription: subscriptionOf(text) },
      { kind: 'unsubscribed', clientId: 'a', filter: `${text}y` },
      { kind: 'retained-removed', topic: topicOf(text) },
      { kind: 'will-removed', clientId: text },
      sessionRecord(text),
    ];
    for (const record of changes) {
      const before = scene.journal.figures().pendingBytes;
      scene.journal.append(record);
      const grown = scene.journal.figures().pendingBytes - before;
      assert.ok(grown >= text.length, `${record.kind}: ${grown} bytes`);
    }
  });
});

describe('what ends before it was written', () => {
  test('a session that ends before it was written: nothing of it is, and who waits is told after what came before', async () => {
    const scene = await openSceneWithSession();
    const first = queue(scene, 1);
    scene.turn.end();
    scene.journal.append(sessionRecord('b'));
    scene.journal.append({ kind: 'subscribed', clientId: 'b', subscription: subscriptionOf('f') });
    scene.journal.append({ kind: 'received', clientId: 'b', packetId: 1 });
    scene.journal.append(queuedRecord('b', rowOf(1, 'm')));
    const last = scene.journal.append({ kind: 'session-removed', clientId: 'b' });
    scene.turn.end();
    assert.deepEqual(scene.told, []);
    assert.equal(scene.journal.figures().pendingChanges, 1);
    scene.store.release();
    assert.deepEqual(scene.told, [last]);
    assert.ok(first < last);
    assert.deepEqual(scene.store.commits, [['queued 1:1']]);
    scene.journal.append(sessionRecord('b'));
    commitAll(scene);
    scene.journal.append({ kind: 'session-removed', clientId: 'b' });
    assert.deepEqual(commitAll(scene), [['session-removed 3']]);
  });

  test('a session whose group is under way is removed by the next one', async () => {
    const scene = await openScene();
    scene.journal.append(sessionRecord('b'));
    scene.turn.end();
    const ticket = scene.journal.append({ kind: 'session-removed', clientId: 'b' });
    scene.turn.end();
    assert.deepEqual(commitAll(scene), [['session 1', 'time'], ['session-removed 1']]);
    assert.equal(scene.journal.durable, ticket);
  });

  test('a QoS 1 message that is acknowledged in time costs nothing, and its publisher is told', async () => {
    const scene = await openSceneWithSession();
    const ticket = queue(scene, 1);
    sent(scene, 1);
    done(scene, 1);
    assert.deepEqual(commitAll(scene), []);
    assert.equal(scene.journal.durable, ticket);
    assert.deepEqual(scene.told, [ticket]);
  });

  test('its publisher waits for what was appended before', async () => {
    const scene = await openSceneWithSession();
    const first = queue(scene, 1);
    scene.turn.end();
    const second = queue(scene, 2);
    done(scene, 2);
    scene.turn.end();
    assert.deepEqual(scene.told, []);
    scene.store.release(1);
    assert.deepEqual(scene.told, [second]);
    assert.ok(first < second);
    assert.equal(scene.store.waiting.length, 0);
  });

  test('what stays is written in the state it has come to', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    sent(scene, 1, 5);
    queue(scene, 2);
    assert.deepEqual(commitAll(scene), [['queued 1:1 sent 5', 'queued 1:2']]);
  });

  test('a QoS 2 message with a packet id is written: somebody waits for the id', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1, 2);
    sent(scene, 1, 5);
    done(scene, 1);
    queue(scene, 2, 2);
    done(scene, 2);
    assert.deepEqual(commitAll(scene), [['queued 1:1 sent 5', 'done 1:1']]);
  });

  test('one that was written before and is done costs one change', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    commitAll(scene);
    sent(scene, 1);
    done(scene, 1);
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), [['done 1:1']]);
  });

  test('a message to many is written once; a single one with its row', async () => {
    const scene = await openSceneWithSession();
    for (const clientId of ['b', 'c']) scene.journal.append(sessionRecord(clientId));
    const row = rowOf(1, 'm');
    for (const clientId of ['a', 'b', 'c']) scene.journal.append(queuedRecord(clientId, row));
    const other = rowOf(2, 'n');
    for (const clientId of ['a', 'b']) scene.journal.append(queuedRecord(clientId, other));
    scene.journal.append({ kind: 'done', clientId: 'b', position: 2 });
    assert.deepEqual(commitAll(scene), [
      [
        'session 2',
        'session 3',
        'message 1',
        'queued 1:1 of message 1',
        'queued 2:1 of message 1',
        'queued 3:1 of message 1',
        'queued 1:2',
      ],
    ]);
  });

  test('messages that come and go for as long as a commit takes leave nothing behind', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    scene.turn.end();
    for (let position = 2; position < 20_000; position += 1) {
      queue(scene, position);
      sent(scene, position, 1);
      done(scene, position);
    }
    const { pendingChanges, pendingBytes } = scene.journal.figures();
    assert.equal(pendingChanges, 1);
    assert.ok(pendingBytes < 1000, `${pendingBytes} bytes`);
  });
});

describe('retained messages', () => {
  test('of QoS 0: the last of a topic, once a second, and not with every group', async () => {
    const scene = await openSceneWithSession();
    for (const text of ['1', '2', '3']) assert.equal(scene.journal.append(retained('t', 0, text)), 0);
    scene.journal.append(retained('u'));
    queue(scene, 1);
    assert.deepEqual(commitAll(scene), [['queued 1:1']]);
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), [['retained t', 'retained u']]);
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), []);
  });

  test('a later one of QoS 1, and a removal, take the place of one of QoS 0', async () => {
    const scene = await openSceneWithSession();
    scene.journal.append(retained('t'));
    scene.journal.append(retained('u'));
    scene.journal.append(retained('t', 1));
    scene.journal.append({ kind: 'retained-removed', topic: topicOf('u') });
    assert.deepEqual(commitAll(scene), [['retained t', 'retained-removed u']]);
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), []);
  });

  test('one of QoS 0 after one of QoS 1 that still waits: the last wins, in the same group', async () => {
    const scene = await openSceneWithSession();
    const ticket = scene.journal.append(retained('t', 1, 'long text that is replaced'));
    scene.journal.append(retained('t', 0, 'short'));
    const before = scene.journal.figures().pendingBytes;
    assert.ok(before < 400, `${before} bytes`);
    assert.deepEqual(commitAll(scene), [['retained t']]);
    assert.equal(scene.journal.durable, ticket);
    assert.equal(scene.journal.figures().pendingBytes, 0);
  });

  test('$SYS of the broker is not stored', async () => {
    const scene = await openSceneWithSession();
    const message = messageOf('1', { topic: topicOf('$SYS/broker/uptime'), publisher: null, publisherId: '', qos: 1 });
    assert.equal(scene.journal.append({ kind: 'retained', message, sinceMs: Infinity }), 0);
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), []);
  });
});

describe('a store that fails', () => {
  test('nothing is acknowledged, the log says so once, and it recovers by itself', async () => {
    const scene = await openSceneWithSession();
    const ticket = queue(scene, 1);
    scene.turn.end();
    scene.store.fail('the disk is full');
    assert.ok(scene.journal.isFailing);
    assert.equal(scene.told.length, 1);
    scene.store.fail('the disk is full');
    assert.equal(scene.told.length, 1);
    queue(scene, 2);
    scene.turn.end();
    assert.equal(scene.store.waiting.length, 1);
    assert.equal(scene.journal.figures().failure, 'the disk is full');
    assert.equal(await scene.journal.save(), 'the disk is full');
    assert.match(scene.log.texts('error').join('\n'), /^Error: The store cannot be written: the disk is full\.[^\n]*$/);
    assert.ok(scene.journal.durable < ticket);
    scene.clock.advance(12_000);
    scene.store.release();
    assert.ok(!scene.journal.isFailing);
    assert.equal(scene.journal.durable, ticket + 1);
    assert.match(scene.log.texts('notice').join('\n'), /^The store is written again, after 12\.0 s\.[^\n]*$/);
    assert.equal(scene.journal.figures().failure, null);
  });

  test('another reason is said too, but not more than once a minute', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    scene.turn.end();
    for (let second = 0; second < 120; second += 1) {
      scene.store.fail(second % 2 === 0 ? 'one' : 'two');
      assert.equal(scene.journal.figures().failure, second % 2 === 0 ? 'one' : 'two');
      scene.clock.advance(1000);
    }
    assert.equal(scene.log.texts('error').length, 2);
    scene.clock.advance(REASON_MS);
    scene.store.fail('three');
    assert.match(scene.log.texts('error')[2] ?? '', /three/);
  });

  test('a save under way learns of it', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    const saving = scene.journal.save();
    scene.store.fail('the disk is full');
    assert.equal(await saving, 'the disk is full');
    scene.store.release();
    const next = scene.journal.save();
    scene.store.release();
    assert.equal(await next, null);
  });

  test('when its thread is gone it fails for ever, and what waits for an answer gets one', async () => {
    const scene = await openSceneWithSession();
    const ticket = queue(scene, 1);
    const reading = scene.journal.readQueue('a', 0, 10);
    scene.turn.end();
    scene.store.die(new Error('out of memory'));
    await assert.rejects(reading, /out of memory/);
    await assert.rejects(scene.journal.readQueue('a', 0, 10), /out of memory/);
    assert.ok(scene.journal.isFailing);
    assert.ok(scene.journal.durable < ticket);
    assert.match(scene.log.texts('error').join('\n'), /Nothing can be stored any more.*out of memory.*started again/);
    await scene.journal.close();
    assert.match(
      scene.log.texts('error').at(-1) ?? '',
      /1 changes .* could not be saved .*None of them was acknowledged/,
    );
  });

  test('too much that is not synced: publishers wait until half of it is', async () => {
    const scene = await openSceneWithSession();
    const { journal, store, turn } = scene;
    queue(scene, 1);
    turn.end();
    for (let position = 2; !journal.isBehind && position < 100; position += 1) {
      queueLarge(scene, position);
      turn.end();
    }
    assert.ok(journal.isBehind);
    assert.ok(journal.figures().pendingBytes > BEHIND_BYTES);
    assert.equal(scene.told.length, 1);
    while (journal.isBehind && groupCount(scene) > 0) {
      assert.ok(journal.figures().pendingBytes >= CAUGHT_UP_BYTES);
      store.release(1);
    }
    assert.ok(!journal.isBehind);
    assert.ok(journal.figures().pendingBytes < CAUGHT_UP_BYTES);
    assert.ok(!turn.isPending);
  });
});

describe('relaxed', () => {
  const relaxed = { kind: 'relaxed', windowMs: 500, changesMax: null } as const;

  test('acknowledged at once, stored after the window, and the log says what a crash may take', async () => {
    const scene = await openSceneWithSession({ mode: relaxed });
    assert.match(scene.log.texts('notice').join(), /last 500 ms\./);
    assert.equal(scene.journal.figures().windowMs, 500);
    const ticket = queue(scene, 1);
    assert.equal(scene.journal.durable, ticket);
    scene.clock.advance(499);
    assert.deepEqual(commitAll(scene), []);
    queue(scene, 2);
    scene.clock.advance(1);
    assert.deepEqual(commitAll(scene), [['queued 1:1', 'queued 1:2']]);
    scene.clock.advance(5000);
    assert.deepEqual(commitAll(scene), []);
  });

  test('also after so many changes', async () => {
    const scene = await openSceneWithSession({ mode: { ...relaxed, changesMax: 3 } });
    assert.match(scene.log.texts('notice').join(), /500 ms, or 3 changes/);
    for (let position = 1; position < 3; position += 1) queue(scene, position);
    assert.deepEqual(commitAll(scene), []);
    queue(scene, 3);
    assert.deepEqual(commitAll(scene), [['queued 1:1', 'queued 1:2', 'queued 1:3']]);
  });

  test('what stands aside is no change of the window, and leaves within a second, whatever leaves meanwhile', async () => {
    const scene = await openSceneWithSession({ mode: { ...relaxed, changesMax: 2 } });
    for (const topic of ['t', 'u', 'v']) scene.journal.append(retained(topic));
    queue(scene, 1);
    assert.deepEqual(commitAll(scene), []);
    queue(scene, 2);
    assert.deepEqual(commitAll(scene), [['queued 1:1', 'queued 1:2']]);
    for (let passedMs = 0; passedMs < LATER_MS; passedMs += 100) {
      scene.store.commits.length = 0;
      scene.clock.advance(100);
      const position = 3 + passedMs / 50;
      for (const each of [position, position + 1]) queue(scene, each);
      scene.turn.end();
      scene.store.release();
    }
    assert.deepEqual(scene.store.commits[0], ['retained t', 'retained u', 'retained v']);
  });

  test('with a longer window what stands aside waits for as long as that, from when it came', async () => {
    const scene = await openSceneWithSession({ mode: { ...relaxed, windowMs: 5000, changesMax: 1 } });
    scene.journal.append(retained('t'));
    for (let second = 1; second < 5; second += 1) {
      scene.clock.advance(1000);
      queue(scene, second);
      assert.deepEqual(commitAll(scene), [[`queued 1:${second}`]]);
    }
    scene.clock.advance(1000);
    assert.deepEqual(commitAll(scene), [['retained t']]);
  });

  test('QoS 2 that runs to its end within the window costs nothing', async () => {
    const scene = await openSceneWithSession({ mode: relaxed });
    queue(scene, 1, 2);
    sent(scene, 1);
    scene.journal.append({ kind: 'released', clientId: 'a', position: 1 });
    done(scene, 1);
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), []);
    queue(scene, 2, 2);
    sent(scene, 2, 9);
    scene.journal.append({ kind: 'released', clientId: 'a', position: 2 });
    scene.clock.advance(LATER_MS);
    assert.deepEqual(commitAll(scene), [['queued 1:2 released 9']]);
  });

  test('while the store fails nothing more is acknowledged', async () => {
    const scene = await openSceneWithSession({ mode: relaxed });
    const before = queue(scene, 1);
    scene.clock.advance(500);
    scene.store.fail('the disk is full');
    const during = queue(scene, 2);
    assert.equal(scene.journal.durable, before);
    scene.store.release();
    assert.equal(scene.journal.durable, during);
  });

  test('a window does not grow without a bound', async () => {
    const scene = await openSceneWithSession({ mode: { ...relaxed, windowMs: 3_600_000 } });
    for (let position = 1; position <= 9; position += 1) queueLarge(scene, position);
    assert.equal(commitAll(scene).length, 1);
  });

  test('strict from now on: what was acknowledged stays so, and what waits leaves', async () => {
    const scene = await openSceneWithSession({ mode: relaxed });
    const early = queue(scene, 1);
    scene.journal.setMode({ kind: 'strict' });
    assert.equal(scene.journal.durable, early);
    assert.deepEqual(scene.store.nextCommit(), ['queued 1:1']);
    const late = queue(scene, 2);
    scene.turn.end();
    assert.ok(scene.journal.durable < late);
    scene.store.release();
    assert.equal(scene.journal.durable, late);
  });

  test('relaxed from now on: what waits is acknowledged', async () => {
    const scene = await openSceneWithSession();
    const ticket = queue(scene, 1);
    scene.turn.end();
    scene.journal.setMode(relaxed);
    assert.equal(scene.journal.durable, ticket);
    assert.deepEqual(scene.told, [ticket]);
  });
});

describe('the clocks', () => {
  test('are stored with the first commit, and once a minute', async () => {
    const scene = await openScene();
    scene.journal.append(sessionRecord('a'));
    assert.deepEqual(commitAll(scene), [['session 1', 'time']]);
    scene.clock.advance(59_000);
    queue(scene, 1);
    assert.deepEqual(commitAll(scene), [['queued 1:1']]);
    scene.clock.advance(1000);
    queue(scene, 2);
    assert.deepEqual(commitAll(scene), [['queued 1:2', 'time']]);
  });

  test('a jump is stored with the next commit, or within a minute', async () => {
    const scene = await openSceneWithSession();
    scene.clock.jumpWall(-50 * 365 * 24 * 3_600_000);
    queue(scene, 1);
    assert.deepEqual(commitAll(scene), [['queued 1:1', 'time']]);
    scene.clock.jumpWall(50 * 365 * 24 * 3_600_000);
    assert.deepEqual(commitAll(scene), []);
    scene.clock.advance(60_000);
    assert.deepEqual(commitAll(scene), [['time']]);
    scene.clock.advance(600_000);
    assert.deepEqual(commitAll(scene), []);
  });

  test('an implausible one is said at the start', async () => {
    const { log } = await openScene({ opened: { time: { storeMs: 5, wallMs: Date.UTC(2076, 0, 1) } } });
    assert.match(log.texts('warning').join(), /clock of this machine is implausible.*showed 2076-01-01T00:00:00Z/);
  });
});

describe('the end', () => {
  test('everything that is pending is stored first, what stands aside and the clocks too', async () => {
    const scene = await openSceneWithSession();
    scene.journal.append(retained('t'));
    queue(scene, 1);
    const closing = scene.journal.close();
    assert.deepEqual(scene.store.nextCommit(), ['queued 1:1', 'retained t', 'time']);
    assert.ok(!scene.store.isEnded);
    scene.store.release();
    await closing;
    assert.ok(scene.store.isEnded);
    assert.deepEqual(scene.log.texts('error'), []);
    assert.equal(scene.clock.waitingCount, 0);
  });

  test('what comes after it is not acknowledged', async () => {
    const scene = await openSceneWithSession();
    const closing = scene.journal.close();
    const ticket = queue(scene, 1);
    scene.store.release();
    await closing;
    assert.ok(ticket > scene.journal.durable);
    await assert.rejects(scene.journal.readQueue('a', 0, 1), /closed/);
    assert.equal(await scene.journal.save(), 'the store is closed');
  });

  test('a store that fails is not waited for without end, and the log says how much is lost', async () => {
    const scene = await openSceneWithSession();
    queue(scene, 1);
    scene.turn.end();
    scene.store.fail('the disk is full');
    queue(scene, 2);
    const closing = scene.journal.close();
    scene.clock.advance(CLOSE_MS_MAX);
    await closing;
    assert.ok(scene.store.isEnded);
    assert.match(scene.log.texts('error').at(-1) ?? '', /2 changes .*are lost: the disk is full\. None of them/);
  });

  test('a thread that hangs is not waited for, and what is lost is said before', async () => {
    const scene = await openSceneWithSession();
    scene.store.isHanging = true;
    queue(scene, 1);
    const closing = scene.journal.close();
    scene.clock.advance(CLOSE_MS_MAX);
    while (!scene.store.isEnded) await Promise.resolve();
    assert.match(scene.log.texts('error').at(-1) ?? '', /1 changes .*are lost: the store did not answer within 10 s/);
    scene.clock.advance(END_MS_MAX);
    await closing;
  });

  test('relaxed, it says that something of it may have been acknowledged', async () => {
    const scene = await openSceneWithSession({ mode: { kind: 'relaxed', windowMs: 500, changesMax: null } });
    queue(scene, 1);
    const closing = scene.journal.close();
    scene.clock.advance(CLOSE_MS_MAX);
    await closing;
    assert.match(scene.log.texts('error').at(-1) ?? '', /did not answer within 10 s\. Some of them may/);
  });

  test('save makes everything durable and tidies', async () => {
    const scene = await openSceneWithSession();
    scene.journal.append(retained('t'));
    const ticket = queue(scene, 1);
    const saving = scene.journal.save();
    assert.deepEqual(
      scene.store.waiting.map(({ kind }) => kind),
      ['commit', 'tidy'],
    );
    scene.store.release();
    assert.equal(await saving, null);
    assert.equal(scene.journal.durable, ticket);
    assert.deepEqual(scene.store.commits.at(-1), ['queued 1:1', 'retained t']);
  });
});

test('a session number is never given out twice: when there are no more of them nobody gets one', async () => {
  const scene = await openScene({ opened: { nextSession: SESSION_NUMBER_MAX } });
  scene.journal.append(sessionRecord('a'));
  assert.throws(() => scene.journal.append(sessionRecord('b')), /given out all of its 4294967295 session numbers/);
  scene.journal.append(sessionRecord('a'));
  assert.deepEqual(commitAll(scene), [[`session ${SESSION_NUMBER_MAX}`, 'time']]);
});

test('figures: what waits, and how the last commits were', async () => {
  const scene = await openSceneWithSession();
  queue(scene, 1);
  scene.turn.end();
  queue(scene, 2);
  const { pendingChanges, pendingBytes, commits } = scene.journal.figures();
  assert.equal(pendingChanges, 2);
  assert.ok(pendingBytes > 100);
  await storeAll(scene);
  const after = scene.journal.figures();
  assert.deepEqual(after, {
    isFailing: false,
    failure: null,
    commits: commits + 2,
    lastCommitMs: 1,
    longestCommitMs: 1,
    pendingBytes: 0,
    pendingChanges: 0,
    fileBytes: 4096,
    logBytes: 8192,
    windowMs: 0,
  });
});
