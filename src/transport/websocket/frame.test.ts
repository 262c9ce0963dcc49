import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeFrame, headerBytesFor, isCloseCode, writeBinaryHeader } from './frame.ts';

const HEADERS: readonly (readonly [payloadBytes: number, hex: string])[] = [
  [1, '8201'],
  [125, '827d'],
  [126, '827e007e'],
  [65_535, '827effff'],
  [65_536, '827f0000000000010000'],
  [2 ** 32 + 5, '827f0000000100000005'],
];

for (const [payloadBytes, hex] of HEADERS) {
  test(`the header of a frame of ${payloadBytes} bytes`, () => {
    const header = Buffer.alloc(headerBytesFor(payloadBytes));
    writeBinaryHeader(header, payloadBytes);
    assert.equal(header.toString('hex'), hex);
  });
}

test('a Close frame: without a code, with one, with a text that is too long', () => {
  assert.equal(Buffer.from(closeFrame(null, '')).toString('hex'), '8800');
  assert.equal(Buffer.from(closeFrame(1000, '')).toString('hex'), '880203e8');
  const long = closeFrame(1002, 'x'.repeat(500));
  assert.deepEqual([long.length, long[1]], [127, 125]);
});

test('codes that a peer may close with', () => {
  const allowed = [1000, 1001, 1002, 1003, 1007, 1011, 1014, 3000, 4999];
  const refused = [0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65_535];
  assert.deepEqual([...allowed, ...refused].filter(isCloseCode), allowed);
});
