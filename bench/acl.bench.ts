/**
 * What an ACL of ten thousand rules costs: reading it, and judging topics that were not judged before. (The broker remembers
 * answers, so that this is paid once for each client and topic.) Judging is given in time of the processor, so that other
 * programs do not count.
 *
 *   node --expose-gc bench/acl.bench.ts [rules=10000]
 */
import { parseAclFile } from '../src/modules/security/acl-file.ts';
import { AclAccess } from '../src/modules/security/rule-tree.ts';
import { parseTopicName, type TopicName } from '../src/protocol/topic.ts';

const count = Number(process.argv[2] ?? 10_000);
const TOPICS = 20_000;

/** Title, line n, topic n, user n. */
const FILES: readonly [string, (n: number) => string, (n: number) => string, (n: number) => string | null][] = [
  [
    'one set of exact rules',
    (n) => `topic read Plant1/Line${n % 50}/Cell${n}/state`,
    (n) => `Plant1/Line${n % 50}/Cell${n % count}/state`,
    () => null,
  ],
  [
    'one set of rules with wildcards',
    (n) => `topic read Plant1/+/Cell${n}/#`,
    (n) => `Plant1/Line${n % 50}/Cell${n % count}/sensors/${n}`,
    () => null,
  ],
  [
    'a rule for each user',
    (n) => `user robot${n}\ntopic readwrite Plant1/robot${n}/#`,
    (n) => `Plant1/robot${n % count}/sensors/${n}`,
    (n) => `robot${n % count}`,
  ],
  ['patterns', (n) => `pattern readwrite Area${n}/%u/+/%c`, (n) => `Area${n % count}/plant/${n}/robot5`, () => 'plant'],
];

for (const [title, line, topic, user] of FILES) {
  const source = new TextEncoder().encode(Array.from({ length: count }, (_, n) => line(n)).join('\n'));
  const memoryBefore = usedBytes();
  const readStart = performance.now();
  const { rules } = parseAclFile(source, 'bench.acl');
  const readMs = performance.now() - readStart;
  const memoryBytes = usedBytes() - memoryBefore;
  const topics = Array.from({ length: TOPICS }, (_, n) => topicOf(topic(n)));
  let allowedCount = 0;
  const start = process.cpuUsage();
  for (const [n, one] of topics.entries()) {
    const verdict = rules.judge({ clientId: 'robot5', userName: user(n) }, one, AclAccess.Read);
    if (verdict === 'allowed') allowedCount++;
  }
  const { user: userMicros, system } = process.cpuUsage(start);
  const perTopicNs = ((userMicros + system) * 1000) / TOPICS;
  console.log(`${count} rules, ${title}`);
  console.log(`  read in ${readMs.toFixed(0)} ms, ${(memoryBytes / count).toFixed(0)} bytes a rule`);
  console.log(`  a new topic: ${perTopicNs.toFixed(0)} ns, ${((allowedCount * 100) / TOPICS).toFixed(0)} % allowed`);
}

function topicOf(text: string): TopicName {
  const topic = parseTopicName(text);
  if (topic === null) throw new Error(`${text} is no topic name`);
  return topic;
}

/** NaN without --expose-gc. */
function usedBytes(): number {
  if (globalThis.gc === undefined) return Number.NaN;
  globalThis.gc();
  return process.memoryUsage().heapUsed;
}
