/**
 * A map by text that may hold millions of entries without a pause when it grows.
 *
 * A JavaScript Map copies itself whole each time its capacity doubles: a quarter of a second at a million entries, in which
 * the broker serves nobody. So beyond `SPLIT_AT` entries this one spreads over many Maps, each of which copies
 * only its small part. Which one a key goes to is no secret and needs no good hash: keys that all fall into one Map make
 * it an ordinary Map again, whose own hash is seeded by the runtime. Keys are a client's, so it is never a plain object.
 */

import { assert } from '../../base/assert.ts';

const SPLIT_AT = 16_384;
const SHARD_COUNT = 256;

export class WideMap<Value> {
  /** Everything, while `#shards` is null. */
  #single = new Map<string, Value>();
  #shards: Map<string, Value>[] | null = null;
  /** Counted only while there are shards. */
  #shardedCount = 0;

  get size(): number {
    return this.#shards === null ? this.#single.size : this.#shardedCount;
  }

  get(key: string): Value | undefined {
    return this.#shards === null ? this.#single.get(key) : shardFor(this.#shards, key).get(key);
  }

  set(key: string, value: Value): void {
    if (this.#shards === null) {
      this.#single.set(key, value);
      if (this.#single.size > SPLIT_AT) this.#split();
      return;
    }
    const shard = shardFor(this.#shards, key);
    const sizeBefore = shard.size;
    shard.set(key, value);
    this.#shardedCount += shard.size - sizeBefore;
  }

  delete(key: string): boolean {
    if (this.#shards === null) return this.#single.delete(key);
    if (!shardFor(this.#shards, key).delete(key)) return false;
    this.#shardedCount -= 1;
    if (this.#shardedCount === 0) this.#shards = null;
    return true;
  }

  #split(): void {
    const shards = Array.from({ length: SHARD_COUNT }, () => new Map<string, Value>());
    for (const [key, value] of this.#single) shardFor(shards, key).set(key, value);
    this.#shardedCount = this.#single.size;
    this.#shards = shards;
    this.#single = new Map();
  }
}

/** Looks at 16 to 31 characters of the key, spread over all of it. */
function shardFor<Value>(shards: Map<string, Value>[], key: string): Map<string, Value> {
  const stride = (key.length >> 5) + 1;
  let hash = key.length;
  for (let index = key.length - 1; index >= 0; index -= stride) {
    hash = Math.imul(hash ^ key.charCodeAt(index), 0x01000193);
  }
  const shard = shards[(hash ^ (hash >>> 15)) & (SHARD_COUNT - 1)];
  assert(shard !== undefined, 'a shard for every hash');
  return shard;
}
