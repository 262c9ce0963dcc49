import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { SeededRandom } from '../../../test/fixtures/seeded-random.ts';
import { masked } from './client-frame.fixture.ts';
import { turnKey, unmask } from './unmask.ts';

describe('unmask', () => {
  test('the example of RFC 6455, section 5.7', () => {
    const bytes = Buffer.from('7f9f4d5158', 'hex');
    unmask(bytes, 0, bytes.length, 0x37fa213d, 0);
    assert.equal(bytes.toString(), 'Hello');
  });

  test('any range of any memory, and nothing beside it', () => {
    const property = fc.property(
      fc.nat(300),
      fc.nat(300),
      fc.nat(16),
      fc.nat(16),
      fc.integer(),
      (length, rest, offset, start, key) => {
        const memory = new SeededRandom(length).fill(new Uint8Array(offset + start + length + rest));
        const before = Buffer.from(memory);
        const at = offset + start;
        unmask(memory.subarray(offset), start, start + length, key, start);
        assert.deepEqual(Buffer.from(memory.subarray(at, at + length)), masked(before.subarray(at, at + length), key));
        assert.ok(before.subarray(0, at).equals(memory.subarray(0, at)));
        assert.ok(before.subarray(at + length).equals(memory.subarray(at + length)));
      },
    );
    fc.assert(property, { numRuns: 500 });
  });

  test('in parts, with the key as it stands then, it is the same', () => {
    const property = fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), fc.integer(), (payload, cut, key) => {
      const at = Math.min(cut, payload.length);
      const bytes = Buffer.from(payload);
      unmask(bytes, 0, at, key, 0);
      unmask(bytes, at, bytes.length, turnKey(key, at), at);
      assert.deepEqual(bytes, masked(payload, key));
    });
    fc.assert(property, { numRuns: 300 });
  });

  test('moved to any place before it', () => {
    const property = fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(100),
      fc.integer(),
      (payload, before, key) => {
        const memory = Buffer.concat([Buffer.alloc(before, 1), payload]);
        const to = before >> 1;
        unmask(memory, before, memory.length, key, to);
        assert.deepEqual(memory.subarray(to, to + payload.length), masked(payload, key));
        assert.ok(memory.subarray(0, to).every((byte) => byte === 1));
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  test('the memory that was unmasked last may be another one', () => {
    const [first, second] = [Buffer.alloc(256, 1), new Uint8Array(new ArrayBuffer(256)).fill(2)];
    for (const bytes of [first, second, first]) unmask(bytes, 0, bytes.length, 0x01010101, 0);
    assert.ok(first.every((byte) => byte === 1));
    assert.ok(second.every((byte) => byte === 3));
  });
});
