import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, type Harness, type Peer, type SeenPublish } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { joined, rawPublish, u16 } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { comeBack, enter, enterDurable, numbers, texts } from './clients.ts';

function aliased(topic: string, alias: number): Uint8Array {
  return rawPublish(topic, { properties: joined(3, 0x23, u16(alias)), payload: `${topic}|${alias}` });
}

function couple(topicAliasMaximum: number | null): { readonly house: Harness; readonly sub: Peer; readonly pub: Peer } {
  const house = createHarness();
  const sub = enter(house, 'sub', { properties: { topicAliasMaximum } });
  sub.subscribe('#', { qos: 2 });
  return { house, sub, pub: enter(house, 'pub') };
}

/** Topic and alias of each. */
function names(seen: readonly SeenPublish[]): readonly (readonly [string, number])[] {
  return seen.map(({ topic, topicAlias }) => [topic, topicAlias]);
}

describe('3.3.2 topic aliases from a client', () => {
  test('[MQTT5-3.3.2-12] [MQTT5-3.3.2-9] each alias from 1 to the announced maximum works', () => {
    const house = createHarness({ listener: { maxTopicAlias: 50 } });
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    const pub = house.peer();
    assert.equal(pub.connect({ version: 5, clientId: 'pub' }).properties.topicAliasMaximum, 50);
    for (let alias = 1; alias <= 50; alias += 1) pub.publish(`t/${alias}`, 'named', { topicAlias: alias });
    for (let alias = 50; alias >= 1; alias -= 1) pub.publish('', 'by alias', { topicAlias: alias });
    const topics = sub.publishes().map(({ topic }) => topic);
    const named = numbers(50).map((index) => `t/${Number(index) + 1}`);
    assert.deepEqual(topics, [...named, ...named.toReversed()]);
  });

  test('an alias that is named again stands for the new topic from then on', () => {
    const { sub, pub } = couple(null);
    pub.publish('a', '1', { topicAlias: 1 });
    pub.publish('b', '2', { topicAlias: 1 });
    pub.publish('', '3', { topicAlias: 1 });
    assert.deepEqual(
      sub.publishes().map(({ topic }) => topic),
      ['a', 'b', 'b'],
    );
  });

  for (const alias of [11, 12, 0x7fff, 0xffff]) {
    test(`[MQTT5-3.2.2-17] an alias above the announced 10 gets DISCONNECT 0x94 and a close: ${alias}`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      assertEndsClientWith({ house, witness }, aliased('t', alias), Reason.TopicAliasInvalid);
      assertEndsClientWith({ house, witness }, aliased('', alias), Reason.TopicAliasInvalid);
    });
  }

  test('[MQTT5-3.2.2-18] where no aliases are announced any of them gets DISCONNECT 0x94 and a close', () => {
    const house = createHarness({ listener: { maxTopicAlias: 0 } });
    const witness = new Witness(house);
    const { properties } = house.peer().connect({ version: 5, clientId: 'a' });
    assert.equal(properties.topicAliasMaximum, null);
    for (const alias of [1, 2, 0xffff]) {
      assertEndsClientWith({ house, witness }, aliased('t', alias), Reason.TopicAliasInvalid);
    }
  });

  test('[MQTT5-3.3.2-8] alias 0 gets DISCONNECT 0x94 and a close', () => {
    const house = createHarness();
    assertEndsClientWith({ house, witness: new Witness(house) }, aliased('t', 0), Reason.TopicAliasInvalid);
  });

  test('[MQTT5-3.3.2-7] aliases of a client are forgotten with its connection, also when the session goes on', () => {
    const house = createHarness();
    const witness = new Witness(house);
    enterDurable(house, 'pub').send(aliased('t', 1));
    const back = comeBack(house, 'pub');
    back.send(aliased('', 1));
    assert.equal(back.expect('disconnect').reason, Reason.ProtocolError);
    witness.assertServed();
  });

  test('[MQTT5-3.3.2-7] aliases of one client are not those of another', () => {
    const { house, sub, pub } = couple(null);
    const other = enter(house, 'other');
    pub.publish('a', '1', { topicAlias: 1 });
    other.publish('b', '2', { topicAlias: 1 });
    pub.publish('', '3', { topicAlias: 1 });
    other.publish('', '4', { topicAlias: 1 });
    assert.deepEqual(
      sub.publishes().map(({ topic, text }) => topic + text),
      ['a1', 'b2', 'a3', 'b4'],
    );
  });

  test('T21: an alias works at each QoS, and a QoS 2 message sent again by alias is taken once', () => {
    const { sub, pub } = couple(null);
    pub.publish('a', '0', { topicAlias: 1 });
    pub.publish('', '1', { topicAlias: 1, qos: 1, packetId: 1 });
    pub.publish('', '2', { topicAlias: 1, qos: 2, packetId: 2 });
    pub.publish('', '2', { topicAlias: 1, qos: 2, packetId: 2, dup: true });
    assert.deepEqual(
      sub.publishes().map(({ topic, text }) => topic + text),
      ['a0', 'a1', 'a2'],
    );
  });

  test('T34: the right to publish is asked for the topic that the alias stands for', () => {
    const asked: string[] = [];
    const mayPublish: ReturnType<typeof gatekeeperWith>['mayPublish'] = (_identity, topic) => {
      asked.push(topic.text);
      return topic.text !== 'secret';
    };
    const house = createHarness({ gatekeeper: gatekeeperWith({ mayPublish }) });
    const sub = enter(house, 'sub');
    sub.subscribe('#');
    const pub = enter(house, 'pub');
    pub.publish('secret', '1', { topicAlias: 1, qos: 1 });
    assert.equal(pub.expect('puback').reason, Reason.NotAuthorized);
    pub.publish('', '2', { topicAlias: 1, qos: 1 });
    assert.equal(pub.expect('puback').reason, Reason.NotAuthorized);
    pub.publish('open', '3', { topicAlias: 1 });
    assert.deepEqual(texts(sub), ['3']);
    assert.deepEqual([...new Set(asked)], ['secret', 'open']);
  });

  test('T40: aliases hold at most what was announced, however many are sent', () => {
    const { sub, pub } = couple(null);
    const long = 'x'.repeat(60_000);
    for (let round = 0; round < 3; round += 1) {
      for (let alias = 1; alias <= 10; alias += 1) pub.publish(`${long}${round}${alias}`, '', { topicAlias: alias });
    }
    pub.publish('', '', { topicAlias: 10 });
    assert.equal(sub.publishes().at(-1)?.topic, `${long}210`);
  });
});

describe('3.3.2 topic aliases to a client', () => {
  for (const topicAliasMaximum of [null, 0]) {
    test(`[MQTT5-3.1.2-27] a client that offered ${topicAliasMaximum ?? 'none'} sees none`, () => {
      const { sub, pub } = couple(topicAliasMaximum);
      for (const text of numbers(5)) pub.publish('a', text);
      const seen = sub.publishes();
      assert.deepEqual(names(seen), Array(5).fill(['a', 0]));
      for (const { properties } of seen) assert.equal(properties.topicAlias, null);
    });
  }

  for (const topicAliasMaximum of [1, 3]) {
    test(`[MQTT5-3.1.2-26] [MQTT5-3.3.2-11] [MQTT5-3.3.2-8] aliases to a client are 1 to the ${topicAliasMaximum} that it offered`, () => {
      const { sub, pub } = couple(topicAliasMaximum);
      const topics = ['a', 'b', 'c', 'd', 'e'];
      for (const topic of [...topics, ...topics]) pub.publish(topic, topic);
      const seen = sub.publishes();
      assert.deepEqual(names(seen), [
        ...topics.map((topic, index) => [topic, index < topicAliasMaximum ? index + 1 : 0]),
        ...topics.map((topic, index) => (index < topicAliasMaximum ? ['', index + 1] : [topic, 0])),
      ]);
      assert.deepEqual(
        seen.map(({ text }) => text),
        [...topics, ...topics],
      );
    });
  }

  test('[MQTT5-3.1.2-26] however many a client offers, the server gives out no more than it is set to', () => {
    const { sub, pub } = couple(65_535);
    for (const topic of numbers(40)) pub.publish(topic, '');
    const aliases = sub.publishes().map(({ topicAlias }) => topicAlias);
    assert.deepEqual(aliases, [...numbers(10).map((text) => Number(text) + 1), ...Array(30).fill(0)]);
  });

  test('[MQTT5-3.3.2-7] a new connection begins with full names, also for what is sent again', () => {
    const house = createHarness();
    const properties = { topicAliasMaximum: 5 };
    const sub = enterDurable(house, 'sub', { properties });
    sub.subscribe('a', { qos: 1 });
    const pub = enter(house, 'pub');
    pub.publish('a', '1', { qos: 1 });
    pub.publish('a', '2', { qos: 1 });
    assert.deepEqual(names(sub.publishes()), [
      ['a', 1],
      ['', 1],
    ]);
    sub.cut();
    pub.publish('a', '3', { qos: 1 });
    assert.deepEqual(names(comeBack(house, 'sub', { properties }).publishes()), [
      ['a', 1],
      ['', 1],
      ['', 1],
    ]);
    assert.deepEqual(names(comeBack(house, 'sub').publishes()), Array(3).fill(['a', 0]));
  });

  test('[MQTT5-3.3.2-11] messages of every QoS share the aliases, wherever they come from', () => {
    const { house, sub, pub } = couple(2);
    const other = enter(house, 'other', { will: { topic: 'a', payload: 'will' } });
    pub.publish('a', '0');
    pub.publish('a', '1', { qos: 1 });
    other.publish('b', '2', { qos: 2 });
    other.cut();
    pub.publish('b', '3', { retain: true });
    assert.deepEqual(names(sub.publishes()), [
      ['a', 1],
      ['', 1],
      ['b', 2],
      ['', 1],
      ['', 2],
    ]);
    sub.subscribe('b');
    assert.deepEqual(names(sub.publishes()), [['', 2]]);
  });

  test('[MQTT5-3.3.2-3] the name that an alias stands for is always that of the message', () => {
    const { sub, pub } = couple(4);
    const known = new Map<number, string>();
    for (let count = 0; count < 200; count += 1) {
      const topic = `t/${(count * 7) % 6}`;
      pub.publish(topic, topic, { qos: count % 2 === 0 ? 0 : 1 });
      const seen = sub.expect('publish');
      if (seen.topic !== '' && seen.topicAlias > 0) known.set(seen.topicAlias, seen.topic);
      assert.equal(seen.topic === '' ? known.get(seen.topicAlias) : seen.topic, seen.text);
      if (seen.qos === 1) sub.ack('puback', seen.packetId);
    }
    assert.equal(known.size, 4);
  });
});
