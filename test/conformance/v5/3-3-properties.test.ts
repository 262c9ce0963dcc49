import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EMPTY_PROPERTIES } from '../../../src/protocol/packets.ts';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { field, joined, rawPublish, u16, variableInteger } from '../../fixtures/raw-packets.ts';
import { comeBack, enter, enterDurable } from './clients.ts';

/** The ways a message can take to its receiver. Each returns the receiver, to whom the message is on its way. */
const WAYS: readonly {
  readonly name: string;
  readonly send: (house: Harness, bytes: Uint8Array) => Peer;
}[] = [
  {
    name: 'live',
    send: (house, bytes) => {
      const sub = enter(house, 'sub');
      sub.subscribe('t', { qos: 1 });
      enter(house, 'pub').send(bytes);
      return sub;
    },
  },
  {
    name: 'out of the queue',
    send: (house, bytes) => {
      const sub = enterDurable(house, 'sub');
      sub.subscribe('t', { qos: 1 });
      sub.cut();
      enter(house, 'pub').send(bytes);
      return comeBack(house, 'sub');
    },
  },
  {
    name: 'sent again',
    send: (house, bytes) => {
      const sub = enterDurable(house, 'sub');
      sub.subscribe('t', { qos: 1 });
      enter(house, 'pub').send(bytes);
      sub.cut();
      return comeBack(house, 'sub');
    },
  },
  {
    name: 'as retained',
    send: (house, bytes) => {
      enter(house, 'pub').send(bytes);
      const sub = enter(house, 'sub');
      sub.subscribe('t', { qos: 1 });
      return sub;
    },
  },
];

function message(properties: Uint8Array): Uint8Array {
  return rawPublish('t', {
    flags: 0x03,
    packetId: 1,
    properties: joined(variableInteger(properties.length), properties),
    payload: 'x',
  });
}

describe('3.3.2.3 properties of a message', () => {
  for (const { name, send } of WAYS) {
    for (const value of [0, 1] as const) {
      test(`[MQTT5-3.3.2-4] the payload format indicator ${value} arrives as it was sent: ${name}`, () => {
        const sub = send(createHarness(), message(joined(0x01, value)));
        assert.equal(sub.expect('publish').properties.payloadFormatIndicator, value);
      });
    }

    test(`[MQTT5-3.3.2-15] [MQTT5-3.3.2-16] [MQTT5-3.3.2-20] response topic, correlation data and content type arrive as they were sent: ${name}`, () => {
      const data = Uint8Array.from({ length: 300 }, (_, index) => index & 0xff);
      const bytes = message(joined(0x08, field('antwort/ä'), 0x09, field(data), 0x03, field('Text/ü; x=1')));
      const { properties } = send(createHarness(), bytes).expect('publish');
      assert.equal(properties.responseTopic, 'antwort/ä');
      assert.deepEqual(properties.correlationData, data);
      assert.equal(properties.contentType, 'Text/ü; x=1');
    });

    test(`[MQTT5-3.3.2-17] [MQTT5-3.3.2-18] all user properties arrive, in order, also repeated and empty ones: ${name}`, () => {
      const pairs = ['b', 'a', '', 'a', 'b', '__proto__', 'a'].map((text, index) => ({
        name: text,
        value: index === 2 ? '' : String(index),
      }));
      const bytes = message(joined(...pairs.flatMap((pair) => [0x26, field(pair.name), field(pair.value)])));
      assert.deepEqual(send(createHarness(), bytes).expect('publish').properties.userProperties, pairs);
    });

    test(`a message without properties arrives without any: ${name}`, () => {
      const house = createHarness();
      const sub = send(house, message(joined()));
      assert.deepEqual(sub.expect('publish').properties, EMPTY_PROPERTIES);
      assert.equal(
        sub.frameBytes.at(-1),
        9,
        'two bytes of header, three of topic, two of identifier, length 0, payload',
      );
    });
  }

  test('[MQTT5-3.3.2-18] user properties keep their order between other properties too', () => {
    const bytes = message(
      joined(
        0x26,
        field('1'),
        field(''),
        0x03,
        field('c'),
        0x26,
        field('2'),
        field(''),
        0x01,
        1,
        0x26,
        field('3'),
        field(''),
      ),
    );
    const house = createHarness();
    const sub = enter(house, 'sub');
    sub.subscribe('t', { identifier: 5 });
    enter(house, 'pub').send(bytes);
    const { properties } = sub.expect('publish');
    assert.deepEqual(
      properties.userProperties?.map(({ name }) => name),
      ['1', '2', '3'],
    );
    assert.equal(properties.contentType, 'c');
  });

  test('T23: 10000 user properties are carried', () => {
    const house = createHarness();
    const sub = enter(house, 'sub');
    sub.subscribe('t');
    const userProperties = Array.from({ length: 10_000 }, (_, index) => ({ name: 'n', value: String(index) }));
    enter(house, 'pub').publish('t', 'x', { properties: { userProperties } });
    assert.deepEqual(sub.expect('publish').properties.userProperties, userProperties);
  });

  test('what belongs to the hop alone is not passed on: topic alias, and what a 3.1.1 receiver cannot have', () => {
    const house = createHarness();
    const modern = enter(house, 'modern');
    modern.subscribe('t');
    const old = house.client('old', { version: 4 });
    old.subscribe('t');
    old.link.takeSent();
    const properties = joined(0x23, u16(1), 0x03, field('c'));
    enter(house, 'pub').send(
      rawPublish('t', { properties: joined(variableInteger(properties.length), properties), payload: 'x' }),
    );
    const seen = modern.expect('publish');
    assert.deepEqual([seen.topicAlias, seen.properties.topicAlias, seen.properties.contentType], [0, null, 'c']);
    assert.deepEqual(Buffer.from(old.link.takeSent()), Buffer.from(Uint8Array.of(0x30, 4, 0, 1, 0x74, 0x78)));
  });

  test('request and response by response topic and correlation data work between two clients', () => {
    const house = createHarness();
    const asker = enter(house, 'asker');
    asker.subscribe('answers/asker', { qos: 1 });
    const server = enter(house, 'server');
    server.subscribe('questions', { qos: 1 });
    const correlationData = Buffer.from('question 7');
    asker.publish('questions', '6 * 7', { qos: 1, properties: { responseTopic: 'answers/asker', correlationData } });
    asker.expect('puback');
    const question = server.expect('publish');
    server.publish(question.properties.responseTopic ?? '', '42', {
      properties: { correlationData: question.properties.correlationData },
    });
    const answer = asker.expect('publish');
    assert.equal(answer.text, '42');
    assert.deepEqual(Buffer.from(answer.properties.correlationData ?? []), correlationData);
  });
});
