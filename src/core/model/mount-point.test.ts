import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { parseTopicFilter, parseTopicName, TopicLoan, type TopicName, TopicNames } from '../../protocol/topic.ts';
import { createMountPoint, type MountPoint, mountFilter, mountTopic, unmountTopic } from './mount-point.ts';

const encoder = new TextEncoder();

function nameOf(text: string): TopicName {
  return parseTopicName(text) ?? assert.fail(`not a topic name: ${text}`);
}

function mountAt(prefix: string, topics = new TopicNames()): MountPoint {
  return createMountPoint(prefix, topics) ?? assert.fail('a prefix makes a mount point');
}

function readInto(topics: TopicNames, text: string): TopicName {
  const bytes = encoder.encode(text);
  return topics.read(bytes, 0, bytes.length);
}

const level = fc.constantFrom('', 'a', 'b', 'ä', '$SYS', 'x'.repeat(40));
const topicText = fc
  .array(level, { minLength: 1, maxLength: 8 })
  .map((levels) => levels.join('/'))
  .filter((text) => text !== '');
const prefixText = fc.oneof(
  topicText,
  topicText.map((text) => `${text}/`),
);

describe('topics', () => {
  test('the full topic is prefix and name, and the name comes back, however often and in whatever order', () => {
    fc.assert(
      fc.property(
        prefixText,
        fc.array(topicText, { maxLength: 40 }),
        fc.constantFrom(2, 4096),
        (prefix, texts, slots) => {
          // With two slots the numbers of topics are given out again and again.
          const topics = new TopicNames(slots);
          const mount = mountAt(prefix, topics);
          for (const text of [...texts, ...texts]) {
            const named = readInto(topics, text);
            const full = mountTopic(mount, named);
            assert.equal(full?.text, `${prefix}${text}`);
            assert.deepEqual(full?.bytes, encoder.encode(`${prefix}${text}`));
            const back = unmountTopic(mount, full);
            assert.deepEqual([back?.text, back?.bytes], [text, encoder.encode(text)]);
          }
        },
      ),
    );
  });

  test('a topic is the same object each time, and the same that comes without a mount point', () => {
    const topics = new TopicNames();
    const mount = mountAt('plant/', topics);
    const named = readInto(topics, 'line/1');
    const full = mountTopic(mount, named);
    assert.equal(mountTopic(mount, named), full);
    assert.equal(readInto(topics, 'plant/line/1'), full);
    assert.ok(full !== null);
    assert.equal(unmountTopic(mount, full), named);
    assert.equal(unmountTopic(mount, full), named);
  });

  test('without a mount point a topic is what it is', () => {
    const named = nameOf('a');
    assert.equal(createMountPoint('', new TopicNames()), null);
    assert.equal(mountTopic(null, named), named);
    assert.equal(unmountTopic(null, named), named);
  });

  const OUTSIDE = ['plan', 'plant', 'plant/', 'plants/a', 'Plant/a', 'a/plant/b', '/plant/a'];
  for (const text of OUTSIDE) {
    test(`T50 '${text}' does not lie below 'plant/'`, () => {
      assert.equal(unmountTopic(mountAt('plant/'), nameOf(text)), null);
    });
  }

  test('retained messages and very long topics, which have no number, are unmounted too', () => {
    const mount = mountAt('plant/');
    const loan = new TopicLoan();
    for (const text of ['a', 'b/c', 'x'.repeat(600), 'ä']) {
      const bytes = encoder.encode(`plant/${text}`);
      loan.lend(bytes, 0, bytes.length);
      const lent = unmountTopic(mount, loan.name);
      assert.deepEqual([lent?.text, lent?.bytes], [text, encoder.encode(text)]);
      assert.equal(unmountTopic(mount, nameOf(`plant/${text}`))?.text, text);
    }
  });

  test('T15 what would have more than 65535 bytes or 200 levels has no full topic', () => {
    const mount = mountAt('plant/');
    assert.equal(mountTopic(mount, nameOf('x'.repeat(65_529)))?.bytes.length, 65_535);
    assert.equal(mountTopic(mount, nameOf('x'.repeat(65_530))), null);
    assert.equal(mountTopic(mount, nameOf('/'.repeat(198)))?.text.length, 204);
    assert.equal(mountTopic(mount, nameOf('/'.repeat(199))), null);
    assert.equal(mountTopic(mount, nameOf('a'))?.text, 'plant/a', 'and what comes after is right');
  });
});

const FILTERS: readonly (readonly [prefix: string, asked: string, full: string | null])[] = [
  ['plant/', '#', 'plant/#'],
  ['plant/', 'a/+/b', 'plant/a/+/b'],
  ['plant/', '/a', 'plant//a'],
  ['plant/', '$SYS/#', 'plant/$SYS/#'],
  ['plant/', '$share/g/#', '$share/g/plant/#'],
  ['plant/', '$share/g/a/+', '$share/g/plant/a/+'],
  ['plant', '/#', 'plant/#'],
  ['plant', 'a', 'planta'],
  ['plant', '#', null],
  ['plant', '+/a', null],
  ['plant', '$share/g/+', null],
  ['plant/', '/'.repeat(199), null],
  ['plant/', 'x'.repeat(65_530), null],
];

describe('filters', () => {
  for (const [prefix, asked, full] of FILTERS) {
    test(`${asked.slice(0, 20)} below ${prefix} is ${full ?? 'refused'}`, () => {
      const filter = parseTopicFilter(asked);
      assert.ok(filter !== null);
      assert.deepEqual(mountFilter(mountAt(prefix), filter), full === null ? null : parseTopicFilter(full));
    });
  }

  test('without a mount point a filter is what it is', () => {
    const filter = parseTopicFilter('$share/g/#');
    assert.ok(filter !== null);
    assert.equal(mountFilter(null, filter), filter);
  });
});
