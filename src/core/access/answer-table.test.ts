import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type TopicName, TopicNames } from '../../protocol/topic.ts';
import { AnswerTable, type AskedKind, PUBLISH, RECEIVE, UNKNOWN } from './answer-table.ts';

/** Few numbers for many topics, so that they change hands. */
function readTopic(topics: TopicNames, index: number): TopicName {
  const bytes = Buffer.from(`topic/${index}`);
  return topics.read(bytes, 0, bytes.length);
}

const steps = fc.array(
  fc.record({
    client: fc.constantFrom(1, 2, 3, 2 ** 40 + 1),
    topic: fc.integer({ min: 0, max: 6 }),
    kind: fc.constantFrom<AskedKind>(PUBLISH, RECEIVE),
    what: fc.oneof(
      { weight: 10, arbitrary: fc.constantFrom('remember yes', 'remember no') },
      { weight: 20, arbitrary: fc.constant('find') },
      { weight: 1, arbitrary: fc.constant('clear') },
    ),
  }),
  { minLength: 50, maxLength: 200 },
);

test('an answer that is found is the one that was given last, whatever numbers change hands or run out', () => {
  let foundCount = 0;
  fc.assert(
    fc.property(steps, (all) => {
      const topics = new TopicNames(8);
      const table = new AnswerTable(20);
      const given = new Map<string, boolean>();
      for (const { client, topic, kind, what } of all) {
        const name = readTopic(topics, topic);
        const key = `${client} ${topic} ${kind}`;
        if (what === 'clear') {
          table.clear();
          given.clear();
        } else if (what === 'find') {
          const found = table.find(client, name, kind);
          if (found === UNKNOWN) continue;
          foundCount += 1;
          assert.equal(found === 1, given.get(key), key);
        } else {
          given.set(key, what === 'remember yes');
          table.remember(client, name, kind, what === 'remember yes');
        }
      }
    }),
    { numRuns: 200 },
  );
  assert.ok(foundCount > 500, `only ${foundCount} were found`);
});

test('what was remembered is found again', () => {
  const table = new AnswerTable();
  const topics = new TopicNames();
  const name = readTopic(topics, 1);
  assert.equal(table.find(1, name, PUBLISH), UNKNOWN);
  table.remember(1, name, PUBLISH, true);
  table.remember(1, name, RECEIVE, false);
  assert.deepEqual([table.find(1, name, PUBLISH), table.find(1, name, RECEIVE)], [1, 0]);
  assert.equal(table.find(2, name, PUBLISH), UNKNOWN);
  table.clear();
  assert.equal(table.find(1, name, PUBLISH), UNKNOWN);
});

test('two clients and topics that fall on the same slot replace each other and are not mixed up', () => {
  const table = new AnswerTable();
  const topics = new TopicNames();
  const names = Array.from({ length: 40 }, (_, index) => readTopic(topics, index));
  let knownCount = 0;
  for (const [index, name] of names.entries()) {
    for (let client = 1; client <= 20_000; client += 1) table.remember(client, name, RECEIVE, isYes(client, index));
  }
  for (const [index, name] of names.entries()) {
    for (let client = 1; client <= 20_000; client += 1) {
      const found = table.find(client, name, RECEIVE);
      if (found === UNKNOWN) continue;
      knownCount += 1;
      if ((found === 1) !== isYes(client, index)) assert.fail(`client ${client}, topic ${index}`);
    }
  }
  assert.ok(knownCount < 40 * 20_000, 'some must have fallen on the same slot');
  assert.ok(knownCount > 10 * 20_000, `${knownCount} are known`);
});

function isYes(client: number, topic: number): boolean {
  return (client + topic) % 3 === 0;
}
