import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { connackReturnCode, REASON_TEXT, Reason, reasonText } from './reasons.ts';

describe('reason codes', () => {
  test('each has a text, and no other number has one', () => {
    assert.deepEqual(
      [...REASON_TEXT.keys()].toSorted((one, two) => one - two),
      Object.values(Reason).toSorted((one, two) => one - two),
    );
    assert.equal(new Set(REASON_TEXT.values()).size, REASON_TEXT.size);
    assert.equal(reasonText(0x87), 'Not authorized');
    assert.equal(reasonText(0x05), 'reason code 0x05');
  });

  test('3.x is told a refusal by the nearest return code, a wrong password by 5 as in Mosquitto', () => {
    const codes = [0x84, 0x85, 0x88, 0x89, 0x97, 0x86, 0x87, 0x8a, 0x95, 0x80] as const;
    assert.deepEqual(codes.map(connackReturnCode), [1, 2, 3, 3, 3, 5, 5, 5, 5, 5]);
  });
});
