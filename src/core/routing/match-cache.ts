/**
 * What topics matched lately, so that a topic that is published again costs a comparison.
 *
 * The topics that are published again are remembered already, by the memo that reads them (`TopicNames`): each has a
 * number there, and always the same object. So an array by that number is all it takes, and what the memo does against a
 * flood of ever new topics serves here, too. A topic without a number is matched each time. (A table by the hash of the
 * text came before, and cost half of what routing did.)
 *
 * All of it is dropped at the first look-up after a subscription changed, so that nothing holds on to a session that
 * has ended; results that were given out stay as they were.
 */
import { type TopicName, topicPlace } from '../../protocol/topic.ts';
import type { MatchResult, TopicTree } from './topic-tree.ts';

export type { MatchResult };

/** Estimated bytes of all entries: 10,000 topics may match 100,000 subscriptions each. */
const CACHE_BYTES_MAX = 64 * 1024 * 1024;
/** What an entry costs beyond its matches. */
const ENTRY_BYTES = 150;
/** Topics with a higher number are not remembered. */
const ENTRIES_MAX = 65_536;

/** Shared by results, so frozen. */
const NOTHING: never[] = [];
Object.freeze(NOTHING);
const NO_MATCH: MatchResult = Object.freeze({ subscriptions: NOTHING, groups: NOTHING });

interface Entry {
  readonly topic: TopicName;
  readonly result: MatchResult;
}

export class MatchCache {
  readonly #tree: TopicTree;
  /** By the number of the topic; as long as the highest one seen needs. */
  readonly #entries: (Entry | null)[] = [];
  #version: number;
  #bytes = 0;
  /** Numbers that may have an entry. */
  readonly #filled = new Set<number>();
  /** Where room is made next when bytes run out. */
  #hand = 0;
  readonly #scratch: MatchResult = { subscriptions: [], groups: [] };

  constructor(tree: TopicTree) {
    this.#tree = tree;
    this.#version = tree.version;
  }

  /** Estimated bytes of what is remembered. */
  get bytes(): number {
    return this.#bytes;
  }

  /** What a topic name matches now. The result is not to be changed, and never changes afterwards. */
  lookup(topic: TopicName): MatchResult {
    if (this.#version !== this.#tree.version) this.#clear();
    const place = topicPlace(topic);
    if (place < 0 || place >= ENTRIES_MAX) return this.#match(topic.text);
    const entry = place < this.#entries.length ? (this.#entries[place] ?? null) : null;
    if (entry !== null && entry.topic === topic) return entry.result;
    const result = this.#match(topic.text);
    this.#remember(topic, place, result);
    return result;
  }

  #remember(topic: TopicName, place: number, result: MatchResult): void {
    const bytes = bytesOf(result);
    // Too large to share the table: it is found anew each time, which costs little beside delivering it.
    if (bytes > CACHE_BYTES_MAX / 2) return;
    while (this.#entries.length <= place) this.#entries.push(null);
    while (this.#bytes + bytes > CACHE_BYTES_MAX) this.#drop(this.#hand++ % this.#entries.length);
    this.#drop(place);
    this.#filled.add(place);
    this.#entries[place] = { topic, result };
    this.#bytes += bytes;
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
    this.#bytes -= bytesOf(entry.result);
    this.#entries[place] = null;
  }

  #clear(): void {
    this.#version = this.#tree.version;
    for (const place of this.#filled) this.#entries[place] = null;
    this.#filled.clear();
    this.#bytes = 0;
  }
}

function bytesOf(result: MatchResult): number {
  return ENTRY_BYTES + 8 * (result.subscriptions.length + result.groups.length);
}

/** Empties `items` into an array of exactly the right size. */
function takeAll<Item>(items: Item[]): Item[] {
  if (items.length === 0) return NOTHING;
  const taken = items.slice();
  items.length = 0;
  return taken;
}
