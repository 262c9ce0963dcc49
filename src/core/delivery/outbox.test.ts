import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { FakeLink, type FakeLinkOptions } from '../../../test/fixtures/fake-link.ts';
import { FakeTurn } from '../../../test/fixtures/fake-turn.ts';
import { Flusher } from './flusher.ts';
import { type Outbox, type OutboxOwner, OutboxPool } from './outbox.ts';

const KIB = 1024;

/** What a channel and its connection do with an outbox. */
class Owner implements OutboxOwner {
  readonly link: FakeLink;
  outbox: Outbox | null = null;
  unsentCount = 0;
  readonly #pool: OutboxPool;

  constructor(pool: OutboxPool, options: FakeLinkOptions = {}) {
    this.#pool = pool;
    this.link = new FakeLink(options);
    this.link.attach({
      onBytes: () => undefined,
      onSent: (byteCount) => this.outbox?.onSent(byteCount),
      onEnd: () => this.outbox?.end(),
    });
  }

  onUnsent(): void {
    this.unsentCount += 1;
  }

  dropOutbox(): void {
    this.outbox = null;
  }

  append(bytes: Uint8Array): void {
    this.outbox ??= this.#pool.take(this);
    this.outbox.append(bytes);
  }
}

function setup() {
  const turn = new FakeTurn();
  const pool = new OutboxPool(new Flusher(turn));
  return { turn, pool, owner: (options?: FakeLinkOptions) => new Owner(pool, options) };
}

function bytesOf(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 17) & 0xff);
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

describe('an outbox', () => {
  test('hands what was appended in a turn over in one send, also when it outgrows the small chunk', () => {
    for (const count of [1, 20, 40, 300]) {
      const { turn, pool, owner } = setup();
      const one = owner();
      const parts = Array.from({ length: count }, (_, index) => bytesOf(100, index));
      for (const part of parts) one.append(part);
      assert.equal(one.link.sendCount, 0);
      turn.end();
      assert.equal(one.link.sendCount, 1, `${count} packets`);
      assert.deepEqual(one.link.takeSent(), joined(...parts));
      assert.equal(one.outbox, null, 'an idle connection has none');
      assert.equal(pool.takenCount, 0);
    }
  });

  test('more than a chunk leaves chunk by chunk, and what is larger than a chunk as a whole', () => {
    const { turn, pool, owner } = setup();
    const one = owner();
    const parts = [bytesOf(20 * KIB, 1), bytesOf(20 * KIB, 2), bytesOf(100 * KIB, 3), bytesOf(10, 4)];
    for (const part of parts) one.append(part);
    turn.end();
    assert.deepEqual(one.link.takeSent(), joined(...parts));
    assert.equal(pool.takenCount, 0);
  });

  test('bytes by reference keep their place', () => {
    const { turn, owner } = setup();
    const one = owner();
    const payload = bytesOf(5000, 9);
    one.append(bytesOf(10, 1));
    one.outbox?.appendShared(payload, 100, 4100);
    one.append(bytesOf(10, 2));
    turn.end();
    assert.deepEqual(one.link.takeSent(), joined(bytesOf(10, 1), payload.subarray(100, 4100), bytesOf(10, 2)));
    assert.equal(one.outbox, null);
  });

  test('is kept while the socket does not take everything, and says so after each flush', () => {
    const { turn, pool, owner } = setup();
    const one = owner();
    one.link.block(30);
    one.append(bytesOf(50, 1));
    turn.end();
    assert.deepEqual([one.outbox?.stuckBytes, one.outbox?.pendingBytes, one.unsentCount], [20, 20, 1]);
    one.append(bytesOf(50, 2));
    assert.deepEqual([one.outbox?.stuckBytes, one.outbox?.pendingBytes], [20, 70]);
    turn.end();
    assert.deepEqual([one.outbox?.stuckBytes, one.unsentCount, pool.takenCount], [70, 2, 1]);
    one.link.release();
    assert.deepEqual(one.link.takeSent(), joined(bytesOf(50, 1), bytesOf(50, 2)));
    assert.deepEqual([one.outbox, pool.takenCount], [null, 0]);
  });

  test('goes back when its link ends, whatever was not sent', () => {
    const { turn, pool, owner } = setup();
    const one = owner();
    one.link.block();
    one.append(bytesOf(50 * KIB));
    turn.end();
    one.append(bytesOf(10));
    one.link.fail();
    one.link.settle();
    assert.deepEqual([one.outbox, pool.takenCount], [null, 0]);
    turn.end();
    assert.equal(one.link.takeSent().length, 0);
  });

  test('one that was flushed before its turn came and is somebody else’s by then is flushed once for each', () => {
    const { turn, owner } = setup();
    const one = owner();
    const two = owner();
    one.append(bytesOf(10, 1));
    const { outbox } = one;
    outbox?.flush();
    assert.equal(one.outbox, null);
    two.append(bytesOf(10, 2));
    assert.equal(two.outbox, outbox, 'used again');
    turn.end();
    assert.deepEqual(one.link.takeSent(), bytesOf(10, 1));
    assert.deepEqual(two.link.takeSent(), bytesOf(10, 2));
    assert.equal(two.link.sendCount, 1);
  });

  test('one that has an owner cannot be given to another', () => {
    const { owner } = setup();
    const one = owner();
    one.append(bytesOf(1));
    assert.throws(() => one.outbox?.begin(owner()), /two connections/);
  });
});

describe('the pool', () => {
  test('uses outboxes again, and keeps a bounded number', () => {
    const { turn, pool, owner } = setup();
    const owners = Array.from({ length: 400 }, () => owner());
    for (const one of owners) one.append(bytesOf(10));
    assert.equal(pool.takenCount, 400);
    turn.end();
    assert.deepEqual([pool.takenCount, pool.keptCount], [0, 256]);
    for (const one of owners.slice(0, 200)) one.append(bytesOf(10));
    assert.equal(pool.keptCount, 56, 'they are used again');
  });
});

interface Step {
  readonly who: number;
  readonly what: 'append' | 'block' | 'release' | 'settle' | 'turn' | 'end';
  readonly byteCount: number;
}

test('whatever the sockets do, each connection is sent its own bytes, all of them and in order', () => {
  const step: fc.Arbitrary<Step> = fc.record({
    who: fc.nat({ max: 4 }),
    what: fc.constantFrom('append', 'append', 'append', 'block', 'release', 'settle', 'turn'),
    byteCount: fc.oneof(fc.integer({ min: 1, max: 300 }), fc.integer({ min: 1, max: 70 * KIB })),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, isSentLater) => {
      const { turn, pool, owner } = setup();
      const owners = Array.from({ length: 5 }, () => {
        const sent: Uint8Array[] = [];
        return { one: owner({ isSentLater }), sent };
      });
      steps.forEach(({ who, what, byteCount }, index) => {
        const { one, sent } = owners[who] ?? assert.fail('no such owner');
        if (what === 'append') {
          const bytes = bytesOf(byteCount, index);
          sent.push(bytes);
          one.append(bytes);
        } else if (what === 'block') one.link.block(byteCount);
        else if (what === 'release') one.link.release(byteCount);
        else if (what === 'settle') one.link.settle();
        else turn.end();
      });
      turn.end();
      for (const { one, sent } of owners) {
        one.link.release();
        one.link.settle();
        assert.deepEqual(one.link.takeSent(), joined(...sent));
        assert.equal(one.outbox, null);
      }
      assert.equal(pool.takenCount, 0);
    }),
    { numRuns: 100 },
  );
});
