import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseTopicName } from '../../protocol/topic.ts';
import { NO_BYTES, OwnedMessage } from './message.ts';
import { StoredMessages } from './stored-messages.ts';

function messageOf(byteCount: number): OwnedMessage {
  const topic = parseTopicName('t');
  assert.ok(topic !== null);
  const fields = { topic, qos: 1, retain: false, expiresAtMs: Infinity, publisherId: 'p' } as const;
  return new OwnedMessage({ ...fields, forwardedProperties: NO_BYTES, bytes: new Uint8Array(byteCount) });
}

test('a message counts once, from the first that holds it to the last that lets go', () => {
  const step = fc.record({ index: fc.nat(4), isHold: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const stored = new StoredMessages();
      const messages = [10, 0, 7, 7, 1000].map((byteCount) => ({ message: messageOf(byteCount), holds: 0 }));
      for (const { index, isHold } of steps) {
        const entry = messages[index] ?? assert.fail();
        if (!isHold && entry.holds === 0) continue;
        entry.holds += isHold ? 1 : -1;
        if (isHold) stored.hold(entry.message);
        else stored.release(entry.message);
        const held = messages.filter(({ holds }) => holds > 0);
        const bytes = held.reduce((sum, { message }) => sum + message.payloadEnd, 0);
        assert.deepEqual([stored.count, stored.bytes], [held.length, bytes]);
      }
    }),
  );
});

test('rows that only the journal holds count for themselves', () => {
  const stored = new StoredMessages();
  stored.addRows(3, 30);
  stored.addRows(-1, -10);
  assert.deepEqual([stored.count, stored.bytes], [2, 20]);
});
