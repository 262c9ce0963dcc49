import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Qos } from '../../src/protocol/version.ts';
import { Ledger } from './ledger.ts';

function ledger(qos: Qos, sent: number): Ledger {
  const made = new Ledger(qos);
  for (let count = 0; count < sent; count += 1) made.next();
  return made;
}

describe('the ledger of a flow', () => {
  it('is content with every number once', () => {
    const flow = ledger(2, 3);
    for (const number of [1, 2, 3]) flow.take(number);
    assert.deepEqual([flow.missing, flow.duplicated, flow.disordered, flow.repeated], [0, 0, 0, 0]);
  });

  it('sees what is lost, at the end and in the middle', () => {
    const flow = ledger(2, 4);
    flow.take(1);
    flow.take(3);
    assert.equal(flow.skipped, 1);
    assert.equal(flow.missing, 2);
  });

  it('sees what comes too late', () => {
    const flow = ledger(1, 3);
    for (const number of [1, 3, 2]) flow.take(number);
    assert.deepEqual([flow.missing, flow.disordered], [0, 1]);
  });

  it('excuses a repetition of what was sent before a break, QoS 1 only', () => {
    for (const [qos, repeated, duplicated] of [
      [1, 1, 1],
      [2, 0, 2],
    ] as const) {
      const flow = ledger(qos, 2);
      flow.take(1);
      flow.take(2);
      flow.noteBreak();
      flow.take(2);
      flow.take(flow.next());
      flow.take(3);
      assert.deepEqual([flow.repeated, flow.duplicated], [repeated, duplicated], `QoS ${qos}`);
    }
  });
});
