import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PacketIds } from './packet-ids.ts';

describe('PacketIds', () => {
  it('gives every id from 1 to 65535 once, then none', () => {
    const ids = new PacketIds();
    const seen = new Set<number | null>();
    for (let count = 0; count < 65_535; count++) seen.add(ids.take());
    assert.equal(seen.size, 65_535);
    assert.ok(!seen.has(0) && !seen.has(null));
    assert.equal(ids.take(), null);
    ids.release(7);
    assert.equal(ids.take(), 7);
  });

  it('[MQTT3-2.3.1-2] goes up and skips what is in use', () => {
    const ids = new PacketIds();
    assert.deepEqual([ids.take(), ids.take(), ids.take()], [1, 2, 3]);
    ids.release(2);
    assert.equal(ids.take(), 4);
    for (let count = 4; count < 65_535; count++) ids.take();
    assert.equal(ids.take(), 2);
  });
});
