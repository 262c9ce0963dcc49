import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, fromHex, type Harness } from '../../fixtures/broker-harness.ts';
import { field, rawConnect, rawPublish, rawSubscribe, rawUnsubscribe } from '../../fixtures/raw-packets.ts';
import { assertEndsClient, assertRefusedSilently, Witness } from '../../fixtures/reactions.ts';

const TEXT_BYTES_MAX = 65535;

/** A topic of exactly `byteCount` bytes with `levelCount` levels. */
function longTopic(byteCount: number, levelCount = 1): string {
  return `${'x/'.repeat(levelCount - 1)}${'x'.repeat(byteCount - 2 * (levelCount - 1))}`;
}

/** Topics of what a subscriber to `filter` gets when all `topics` are published, live and retained. */
function seenBy(house: Harness, filter: string, topics: readonly string[], retain = false): readonly string[] {
  const sub = house.client('sub');
  sub.subscribe(filter);
  const pub = house.client('pub');
  for (const topic of topics) pub.publish(topic, 'x', { retain });
  return sub.publishes().map(({ topic }) => topic);
}

describe('4.7.1 wildcards', () => {
  test('[MQTT3-4.7.1-1] a wildcard in a topic name closes the connection: PUBLISH and will', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const topic of ['a/+', '+', '#', 'a/#', 'a+', '#a']) {
      assertEndsClient({ house, witness, says: /topic name has a wildcard/ }, rawPublish(topic));
      const payload = [field('id'), field(topic), field('will')];
      assertRefusedSilently({ house, witness }, rawConnect({ flags: 0x06, payload }));
    }
  });

  test('[MQTT3-4.7.1-2] the multi-level wildcard stands alone or behind a slash, and last', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const filter of ['a#', '#a', 'a/#/b', '##', 'a/##', '#/', 'a/b#', '/#/']) {
      assertEndsClient({ house, witness, says: /'#' must be/ }, rawSubscribe([[filter, 0]]));
      assertEndsClient({ house, witness, says: /'#' must be/ }, rawUnsubscribe([filter]));
    }
    assert.deepEqual(house.client('client').subscribe(['#', '/#', 'a/#', '+/#']).reasons, [0, 0, 0, 0]);
  });

  test('[MQTT3-4.7.1-3] the single-level wildcard is the whole of its level, at any level', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const filter of ['a+', '+a', 'a/b+', 'a/+b/c', '++', '+a/#', 'a/++/b']) {
      assertEndsClient({ house, witness, says: /'\+' must be/ }, rawSubscribe([[filter, 0]]));
      assertEndsClient({ house, witness, says: /'\+' must be/ }, rawUnsubscribe([filter]));
    }
    const topics = ['a/b/c', 'x/b/c', 'a/x/c', 'a/b/x', 'b/c', 'a//c', '/b/c', 'a/b/'];
    assert.deepEqual(seenBy(house, '+/b/c', topics), ['a/b/c', 'x/b/c', '/b/c']);
    assert.deepEqual(seenBy(house, 'a/+/c', topics), ['a/b/c', 'a/x/c', 'a//c']);
    assert.deepEqual(seenBy(house, 'a/b/+', topics), ['a/b/c', 'a/b/x', 'a/b/']);
    assert.deepEqual(
      seenBy(house, '+/+/+', topics),
      topics.filter((topic) => topic !== 'b/c'),
    );
  });

  test('[MQTT3-4.7.1-2] the multi-level wildcard matches its parent and all below', () => {
    const house = createHarness();
    const topics = ['sport', 'sport/', 'sport/a', 'sport/a/b', 'sports', 'spor', '/sport'];
    assert.deepEqual(seenBy(house, 'sport/#', topics), ['sport', 'sport/', 'sport/a', 'sport/a/b']);
    assert.deepEqual(seenBy(house, '+/#', topics), topics);
    assert.deepEqual(seenBy(house, '/#', topics), ['/sport']);
  });
});

describe('4.7.2 topics that begin with $', () => {
  test('[MQTT3-4.7.2-1] a filter that starts with a wildcard sees no topic that starts with $, live or retained', () => {
    for (const filter of ['#', '+', '+/#', '+/a', '+/+']) {
      const house = createHarness();
      const topics = ['$', '$a', '$a/a', '$/a', '$$'];
      assert.deepEqual(seenBy(house, filter, topics, true), [], filter);
      const late = house.client('late');
      late.subscribe(filter);
      late.expectNothing();
      assert.equal(house.broker.sizes().retained, topics.length);
    }
  });

  test('[MQTT3-4.7.2-1] a filter that names the level that starts with $ sees it', () => {
    const house = createHarness();
    const topics = ['$a', '$a/b', '$a/b/c', '$b/b'];
    assert.deepEqual(seenBy(house, '$a/#', topics), ['$a', '$a/b', '$a/b/c']);
    assert.deepEqual(seenBy(house, '$a/+', topics), ['$a/b']);
    assert.deepEqual(seenBy(house, '$a', topics), ['$a']);
  });

  test('[MQTT3-4.7.2-1] a $ at another place is like any character', () => {
    const house = createHarness();
    assert.deepEqual(seenBy(house, '#', ['a/$b', 'a$', '/$x']), ['a/$b', 'a$', '/$x']);
    assert.deepEqual(seenBy(house, 'a/+', ['a/$b']), ['a/$b']);
  });
});

describe('4.7.3 topic semantics', () => {
  test('[MQTT3-4.7.3-1] empty topic names and filters close the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const flags of [0, 2, 4])
      assertEndsClient({ house, witness }, rawPublish('', flags === 0 ? {} : { flags, packetId: 1 }));
    assertEndsClient({ house, witness }, rawSubscribe([['', 0]]));
    assertEndsClient({ house, witness }, rawUnsubscribe(['']));
    assertRefusedSilently(
      { house, witness },
      rawConnect({ flags: 0x06, payload: [field('id'), field(''), field('will')] }),
    );
  });

  test('[MQTT3-4.7.3-2] the null character in topic names and filters closes the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const topic of ['\0', 'a\0', '\0a', 'a/\0']) {
      assertEndsClient({ house, witness }, rawPublish(topic));
      assertEndsClient({ house, witness }, rawSubscribe([[topic, 0]]));
      assertEndsClient({ house, witness }, rawUnsubscribe([topic]));
    }
  });

  test('[MQTT3-4.7.3-3] topic names and filters of 65535 bytes are served, and come out whole', () => {
    const house = createHarness();
    for (const topic of [
      longTopic(TEXT_BYTES_MAX),
      longTopic(TEXT_BYTES_MAX, 200),
      `\u20ac${longTopic(TEXT_BYTES_MAX - 3)}`,
    ]) {
      assert.equal(Buffer.from(topic).length, TEXT_BYTES_MAX);
      assert.deepEqual(seenBy(house, topic, [topic, topic.slice(0, -1), `${topic.slice(0, -1)}y`]), [topic]);
      assert.deepEqual(seenBy(house, '#', [topic]), [topic]);
    }
  });

  test('[MQTT3-4.7.3-4] topics are compared character by character: nothing is folded, trimmed or normalised', () => {
    const house = createHarness();
    const topics = [
      'a',
      'A',
      'a ',
      ' a',
      '/a',
      'a/',
      '//',
      '/',
      'a//b',
      'a/b',
      '\u00e9',
      'e\u0301',
      'accounts',
      'Accounts',
    ];
    for (const topic of topics) assert.deepEqual(seenBy(house, topic, topics), [topic]);
    assert.equal(seenBy(house, '#', topics, true).length, topics.length);
    assert.equal(house.broker.sizes().retained, topics.length);
  });

  test('[MQTT3-4.7.3-4] the topic leaves as the bytes that came', () => {
    const house = createHarness();
    const sub = house.client('sub');
    sub.subscribe('#');
    const pub = house.client('pub');
    for (const hex of ['30070005c3a92f2f20', '300500032f2f2f', '30080006efbbbf65cc81']) {
      pub.send(fromHex(hex));
      assert.deepEqual(sub.link.takeSent(), fromHex(hex));
    }
  });
});
