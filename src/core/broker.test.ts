import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness } from '../../test/fixtures/broker-harness.ts';

test('a QoS 0 message reaches its subscriber', () => {
  const house = createHarness();
  const sub = house.client('sub', { version: 5 });
  assert.deepEqual(sub.subscribe('a/#').reasons, [0]);
  const pub = house.client('pub', { version: 4 });
  pub.publish('a/b', 'hello');
  const seen = sub.expect('publish');
  assert.equal(seen.topic, 'a/b');
  assert.equal(seen.text, 'hello');
  assert.equal(house.broker.counters.internalErrors, 0);
});

test('QoS 2 from publisher to subscriber takes every step once', () => {
  const house = createHarness();
  const sub = house.client('sub', { version: 5 });
  sub.subscribe('t', { qos: 2 });
  const pub = house.client('pub', { version: 4 });
  pub.publish('t', 'x', { qos: 2, packetId: 7 });
  assert.equal(pub.expect('pubrec').packetId, 7);
  const seen = sub.expect('publish');
  assert.equal(seen.qos, 2);
  pub.publish('t', 'x', { qos: 2, packetId: 7, dup: true });
  assert.equal(pub.expect('pubrec').packetId, 7);
  pub.ack('pubrel', 7);
  assert.equal(pub.expect('pubcomp').packetId, 7);
  sub.expectNothing();
  sub.ack('pubrec', seen.packetId);
  assert.equal(sub.expect('pubrel').packetId, seen.packetId);
  sub.ack('pubcomp', seen.packetId);
  sub.expectNothing();
});

test('a durable session gets what was published while it was away, in order', () => {
  const house = createHarness();
  const away = house.client('away', { cleanStart: false });
  away.subscribe('q/#', { qos: 1 });
  away.cut();
  const pub = house.client('pub');
  for (let i = 0; i < 30; i += 1) pub.publish('q/x', String(i), { qos: 1 });
  const back = house.peer();
  assert.equal(back.connect({ clientId: 'away', cleanStart: false }).sessionPresent, true);
  const first = back.publishes();
  assert.equal(first.length, 20);
  const texts: string[] = first.map((p) => p.text);
  for (const p of first) {
    back.ack('puback', p.packetId);
    texts.push(...back.publishes().map((q) => q.text));
  }
  assert.deepEqual(
    texts,
    Array.from({ length: 30 }, (_, i) => String(i)),
  );
});
