import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LineTooLongError, linesOf } from './line-reader.ts';

async function* chunksOf(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

async function read(bytes: Uint8Array, sizes: readonly number[], lineBytesMax = 1000): Promise<string[]> {
  const lines: string[] = [];
  for await (const some of linesOf(chunksOf(bytes, sizes), lineBytesMax)) {
    lines.push(...some.map((line) => Buffer.from(line).toString('latin1')));
  }
  return lines;
}

describe('linesOf', () => {
  it('keeps empty lines, carriage returns, zeros, and a last line without an end', async () => {
    assert.deepEqual(await read(Buffer.from('a\r\n\n\0b\nlast'), [3]), ['a\r', '', '\0b', 'last']);
    assert.deepEqual(await read(Buffer.from('a\n'), [1]), ['a']);
    assert.deepEqual(await read(Buffer.from(''), [1]), []);
    assert.deepEqual(await read(Buffer.from('\n'), [1]), ['']);
  });

  it('is the same however the bytes come', async () => {
    const text = fc.string({ unit: fc.constantFrom('a', 'b', '\n'), maxLength: 60 });
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(text, sizes, async (all, cuts) => {
        const expected = all.split('\n');
        if (expected.at(-1) === '') expected.pop();
        assert.deepEqual(await read(Buffer.from(all), cuts), expected);
      }),
    );
  });

  it('refuses a line that never ends', async () => {
    await assert.rejects(read(Buffer.alloc(2000), [100]), LineTooLongError);
  });
});
