/**
 * How routing behaves when it is large: matching, memory, and the longest time it keeps the loop.
 *
 *   node --expose-gc bench/routing.bench.ts [filters=1000000]
 *
 * Rates are taken over runs of 1,000 operations, and two are printed: that of the middle run, and the one that a tenth of
 * the runs reach, which is nearer to a machine that does nothing else. Without --expose-gc there are no figures of memory.
 * All inputs come from counters, so that every run has the same.
 */
import type { DeliveryTarget } from '../src/core/model/delivery-target.ts';
import { BorrowedMessage } from '../src/core/model/message.ts';
import type { Subscription } from '../src/core/model/subscription.ts';
import { MatchCache } from '../src/core/routing/match-cache.ts';
import { RetainedStore } from '../src/core/routing/retained-store.ts';
import { type MatchResult, TopicTree } from '../src/core/routing/topic-tree.ts';
import { readTopicFilter, readTopicName, TopicNames } from '../src/protocol/topic.ts';

const count = Number(process.argv[2] ?? 1_000_000);
const encoder = new TextEncoder();
const decoder = new TextDecoder();
const RUN = 1000;
/** Changes that take less are not looked at one by one. */
const SLOW_MS = 0.5;
const collections: PerformanceEntry[] = [];
const PAYLOAD = new Uint8Array(4096).fill(0x37);
const SENSORS = ['Temperature', 'Pressure', 'Vibration', 'Current', 'State', 'Speed', 'Torque'];
const targets: readonly DeliveryTarget[] = Array.from({ length: 1000 }, (_, index) => ({
  clientId: `client-${index}`,
  isOnline: true,
  hasRoom: true,
  isDurable: false,
  offer: () => 0,
}));

new PerformanceObserver((list) => collections.push(...list.getEntries())).observe({ entryTypes: ['gc'] });
await measureTree();
await measureWideNode();
measureBombs();
await measureFanOut();
await measureRetained();
if (globalThis.gc === undefined) console.log('no figures of memory: run node --expose-gc bench/routing.bench.ts');

// ------------------------------------------------------------------------------------------------------- topic tree

async function measureTree(): Promise<void> {
  title(`${count} filters: 70 % exact, 10 % with +, 10 % with #, 10 % cmd/<id>/#`);
  const memoryAtFirst = usedBytes();
  const subscriptions = Array.from({ length: count }, (_, index) => subscription(mixedFilter(index), index));
  const memoryBefore = usedBytes();
  const tree = new TopicTree();
  await timeChanges(count, (index) => tree.add(at(subscriptions, index)), 'add');
  perItem('Subscription with its filter', memoryBefore - memoryAtFirst, count);
  perItem('tree, beyond that', usedBytes() - memoryBefore, count);

  const topics = distinctTopics(Math.min(count, 500_000));
  const matches = measureMatches(tree, topics, 'cold: distinct topics, no cache');
  line('  matches per topic', (matches / topics.length).toFixed(2));
  measureMatches(tree, topics.slice(0, 1000), 'the same 1,000 topics, no cache', 500);
  measureCache(tree, topics.slice(0, 1000), 2000, 'the same 1,000 topics, read and looked up');
  measureCache(tree, distinctTopics(topics.length), 1, 'cold: distinct topics, read and looked up');
  measureChurn(tree, topics, subscriptions);
  await timeChanges(count, (index) => tree.remove(target(index), at(subscriptions, index).filter), 'remove');
  line('left after that', `${tree.subscriptionCount} subscriptions`);
}

function measureMatches(tree: TopicTree, topics: readonly string[], label: string, rounds = 1): number {
  const into: MatchResult = { subscriptions: [], groups: [] };
  let matches = 0;
  const match = (index: number) => {
    into.subscriptions.length = 0;
    tree.match(at(topics, index % topics.length), into);
    matches += into.subscriptions.length;
  };
  timeEach(topics.length * rounds, match, label);
  return matches;
}

function measureCache(tree: TopicTree, topics: readonly string[], rounds: number, label: string): void {
  const cache = new MatchCache(tree);
  const frames = topics.map((topic) => encoder.encode(topic));
  const names = new TopicNames(16_384);
  let matches = 0;
  const look = (index: number) => {
    const frame = at(frames, index % frames.length);
    matches += cache.lookup(names.read(frame, 0, frame.length)).subscriptions.length;
  };
  timeEach(topics.length * rounds, look, label);
  if (matches === 0) line(label, 'no matches');
}

/** A subscription changes after every 20 look-ups: clients come back while others publish. */
function measureChurn(tree: TopicTree, topics: readonly string[], subscriptions: readonly Subscription[]): void {
  const cache = new MatchCache(tree);
  const frames = topics.slice(0, 1000).map((topic) => encoder.encode(topic));
  const names = new TopicNames(16_384);
  const look = (index: number) => {
    const frame = at(frames, index % frames.length);
    if (index % 20 === 0) tree.add(at(subscriptions, index));
    cache.lookup(names.read(frame, 0, frame.length));
  };
  timeEach(200_000, look, 'the same 1,000, read and looked up, a change every 20');
}

async function measureWideNode(): Promise<void> {
  title(`${count} filters <id>/+: one node with as many children`);
  const tree = new TopicTree();
  const subscriptions = Array.from({ length: count }, (_, index) => subscription(`device-${index}/+`, index));
  const before = usedBytes();
  await timeChanges(count, (index) => tree.add(at(subscriptions, index)), 'add');
  perItem('tree', usedBytes() - before, count);
  const topics = Array.from({ length: 200_000 }, (_, index) => flat(`device-${scatter(index, count)}/state`));
  measureMatches(tree, topics, 'cold: distinct topics, no cache');
}

function measureBombs(): void {
  title('bombs');
  const levels = 17;
  const bomb = new TopicTree();
  for (let bits = 0; bits < 2 ** levels; bits += 1) {
    const path = Array.from({ length: levels }, (_, level) => ((bits >> level) & 1 ? '+' : 'a')).join('/');
    bomb.add(subscription(`${path}/z`, bits));
  }
  const topic = Array.from({ length: levels }, () => 'a').join('/');
  measureOne(bomb, `${topic}/y`, `131,072 filters of a or + at ${levels} levels, ending in z; topic matches none`);
  measureOne(bomb, `${topic}/z`, 'the same, topic matches all');

  const deep = new TopicTree();
  for (let depth = 1; depth <= 200; depth += 1) {
    const plus = Array.from({ length: depth }, () => '+').join('/');
    deep.add(subscription(plus, depth));
    if (depth < 200) deep.add(subscription(`${plus}/#`, depth));
  }
  measureOne(
    deep,
    Array.from({ length: 200 }, () => 'level').join('/'),
    '+/+/…, with and without /#, to 200 levels; topic of 200',
  );
  measureOne(deep, '/'.repeat(199), 'the same, topic of 199 slashes');
}

function measureOne(tree: TopicTree, topic: string, label: string): void {
  const into: MatchResult = { subscriptions: [], groups: [] };
  let bestMs = Infinity;
  for (let round = 0; round < 20; round += 1) {
    into.subscriptions.length = 0;
    const start = performance.now();
    tree.match(topic, into);
    bestMs = Math.min(bestMs, performance.now() - start);
  }
  line(label, `${(bestMs * 1000).toFixed(0)} us, ${into.subscriptions.length} matches`);
}

async function measureFanOut(): Promise<void> {
  const clients = 100_000;
  title(`${clients} clients on one filter`);
  const tree = new TopicTree();
  const { filter } = subscription('Plant1/alarm', 0);
  const fans = Array.from({ length: clients }, (_, index) => ({
    ...subscription('Plant1/alarm', index),
    filter,
    target: { ...target(index) },
  }));
  const before = usedBytes();
  await timeChanges(clients, (index) => tree.add(at(fans, index)), 'add');
  perItem('tree', usedBytes() - before, clients);
  measureOne(tree, 'Plant1/alarm', 'match');
  await timeChanges(clients, (index) => tree.remove(at(fans, index).target, filter), 'remove');
}

// --------------------------------------------------------------------------------------------------------- retained

async function measureRetained(): Promise<void> {
  title(`${count} retained messages, 64 bytes each, on Plant{1..10}/Line{1..10}/Machine{1..100}/Sensor{..}`);
  const topics = Array.from({ length: count }, (_, index) => encoder.encode(retainedTopic(index)));
  const message = borrowed('publisher');
  const name = (index: number) => {
    const bytes = at(topics, index);
    return readTopicName(bytes, 0, bytes.length);
  };
  const store = new RetainedStore();
  const set = (index: number) => {
    message.renew();
    message.topic = name(index);
    store.set(message);
  };
  const memoryBefore = usedBytes();
  await timeChanges(count, set, 'set, the topic read from its bytes');
  perItem('store, all in', usedBytes() - memoryBefore, count);
  await timeChanges(count, (index) => set(scatter(index, count)), 'set again');
  for (const filter of ['#', 'Plant3/#', 'Plant3/+/Machine7/+', '+/+/+/Sensor5', '+/+/+/+/none', retainedTopic(77)]) {
    measureCursor(store, filter);
  }
  await timeChanges(count, (index) => store.remove(name(scatter(index, count))), 'remove');
  line('left after that', `${store.count} messages, ${store.bytes} bytes`);
  perItem('memory left after that', usedBytes() - memoryBefore, count);
}

function measureCursor(store: RetainedStore, filter: string): void {
  const cursor = store.cursor(filter);
  let slices = 0;
  let found = 0;
  let longestMs = 0;
  const start = performance.now();
  while (!cursor.isDone) {
    const sliceStart = performance.now();
    for (const message of cursor.next(1000)) found += message.qos === 0 ? 1 : 0;
    longestMs = Math.max(longestMs, performance.now() - sliceStart);
    slices += 1;
  }
  const totalMs = performance.now() - start;
  line(
    `cursor ${filter}`,
    `${found} in ${totalMs.toFixed(1)} ms, ${slices} slices, longest ${longestMs.toFixed(2)} ms`,
  );
}

function retainedTopic(index: number): string {
  const plant = index % 10;
  const row = Math.floor(index / 10) % 10;
  const machine = Math.floor(index / 100) % 100;
  return `Plant${plant + 1}/Line${row + 1}/Machine${machine + 1}/Sensor${Math.floor(index / 10_000) + 1}`;
}

function borrowed(publisherId: string): BorrowedMessage {
  const message = new BorrowedMessage(readTopicName(encoder.encode('-'), 0, 1));
  message.retain = true;
  message.publisherId = publisherId;
  message.bytes = PAYLOAD;
  message.payloadEnd = 64;
  return message;
}

// ----------------------------------------------------------------------------------------------------------- inputs

/** 10 plants of 50 lines of 200 machines of 7 sensors: 700,000 topics, numbered with neighbours far apart. */
function plantLevels(index: number): [string, string, string, string] {
  const plant = `Plant${(index % 10) + 1}`;
  const row = `Line${(Math.floor(index / 10) % 50) + 1}`;
  const machine = `Machine${(Math.floor(index / 500) % 200) + 1}`;
  return [plant, row, machine, `${SENSORS[Math.floor(index / 100_000) % 7]}${'x'.repeat(Math.floor(index / 700_000))}`];
}

function mixedFilter(index: number): string {
  const kind = index % 10;
  const number = Math.floor(index / 10);
  if (kind < 7) return plantLevels(number * 7 + kind).join('/');
  if (kind === 7) return plusFilter(number);
  if (kind === 8) return `${plantLevels(number).slice(0, 3).join('/')}/#`;
  return `cmd/device-${number}/#`;
}

/** `+` mostly at the end, seldom in front: all different up to 100,000. */
function plusFilter(number: number): string {
  const levels = plantLevels(number);
  if (number % 2 === 0) return `${levels[0]}/${levels[1]}/${levels[2]}/+`;
  const distinct = plantLevels(scatter(number, 700_000));
  if (number % 16 === 1) return `${distinct[0]}/${distinct[1]}/+/${distinct[3]}`;
  if (number % 16 === 3) return `${distinct[0]}/+/${distinct[2]}/${distinct[3]}`;
  return `+/${distinct[1]}/${distinct[2]}/${distinct[3]}`;
}

function distinctTopics(length: number): string[] {
  return Array.from({ length }, (_, index) => flat(plantLevels(scatter(index, 700_000)).join('/')));
}

/** A permutation of 0 to size - 1, so that memory is not walked in the order in which it was filled. */
function scatter(index: number, size: number): number {
  return (index * 7_368_787) % size;
}

function subscription(text: string, index: number): Subscription {
  const encoded = encoder.encode(text);
  const filter = readTopicFilter(encoded, 0, encoded.length);
  return {
    target: target(index),
    filter,
    qos: 1,
    noLocal: false,
    retainAsPublished: false,
    retainHandling: 0,
    identifiers: null,
  };
}

/** In one piece, its hash not yet known, as a topic is when it has just come in. */
function flat(text: string): string {
  return decoder.decode(encoder.encode(text));
}

function target(index: number): DeliveryTarget {
  return at(targets, index % targets.length);
}

function at<Item>(items: readonly Item[], index: number): Item {
  const item = items[index];
  if (item === undefined) throw new Error(`no item ${index} of ${items.length}`);
  return item;
}

// ----------------------------------------------------------------------------------------------------------- output

/** Runs `step` that often and prints the rate. */
function timeEach(steps: number, step: (index: number) => void, label: string): void {
  const runs: number[] = [];
  for (let start = 0; start + RUN <= steps; start += RUN) {
    const startMs = performance.now();
    for (let index = start; index < start + RUN; index += 1) step(index);
    runs.push(performance.now() - startMs);
  }
  runs.sort((one, two) => one - two);
  const perSecond = (ms: number) => Math.round((RUN / ms) * 1000).toLocaleString('en');
  const middle = at(runs, Math.floor(runs.length / 2));
  const fast = at(runs, Math.floor(runs.length / 10));
  line(label, `${perSecond(middle).padStart(10)} /s, a tenth of the runs ${perSecond(fast)} /s`);
}

/**
 * The same for changes, which can each be done once; prints also the longest one. The runtime's collections of garbage are
 * taken off: they depend on all that the process holds.
 */
async function timeChanges(steps: number, change: (index: number) => void, label: string): Promise<void> {
  const slow: { readonly startMs: number; readonly endMs: number }[] = [];
  const timed = (index: number) => {
    const startMs = performance.now();
    change(index);
    const endMs = performance.now();
    if (endMs - startMs > SLOW_MS) slow.push({ startMs, endMs });
  };
  timeEach(steps, timed, label);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const ownMs = slow.map(({ startMs, endMs }) => endMs - startMs - collectingMs(startMs, endMs));
  line('  longest single one', `${Math.max(SLOW_MS, ...ownMs).toFixed(1)} ms or less`);
}

function collectingMs(startMs: number, endMs: number): number {
  const inside = collections.filter((entry) => entry.startTime < endMs && entry.startTime + entry.duration > startMs);
  return inside.reduce((sum, entry) => sum + entry.duration, 0);
}

function perItem(label: string, bytes: number, items: number): void {
  if (globalThis.gc !== undefined) line(label, `${(bytes / items).toFixed(0)} bytes each`);
}

function usedBytes(): number {
  if (globalThis.gc === undefined) return 0;
  globalThis.gc();
  globalThis.gc();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

function title(text: string): void {
  console.log(`\n${text}`);
}

function line(label: string, value: string): void {
  console.log(`  ${label.padEnd(52)} ${value}`);
}
