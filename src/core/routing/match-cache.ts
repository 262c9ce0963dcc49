/**
 * What the topics of the last while matched, so that a topic that is published again costs one look-up.
 *
 * Two generations: what is asked for goes into the young one; when that is full it becomes the old one, and the old one
 * is let go. What is used stays, what is not used for two generations leaves, and nothing is ever deleted one by one
 * (which a Map is slow at): a flood of ever new topics costs a miss in two maps and one insertion each. All of it is
 * dropped at the first look-up after a subscription changed, so that nothing holds on to a session that has ended.
 */
import type { MatchResult, TopicTree } from './topic-tree.ts';

export type { MatchResult };

/** Estimated bytes of both generations: 10,000 topics may match 100,000 subscriptions each. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024;
/** What an entry costs beyond its matches and its topic: result, arrays, place in the map. */
const ENTRY_BYTES = 200;

/** Shared by all results, so frozen. */
const NOTHING: never[] = [];
Object.freeze(NOTHING);
const NO_MATCH: MatchResult = Object.freeze({ subscriptions: NOTHING, groups: NOTHING });

export class MatchCache {
  readonly #tree: TopicTree;
  readonly #generationEntriesMax: number;
  #version: number;
  #young = new Map<string, MatchResult>();
  #old = new Map<string, MatchResult>();
  #youngBytes = 0;
  readonly #scratch: MatchResult = { subscriptions: [], groups: [] };

  /** At most `entriesMax` topics are kept, fewer when they match very much. */
  constructor(tree: TopicTree, entriesMax = 10_000) {
    this.#tree = tree;
    this.#version = tree.version;
    this.#generationEntriesMax = Math.max(1, entriesMax >> 1);
  }

  /** What a topic name matches now. The result is not to be changed, and never changes afterwards. */
  lookup(topic: string): MatchResult {
    if (this.#version !== this.#tree.version) this.#clear();
    const young = this.#young.get(topic);
    if (young !== undefined) return young;
    const result = this.#old.get(topic) ?? this.#match(topic);
    this.#keep(topic, result);
    return result;
  }

  #match(topic: string): MatchResult {
    const scratch = this.#scratch;
    this.#tree.match(topic, scratch);
    const { subscriptions, groups } = scratch;
    if (subscriptions.length === 0 && groups.length === 0) return NO_MATCH;
    return { subscriptions: takeAll(subscriptions), groups: takeAll(groups) };
  }

  #keep(topic: string, result: MatchResult): void {
    const matches = result.subscriptions.length + result.groups.length;
    const bytes = ENTRY_BYTES + 2 * topic.length + 8 * matches;
    // Alone too large: it is found anew each time, which costs little beside delivering it.
    if (bytes > CACHE_BYTES_MAX / 2) return;
    if (this.#young.size >= this.#generationEntriesMax || this.#youngBytes + bytes > CACHE_BYTES_MAX / 2) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngBytes = 0;
    }
    this.#young.set(topic, result);
    this.#youngBytes += bytes;
  }

  #clear(): void {
    this.#version = this.#tree.version;
    if (this.#young.size > 0) this.#young = new Map();
    if (this.#old.size > 0) this.#old = new Map();
    this.#youngBytes = 0;
  }
}

/** Empties `items` into an array of exactly the right size. */
function takeAll<Item>(items: Item[]): Item[] {
  if (items.length === 0) return NOTHING;
  const taken = items.slice();
  items.length = 0;
  return taken;
}
