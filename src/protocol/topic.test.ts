import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { assertRefused, bytesOf } from './codec.fixture.ts';
import { Reason, type ReasonCode } from './reasons.ts';
import {
  parseTopicFilter,
  parseTopicName,
  readTopicFilter,
  type TopicFilter,
  TopicLoan,
  type TopicName,
  TopicNames,
} from './topic.ts';

const encoder = new TextEncoder();

const GOOD_NAMES = [
  'a',
  '/',
  '//',
  'a/b',
  '/a',
  'a/',
  'Plant1/Line2/Robot5/Temperature',
  '$SYS/broker',
  '$',
  'a b',
  'Öl/°C',
];

const BAD_NAMES: readonly (readonly [name: string, text: string, reason: ReasonCode])[] = [
  ['[MQTT5-4.7.3-1] [MQTT3-4.7.3-1] an empty topic', '', Reason.TopicNameInvalid],
  ['[MQTT5-4.7.0-1] [MQTT5-3.3.2-2] [MQTT3-4.7.1-1] [MQTT3-3.3.2-2] #', '#', Reason.TopicNameInvalid],
  ['[MQTT5-4.7.0-1] [MQTT3-4.7.1-1] + as a level', 'a/+/b', Reason.TopicNameInvalid],
  ['[MQTT5-4.7.0-1] [MQTT3-4.7.1-1] # within a level', 'a/b#', Reason.TopicNameInvalid],
  ['[MQTT5-4.7.0-1] [MQTT3-4.7.1-1] + within a level', 'a+', Reason.TopicNameInvalid],
  ['[MQTT5-4.7.3-2] [MQTT3-4.7.3-2] U+0000', 'a\u0000b', Reason.MalformedPacket],
  ['a control character', 'a\nb', Reason.MalformedPacket],
  ['T15 201 levels', '/'.repeat(200), Reason.TopicNameInvalid],
  ['T15 65535 slashes', '/'.repeat(65_535), Reason.TopicNameInvalid],
];

const GOOD_FILTERS: readonly (readonly [text: string, filter: string, shareName: string | null])[] = [
  ['#', '#', null],
  ['+', '+', null],
  ['+/+', '+/+', null],
  ['/#', '/#', null],
  ['a/#', 'a/#', null],
  ['a/+/b', 'a/+/b', null],
  ['+/b/#', '+/b/#', null],
  ['/+', '/+', null],
  ['a//b', 'a//b', null],
  ['$SYS/#', '$SYS/#', null],
  ['$x', '$x', null],
  ['$sharex/g/t', '$sharex/g/t', null],
  ['$Share/g/t', '$Share/g/t', null],
  ['a/$share/g/+', 'a/$share/g/+', null],
  ['$share/g/t', 't', 'g'],
  ['$share/g/#', '#', 'g'],
  ['$share/g/+/x', '+/x', 'g'],
  ['$share/g//', '/', 'g'],
  ['$share/g//t', '/t', 'g'],
  ['$share/$g/$SYS/#', '$SYS/#', '$g'],
];

const BAD_FILTERS: readonly (readonly [name: string, text: string])[] = [
  ['[MQTT5-4.7.3-1] [MQTT3-4.7.3-1] an empty filter', ''],
  ['[MQTT5-4.7.1-1] [MQTT3-4.7.1-2] # not last', '#/a'],
  ['[MQTT5-4.7.1-1] [MQTT3-4.7.1-2] # not last, in the middle', 'a/#/b'],
  ['[MQTT5-4.7.1-1] [MQTT3-4.7.1-2] # after a character', 'a#'],
  ['[MQTT5-4.7.1-1] [MQTT3-4.7.1-2] # after a character of its level', 'a/b#'],
  ['[MQTT5-4.7.1-1] [MQTT3-4.7.1-2] # twice', '##'],
  ['[MQTT5-4.7.1-1] [MQTT3-4.7.1-2] # and a slash', '#/'],
  ['[MQTT5-4.7.1-2] [MQTT3-4.7.1-3] + after a character', 'a+'],
  ['[MQTT5-4.7.1-2] [MQTT3-4.7.1-3] + before a character', '+a'],
  ['[MQTT5-4.7.1-2] [MQTT3-4.7.1-3] + within a level', 'x/a+b/y'],
  ['[MQTT5-4.7.1-2] [MQTT3-4.7.1-3] + twice in a level', '++'],
  ['[MQTT5-4.7.1-2] [MQTT3-4.7.1-3] + and # in a level', '+#'],
  ['[MQTT5-4.8.2-1] T43 $share', '$share'],
  ['[MQTT5-4.8.2-2] T43 $share/', '$share/'],
  ['[MQTT5-4.8.2-1] T43 $share//', '$share//'],
  ['[MQTT5-4.8.2-1] T43 $share//t', '$share//t'],
  ['[MQTT5-4.8.2-2] T43 $share/g', '$share/g'],
  ['[MQTT5-4.8.2-2] T43 $share/g/', '$share/g/'],
  ['[MQTT5-4.8.2-2] T43 $share/+/t', '$share/+/t'],
  ['[MQTT5-4.8.2-2] T43 $share/#/t', '$share/#/t'],
  ['[MQTT5-4.8.2-2] T43 $share/g+/t', '$share/g+/t'],
  ['T43 $share/#', '$share/#'],
  ['T43 a wildcard misplaced behind the share name', '$share/g/a#'],
  ['T15 201 levels', '/'.repeat(200)],
  ['T15 65535 slashes', '/'.repeat(65_535)],
  ['T15 201 levels behind a share name', `$share/g/${'/'.repeat(200)}`],
];

function readName(text: string, topics = new TopicNames()): TopicName {
  const bytes = encoder.encode(`<<${text}>>`);
  return topics.read(bytes, 2, bytes.length - 2);
}

function readFilter(text: string): TopicFilter {
  const bytes = encoder.encode(`<<${text}>>`);
  return readTopicFilter(bytes, 2, bytes.length - 2);
}

describe('topic names', () => {
  for (const text of GOOD_NAMES) {
    test(`take ${text}`, () => {
      assert.deepEqual({ ...readName(text) }, { text, bytes: encoder.encode(text) });
      assert.deepEqual(parseTopicName(text), readName(text));
    });
  }

  for (const [name, text, reason] of BAD_NAMES) {
    test(`refuse ${name}`, () => {
      assertRefused(() => readName(text), reason);
      assert.equal(parseTopicName(text), null);
    });
  }

  test('T15 take 200 levels', () => {
    assert.equal(readName('/'.repeat(199)).text.length, 199);
    assert.ok(parseTopicName('/'.repeat(199)) !== null);
  });

  test('[MQTT5-4.7.3-3] [MQTT3-4.7.3-3] take 65535 bytes and not one more', () => {
    assert.equal(readName('x'.repeat(65_535)).bytes.length, 65_535);
    assert.ok(parseTopicName('ä'.repeat(32_767)) !== null);
    assert.equal(parseTopicName('ä'.repeat(32_768)), null);
  });

  test('[MQTT5-3.3.2-1] [MQTT3-3.3.2-1] [MQTT5-1.5.4-1] [MQTT3-1.5.3-1] T04 refuse bad UTF-8', () => {
    for (const hex of ['c0af', 'eda080', 'f4908080', 'e282', 'ff', '61c3']) {
      const bytes = bytesOf(hex);
      assertRefused(() => new TopicNames().read(bytes, 0, bytes.length), Reason.MalformedPacket);
    }
  });

  test('parseTopicName refuses a lone surrogate instead of replacing it', () => {
    assert.equal(parseTopicName('a\ud800'), null);
  });

  test('[MQTT5-1.5.4-3] [MQTT3-1.5.3-3] keep every character as it is', () => {
    for (const text of ['\ufeffa', 'a\ufeff', '\u00e9', 'e\u0301', 'A', 'a']) assert.equal(readName(text).text, text);
  });
});

describe('topic filters', () => {
  for (const [text, filter, shareName] of GOOD_FILTERS) {
    test(`take ${text}`, () => {
      assert.deepEqual(readFilter(text), { text, filter, shareName });
      assert.deepEqual(parseTopicFilter(text), readFilter(text));
    });
  }

  for (const [name, text] of BAD_FILTERS) {
    test(`refuse ${name}`, () => {
      assertRefused(() => readFilter(text), Reason.TopicFilterInvalid);
      assert.equal(parseTopicFilter(text), null);
    });
  }

  test('T15 take 200 levels, not counting the share name', () => {
    assert.equal(readFilter('/'.repeat(199)).filter.length, 199);
    assert.equal(readFilter(`$share/g/${'/'.repeat(199)}`).filter.length, 199);
  });

  test('[MQTT5-3.8.3-1] [MQTT3-3.8.3-1] [MQTT5-4.7.3-2] [MQTT3-4.7.3-2] T04 refuse bad UTF-8 and U+0000', () => {
    for (const hex of ['c0af', 'eda080', '61 00', 'e282']) {
      const bytes = bytesOf(hex);
      assertRefused(() => readTopicFilter(bytes, 0, bytes.length), Reason.MalformedPacket);
    }
    assert.equal(parseTopicFilter('a\u0000'), null);
  });
});

describe('TopicNames', () => {
  test('give the same object for the same bytes, wherever they stand', () => {
    const topics = new TopicNames();
    const first = readName('Plant1/Line2/Robot5/Temperature', topics);
    const bytes = encoder.encode('xPlant1/Line2/Robot5/Temperature');
    assert.equal(topics.read(bytes, 1, bytes.length), first);
    assert.notEqual(readName('Plant1/Line2/Robot5/Temperaturf', topics), first);
    assert.equal(readName('Plant1/Line2/Robot5/Temperature', topics), first);
  });

  test('own their bytes: the buffer may be used again', () => {
    const bytes = encoder.encode('a/b');
    const topic = new TopicNames().read(bytes, 0, 3);
    bytes.fill(0x78);
    assert.deepEqual({ ...topic }, { text: 'a/b', bytes: encoder.encode('a/b') });
  });

  test('keep two topics per pair of places: the newest, and the one before', () => {
    const topics = new TopicNames(2);
    const one = readName('one', topics);
    const two = readName('two', topics);
    assert.equal(readName('one', topics), one);
    assert.equal(readName('two', topics), two);
    readName('three', topics);
    readName('three', topics);
    assert.equal(readName('two', topics), two);
    assert.notEqual(readName('one', topics), one);
  });

  test('a flood of topics that come once makes no other one leave', () => {
    const topics = new TopicNames(256);
    const names = Array.from({ length: 64 }, (_, index) => `hot/${index}`);
    for (const name of names) readName(name, topics);
    const before = names.map((name) => readName(name, topics));
    for (let index = 0; index < 10_000; index += 1) readName(`cold/${index}`, topics);
    const kept = names.filter((name, index) => readName(name, topics) === before[index]);
    assert.ok(kept.length >= 60, `${kept.length} of ${names.length}`);
  });

  test('a topic that comes for the second time takes the place of one that does not', () => {
    const topics = new TopicNames(2);
    for (const name of ['one', 'two', 'three']) readName(name, topics);
    const three = readName('three', topics);
    assert.equal(readName('three', topics), three);
  });

  test('are right for every topic, however small the table is', () => {
    const topics = new TopicNames(8);
    for (let round = 0; round < 3; round++) {
      for (let index = 0; index < 500; index++) assert.equal(readName(`t/${index}`, topics).text, `t/${index}`);
    }
  });

  test('tell topics apart that differ in the bytes left over from words of four', () => {
    const topics = new TopicNames(2);
    for (const text of ['a', 'aa', 'aaa', 'aaaa', 'aaaaa', 'aaaaaa', 'aaab', 'aaaab', 'baaa']) {
      assert.equal(readName(text, topics).text, text);
      assert.equal(readName(text, topics), readName(text, topics));
    }
  });

  test('a NUL in front does not pass for the topic without it', () => {
    const topics = new TopicNames();
    readName('a', topics);
    for (const hex of ['0061', '000061', '61000000', '00']) {
      const bytes = bytesOf(hex);
      assertRefused(() => topics.read(bytes, 0, bytes.length), Reason.MalformedPacket);
    }
  });

  test('do not keep a topic longer than 252 bytes, so that the table has a bound', () => {
    const topics = new TopicNames();
    assert.equal(readName('x'.repeat(252), topics), readName('x'.repeat(252), topics));
    assert.notEqual(readName('x'.repeat(253), topics), readName('x'.repeat(253), topics));
  });
});

describe('TopicLoan', () => {
  test('shows one topic after the other, and owns when it is asked to', () => {
    const loan = new TopicLoan();
    const { name } = loan;
    for (const text of ['a', 'b', 'Öl/°C', 'a', 'x'.repeat(600), 'a/b']) {
      const bytes = encoder.encode(`<${text}>`);
      loan.lend(bytes, 1, bytes.length - 1);
      assert.deepEqual([name.text, name.bytes], [text, encoder.encode(text)]);
      const owned = loan.own();
      bytes.fill(0);
      assert.deepEqual(owned, parseTopicName(text));
      loan.lend(encoder.encode('other'), 0, 5);
      assert.equal(owned.text, text);
      assert.equal(name.text, 'other');
    }
  });
});
