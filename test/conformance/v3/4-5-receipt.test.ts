import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness } from '../../fixtures/broker-harness.ts';

describe('4.5 message receipt', () => {
  test('[MQTT3-4.5.0-1] a message taken in joins the session of every client that subscribed to it', () => {
    const house = createHarness();
    const filters = ['a/b', 'a/+', '+/b', '#', 'a/#', '+/+'];
    const absent = filters.map((_, index) => `absent ${index}`);
    for (const [index, id] of absent.entries()) {
      const client = house.client(id, { cleanStart: false, version: index % 2 === 0 ? 4 : 3 });
      client.subscribe(filters[index] ?? '', { qos: 1 });
      client.cut();
    }
    const present = filters.map((filter, index) => {
      const client = house.client(`present ${index}`);
      client.subscribe(filter, { qos: 2 });
      return client;
    });
    const pub = house.client('pub');
    pub.subscribe('a/b', { qos: 0 });
    pub.publish('a/b', 'x', { qos: 2 });
    assert.equal(pub.expect('publish').text, 'x');
    for (const client of present) assert.equal(client.expect('publish').text, 'x');
    for (const id of absent) assert.equal(house.client(id, { cleanStart: false }).expect('publish').text, 'x');
  });

  test('[MQTT3-4.5.0-1] a thousand subscribers of one topic get each message', () => {
    const house = createHarness();
    const clients = Array.from({ length: 1000 }, (_, index) => house.client(`c${index}`));
    for (const client of clients) client.subscribe('t', { qos: 1 });
    const pub = house.client('pub');
    for (const text of ['one', 'two']) pub.publish('t', text, { qos: 1 });
    for (const client of clients)
      assert.deepEqual(
        client.publishes().map(({ text }) => text),
        ['one', 'two'],
      );
  });
});
