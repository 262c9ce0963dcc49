import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { field, joined, rawPublish } from '../../fixtures/raw-packets.ts';
import { assertEndsClient, provoke, Witness } from '../../fixtures/reactions.ts';

/** Breaks of the protocol by a connected client, one of each kind. */
const BREAKS: ReadonlyMap<string, string> = new Map([
  ['a reserved packet type', '00 00'],
  ['AUTH, which 3.1.1 does not know', 'f0 00'],
  ['a second CONNECT', '10 0d 0004 4d515454 04 02 0000 0001 61'],
  ['a CONNACK', '20 02 00 00'],
  ['a SUBACK', '90 03 0001 00'],
  ['an UNSUBACK', 'b0 02 0001'],
  ['a PINGRESP', 'd0 00'],
  ['a remaining length of five bytes', '30 80 80 80 80 01'],
  ['a PUBLISH beyond the largest packet', '30 ff ff ff 7f'],
  ['a PUBACK of three bytes', '40 03 0001 00'],
  ['a PUBACK of one byte', '40 01 00'],
  ['a PUBLISH without room for its topic', '30 02 0005'],
  ['a PUBLISH of QoS 1 without room for its identifier', '32 04 0001 61 00'],
]);

describe('4.8 handling errors', () => {
  test('a remaining length with bytes it does not need is served, as small devices send it', () => {
    const house = createHarness();
    const watcher = house.client('watcher');
    watcher.subscribe('t');
    const client = house.peer();
    client.send('10 8d 00 0004 4d515454 04 02 0000 0001 61');
    assert.equal(client.expect('connack').reason, 0);
    client.send('30 84 80 00 0001 74 78');
    assert.equal(watcher.expect('publish').text, 'x');
  });

  for (const [name, hex] of BREAKS) {
    test(`[MQTT3-4.8.0-1] ${name} closes the connection, that one alone`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      assertEndsClient({ house, witness }, fromHex(hex));
    });

    test(`[MQTT3-4.8.0-1] ${name} closes the connection also when it comes byte by byte`, () => {
      const house = createHarness();
      const client = house.client('client');
      client.link.deliverSplit(fromHex(hex));
      assert.equal(client.isClosed, true);
      assert.equal(house.broker.counters.protocolErrors, 1);
      client.expectNothing();
    });
  }

  test('[MQTT3-4.8.0-1] what came before the error in the same chunk is served, what follows is not', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const watcher = house.client('watcher');
    watcher.subscribe('t');
    const client = house.client('client');
    const bytes = joined(
      rawPublish('t', { payload: 'before' }),
      fromHex('00 00'),
      rawPublish('t', { payload: 'after' }),
    );
    provoke({ house, witness }, client, bytes);
    assert.deepEqual(
      watcher.publishes().map(({ text }) => text),
      ['before'],
    );
  });

  test('[MQTT3-4.8.0-1] the session of a client that broke the protocol is kept when it is a kept one', () => {
    const house = createHarness();
    const first = house.client('client', { cleanStart: false });
    first.subscribe('t', { qos: 1 });
    first.send('00 00');
    house.client('pub').publish('t', 'x', { qos: 1 });
    assert.equal(house.client('client', { cleanStart: false }).expect('publish').text, 'x');
  });

  for (const isLater of [false, true]) {
    test(`[MQTT3-4.8.0-2] an error while serving a packet closes the connection it came on${isLater ? ', later too' : ''}`, async () => {
      const broken = gatekeeperWith({
        mayPublish: (_identity, topic) => {
          if (topic.text !== 'breaks') return true;
          if (isLater) return Promise.reject(new Error('no answer from the directory'));
          throw new Error('no answer from the directory');
        },
      });
      const house = createHarness({ gatekeeper: broken });
      const watcher = house.client('watcher');
      watcher.subscribe('#');
      const client = house.client('client', { will: { topic: 'will', payload: 'lost' } });
      client.send(joined(rawPublish('breaks', { flags: 2, packetId: 1 }), rawPublish('t', { payload: 'after' })));
      await house.settleLater();
      assert.equal(client.isClosed, true);
      client.expectNothing();
      assert.equal(watcher.expect('publish').topic, 'will');
      watcher.expectNothing();
      assert.equal(house.broker.counters.internalErrors, 1);
      assert.equal(house.log.texts('error').length, 1);
      house.client('other').publish('t', 'served');
      assert.equal(watcher.expect('publish').text, 'served');
    });
  }

  test('[MQTT3-4.8.0-1] a long rest of a packet that will never be right is not waited for', () => {
    const house = createHarness();
    const witness = new Witness(house);
    assertEndsClient({ house, witness }, joined(0xa0, fromHex('ff ff 7f')));
    assertEndsClient({ house, witness, says: /too large/ }, joined(0xc0, 0x01, field('')));
  });
});
