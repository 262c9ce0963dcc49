/** The lines of the log that people search for, word for word as Mosquitto writes them. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type HarnessOptions, type Peer } from '../../test/fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../test/fixtures/fake-gatekeeper.ts';
import type { LogLevel } from '../base/log.ts';

/** What `run` adds to the log, in the levels that matter here. */
function linesOf(house: Harness, run: () => void, levels: readonly LogLevel[] = ['debug', 'subscribe', 'unsubscribe']) {
  house.log.lines.splice(0);
  run();
  return house.log.lines.filter(({ level }) => levels.includes(level)).map(({ text }) => text);
}

function houseWith(options: HarnessOptions = {}): { house: Harness; pub: Peer; sub: Peer } {
  const house = createHarness(options);
  const sub = house.client('sub');
  sub.subscribe('t', { qos: 2 });
  return { house, sub, pub: house.client('pub') };
}

describe('PUBLISH', () => {
  test('QoS 0', () => {
    const { house, pub } = houseWith();
    assert.deepEqual(
      linesOf(house, () => pub.publish('t', 'hello', { retain: true })),
      [
        "Received PUBLISH from pub (d0, q0, r1, m0, 't', ... (5 bytes))",
        "Sending PUBLISH to sub (d0, q0, r0, m0, 't', ... (5 bytes))",
      ],
    );
  });

  test('QoS 1', () => {
    const { house, pub, sub } = houseWith();
    assert.deepEqual(
      linesOf(house, () => pub.publish('t', 'hello', { qos: 1, packetId: 9 })),
      [
        "Received PUBLISH from pub (d0, q1, r0, m9, 't', ... (5 bytes))",
        "Sending PUBLISH to sub (d0, q1, r0, m1, 't', ... (5 bytes))",
        'Sending PUBACK to pub (m9, rc0)',
      ],
    );
    assert.deepEqual(
      linesOf(house, () => sub.ack('puback', 1)),
      ['Received PUBACK from sub (Mid: 1, RC:0)'],
    );
  });

  test('QoS 2, both ways', () => {
    const { house, pub, sub } = houseWith();
    assert.deepEqual(
      linesOf(house, () => pub.publish('t', '', { qos: 2, packetId: 9 })),
      [
        "Received PUBLISH from pub (d0, q2, r0, m9, 't', ... (0 bytes))",
        "Sending PUBLISH to sub (d0, q2, r0, m1, 't', ... (0 bytes))",
        'Sending PUBREC to pub (m9, rc0)',
      ],
    );
    assert.deepEqual(
      linesOf(house, () => pub.ack('pubrel', 9)),
      ['Received PUBREL from pub (Mid: 9)', 'Sending PUBCOMP to pub (m9)'],
    );
    assert.deepEqual(
      linesOf(house, () => sub.ack('pubrec', 1)),
      ['Received PUBREC from sub (Mid: 1)', 'Sending PUBREL to sub (m1)'],
    );
    assert.deepEqual(
      linesOf(house, () => sub.ack('pubcomp', 1)),
      ['Received PUBCOMP from sub (Mid: 1, RC:0)'],
    );
  });

  test('an acknowledgement that belongs to nothing', () => {
    const { house, sub } = houseWith();
    assert.deepEqual(
      linesOf(house, () => sub.ack('pubrec', 6), ['warning', 'debug']),
      [
        'Received PUBREC from sub (Mid: 6)',
        'Warning: Received PUBREC from sub for an unknown packet identifier 6.',
        'Sending PUBREL to sub (m6)',
      ],
    );
    for (const type of ['puback', 'pubcomp'] as const) {
      const expected = `Received ${type.toUpperCase()} from sub (Mid: 5, RC:0)`;
      assert.deepEqual(
        linesOf(house, () => sub.ack(type, 5), ['warning', 'debug']),
        [expected],
      );
    }
  });

  test('denied', () => {
    const gatekeeper = gatekeeperWith({ hasRules: true, mayPublish: () => false });
    const { house, pub } = houseWith({ gatekeeper });
    assert.deepEqual(
      linesOf(house, () => pub.publish('t', 'secret')),
      ["Denied PUBLISH from pub (d0, q0, r0, m0, 't', ... (6 bytes))"],
    );
  });

  test('too large for message_size_limit', () => {
    const { house, pub } = houseWith({ settings: { messageSizeLimit: 5 } });
    assert.deepEqual(
      linesOf(house, () => pub.publish('t', '123456', { qos: 1, packetId: 2 })),
      ["Dropped too large PUBLISH from pub (d0, q1, r0, m2, 't', ... (6 bytes))", 'Sending PUBACK to pub (m2, rc0)'],
    );
  });

  test('through a mount point: full topics come in, a client is sent its own', () => {
    const house = createHarness();
    const door = house.openDoor({ id: 1, mountPoint: 'plant/' });
    const inside = house.client('inside', {}, door);
    assert.deepEqual(
      linesOf(house, () => inside.subscribe('t')),
      ['Received SUBSCRIBE from inside', '\tplant/t (QoS 0)', 'inside 0 plant/t', 'Sending SUBACK to inside'],
    );
    assert.deepEqual(
      linesOf(house, () => inside.publish('t', 'x')),
      [
        "Received PUBLISH from inside (d0, q0, r0, m0, 'plant/t', ... (1 bytes))",
        "Sending PUBLISH to inside (d0, q0, r0, m0, 't', ... (1 bytes))",
      ],
    );
  });
});

describe('SUBSCRIBE and UNSUBSCRIBE', () => {
  test('each filter, and what a log of type subscribe or unsubscribe has of it', () => {
    const gatekeeper = gatekeeperWith({ hasRules: true, maySubscribe: (_, { text }) => text !== 'secret' });
    const { house, sub } = houseWith({ gatekeeper });
    assert.deepEqual(
      linesOf(house, () => sub.subscribe(['a/#', 'secret'], { qos: 1 })),
      ['Received SUBSCRIBE from sub', '\ta/# (QoS 1)', 'sub 1 a/#', '\tsecret (denied)', 'Sending SUBACK to sub'],
    );
    assert.deepEqual(
      linesOf(house, () => sub.unsubscribe(['a/#', 'never'])),
      ['Received UNSUBSCRIBE from sub', '\ta/#', 'sub a/#', '\tnever', 'sub never', 'Sending UNSUBACK to sub'],
    );
    assert.deepEqual(
      linesOf(house, () => sub.subscribe('a/#'), ['subscribe']),
      ['sub 0 a/#'],
    );
  });

  test('the QoS that is said is the one that is granted', () => {
    const { house, sub } = houseWith({ listener: { maxQos: 1 } });
    assert.deepEqual(linesOf(house, () => sub.subscribe('b', { qos: 2 })).slice(1, 3), ['\tb (QoS 1)', 'sub 1 b']);
  });
});

test('PINGREQ', () => {
  const { house, sub } = houseWith();
  assert.deepEqual(
    linesOf(house, () => sub.ping()),
    ['Received PINGREQ from sub', 'Sending PINGRESP to sub'],
  );
});

test('messages that are dropped are said once for each connection', () => {
  const { house, pub, sub } = houseWith({ settings: { maxInflightMessages: 1, maxQueuedMessages: 1 } });
  const line = 'Outgoing messages are being dropped for client sub.';
  const flood = (): void => {
    for (let count = 0; count < 10; count += 1) pub.publish('t', 'x', { qos: 1 });
  };
  assert.deepEqual(linesOf(house, flood, ['notice']), [line]);
  assert.deepEqual(linesOf(house, flood, ['notice']), []);
  assert.equal(sub.isClosed, false);
});
