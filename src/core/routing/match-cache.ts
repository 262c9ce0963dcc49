/**
 * What topics matched lately, so that a topic that is published again costs a hash and a comparison.
 *
 * A table of fixed size: a topic has two places, a newcomer takes the first and moves its holder to the second, and what
 * is asked for again moves to the front. A topic gets in when it is asked for the second time, so that a flood of ever new
 * ones costs hardly more than no cache, and leaves in place what is asked for in between. A Map was measured at twice the
 * time of a match in such a flood, because it makes each new text unique in the runtime. Whoever finds topics that fall
 * on one place only makes those miss.
 *
 * All of it is dropped at the first look-up after a subscription changed, so that nothing holds on to a session that
 * has ended; results that were given out stay as they were.
 */
import type { MatchResult, TopicTree } from './topic-tree.ts';

export type { MatchResult };

/** Estimated bytes of all entries: 10,000 topics may match 100,000 subscriptions each. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024;
/** What an entry costs beyond its matches and its topic. */
const ENTRY_BYTES = 150;
/** Characters of a topic that its hash looks at, at least. */
const HASHED_MIN = 128;

/** Shared by results, so frozen. */
const NOTHING: never[] = [];
Object.freeze(NOTHING);
const NO_MATCH: MatchResult = Object.freeze({ subscriptions: NOTHING, groups: NOTHING });

interface Entry {
  readonly topic: string;
  readonly result: MatchResult;
}

export class MatchCache {
  readonly #tree: TopicTree;
  /** Pairs of places, the one used last in front. */
  readonly #entries: (Entry | null)[];
  readonly #pairMask: number;
  /** Hashes of topics that missed lately. Outlives changes of subscriptions. */
  readonly #seen: Int32Array;
  #version: number;
  #bytes = 0;
  /** First places of the pairs that may hold something. */
  #filled: number[] = [];
  /** Where room is made next when bytes run out. */
  #hand = 0;
  readonly #scratch: MatchResult = { subscriptions: [], groups: [] };

  /** At most `entriesMax` topics are kept (rounded down to a power of two, two at least). */
  constructor(tree: TopicTree, entriesMax = 10_000) {
    this.#tree = tree;
    this.#version = tree.version;
    let size = 2;
    while (size * 2 <= entriesMax) size *= 2;
    this.#entries = new Array<Entry | null>(size).fill(null);
    this.#seen = new Int32Array(size);
    // The lowest bit chooses between the two places of a pair.
    this.#pairMask = size - 2;
  }

  /** Estimated bytes of what is remembered. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What a topic name matches now. The result is not to be changed, and never changes afterwards. */
  lookup(topic: string): MatchResult {
    if (this.#version !== this.#tree.version) this.#clear();
    const hash = hashOf(topic);
    const place = hash & this.#pairMask;
    const first = this.#entries[place] ?? null;
    if (first !== null && first.topic === topic) return first.result;
    const second = this.#entries[place + 1] ?? null;
    if (second === null || second.topic !== topic) return this.#miss(topic, hash);
    this.#entries[place] = second;
    this.#entries[place + 1] = first;
    return second.result;
  }

  #miss(topic: string, hash: number): MatchResult {
    const result = this.#match(topic);
    const seenAt = (hash >>> 8) & (this.#seen.length - 1);
    if (this.#seen[seenAt] === hash) this.#remember(topic, hash & this.#pairMask, result);
    else this.#seen[seenAt] = hash;
    return result;
  }

  #remember(topic: string, place: number, result: MatchResult): void {
    const bytes = bytesOf(topic, result);
    // Too large to share the table: it is found anew each time, which costs little beside delivering it.
    if (bytes > CACHE_BYTES_MAX / 2) return;
    while (this.#bytes + bytes > CACHE_BYTES_MAX) this.#drop(this.#hand++ % this.#entries.length);
    this.#drop(place + 1);
    this.#entries[place + 1] = this.#entries[place] ?? null;
    this.#entries[place] = { topic, result };
    this.#bytes += bytes;
    if (this.#filled.length < this.#entries.length) this.#filled.push(place);
  }

  #match(topic: string): MatchResult {
    const scratch = this.#scratch;
    this.#tree.match(topic, scratch);
    const { subscriptions, groups } = scratch;
    if (subscriptions.length === 0 && groups.length === 0) return NO_MATCH;
    return { subscriptions: takeAll(subscriptions), groups: takeAll(groups) };
  }

  #drop(place: number): void {
    const entry = this.#entries[place] ?? null;
    if (entry === null) return;
    this.#bytes -= bytesOf(entry.topic, entry.result);
    this.#entries[place] = null;
  }

  #clear(): void {
    this.#version = this.#tree.version;
    if (this.#filled.length === 0) return;
    if (this.#filled.length === this.#entries.length) this.#entries.fill(null);
    else {
      for (const place of this.#filled) {
        this.#entries[place] = null;
        this.#entries[place + 1] = null;
      }
    }
    this.#filled = [];
    this.#bytes = 0;
  }
}

function bytesOf(topic: string, result: MatchResult): number {
  return ENTRY_BYTES + 2 * topic.length + 8 * (result.subscriptions.length + result.groups.length);
}

function hashOf(topic: string): number {
  const stride = Math.floor(topic.length / (2 * HASHED_MIN)) + 1;
  let hash = topic.length;
  for (let index = topic.length - 1; index >= 0; index -= stride) {
    hash = Math.imul(hash ^ topic.charCodeAt(index), 0x01000193);
  }
  return hash ^ (hash >>> 15);
}

/** Empties `items` into an array of exactly the right size. */
function takeAll<Item>(items: Item[]): Item[] {
  if (items.length === 0) return NOTHING;
  const taken = items.slice();
  items.length = 0;
  return taken;
}
