import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ALL, bytesOf, hexOf } from '../codec.fixture.ts';
import { Reason, type ReasonCode } from '../reasons.ts';
import { ACK_BYTES_MAX, type AckType, writeAck } from './ack.ts';

const FIRST: readonly (readonly [type: AckType, first: string, failure: ReasonCode])[] = [
  ['puback', '40', Reason.NotAuthorized],
  ['pubrec', '50', Reason.QuotaExceeded],
  ['pubrel', '62', Reason.PacketIdentifierNotFound],
  ['pubcomp', '70', Reason.PacketIdentifierNotFound],
];

describe('writeAck', () => {
  for (const [type, first, failure] of FIRST) {
    test(`[MQTT5-2.1.3-1] [MQTT3-2.2.2-1] ${type}: 4 bytes, 5 with a reason in v5, nothing beside them`, () => {
      const into = new Uint8Array(3 + ACK_BYTES_MAX + 1).fill(0xee);
      for (const version of ALL) {
        assert.equal(writeAck(version, type, 0xabcd, 0, into, 3), 7);
        assert.equal(hexOf(into), hexOf(bytesOf(`eeeeee ${first} 02 abcd eeee`)));
      }
      for (const version of [3, 4] as const) assert.equal(writeAck(version, type, 0xabcd, failure, into, 3), 7);
      assert.equal(writeAck(5, type, 0xabcd, failure, into, 3), 8);
      assert.equal(hexOf(into), hexOf(bytesOf(`eeeeee ${first} 03 abcd ${failure.toString(16)} ee`)));
    });
  }
});
