import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Seen } from '../../fixtures/broker-harness.ts';

const DURABLE = { cleanStart: false };

function shown(packet: Seen): string {
  if (packet.type === 'publish') return `publish ${packet.packetId} ${packet.text} dup ${packet.dup}`;
  return packet.type === 'pubrel' ? `pubrel ${packet.packetId}` : packet.type;
}

describe('4.4 message delivery retry', () => {
  test('[MQTT3-4.4.0-1] a resumed session sends unfinished PUBLISH and PUBREL again under their identifiers, no others', () => {
    const house = createHarness();
    const first = house.client('sub', DURABLE);
    first.subscribe('#', { qos: 2 });
    const pub = house.client('pub');
    for (const [text, qos] of [
      ['a', 1],
      ['b', 2],
      ['c', 2],
      ['d', 1],
      ['e', 0],
      ['f', 2],
    ] as const)
      pub.publish('t', text, { qos });
    const ids = new Map(first.publishes().map(({ text, packetId }) => [text, packetId]));
    const id = (text: string): number => ids.get(text) ?? 0;
    first.ack('puback', id('d'));
    first.ack('pubrec', id('b'));
    first.ack('pubrec', id('f'));
    first.ack('pubcomp', id('f'));
    first.cut();
    const second = house.client('sub', DURABLE);
    const expected = [`publish ${id('a')} a dup true`, `pubrel ${id('b')}`, `publish ${id('c')} c dup true`];
    assert.deepEqual(second.all().map(shown), expected);
    second.cut();
    assert.deepEqual(house.client('sub', DURABLE).all().map(shown), expected);
  });

  test('[MQTT3-4.4.0-1] nothing is sent again while the connection stands', () => {
    const house = createHarness();
    const sub = house.client('sub');
    sub.subscribe('t', { qos: 2 });
    house.client('pub').publish('t', 'x', { qos: 2 });
    sub.expect('publish');
    house.advance(24 * 3_600_000);
    sub.expectNothing();
  });

  test('[MQTT3-4.4.0-1] nothing is sent again with Clean Session', () => {
    const house = createHarness();
    const first = house.client('sub', DURABLE);
    first.subscribe('t', { qos: 2 });
    house.client('pub').publish('t', 'x', { qos: 2 });
    first.cut();
    house.client('sub').expectNothing();
  });

  test('[MQTT3-4.4.0-1] what was sent again is finished by its acknowledgement and makes room for what waits', () => {
    const house = createHarness({ settings: { maxInflightMessages: 2 } });
    const first = house.client('sub', DURABLE);
    first.subscribe('t', { qos: 1 });
    const pub = house.client('pub');
    for (const text of ['a', 'b', 'c']) pub.publish('t', text, { qos: 1 });
    first.cut();
    const second = house.client('sub', DURABLE);
    const again = second.publishes();
    assert.deepEqual(
      again.map(({ text, dup }) => [text, dup]),
      [
        ['a', true],
        ['b', true],
      ],
    );
    second.ack('puback', again[0]?.packetId ?? 0);
    const third = second.expect('publish');
    assert.deepEqual([third.text, third.dup], ['c', false]);
  });
});
