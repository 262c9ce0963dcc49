import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type EdgeResult, judgeEdgeBox, runEdgeBox } from './run-edge-box.ts';

const MEBIBYTE = 1024 * 1024;
const PLAN = { clients: 500, messagesPerClientPerSecond: 1, seconds: 10, sampleMs: 500, wrapper: [] };
const LIMITS = { residentBytesMax: 160 * MEBIBYTE, sentShareMin: 0.3 };
const STRICT = { residentBytesMax: 90 * MEBIBYTE, sentShareMin: 0.9 };

describe('the edge box', () => {
  it(`${PLAN.clients} clients at a message a second, in little memory: everything is delivered`, async () => {
    const result = await runEdgeBox(PLAN, () => {});
    assert.deepEqual(judgeEdgeBox(result, LIMITS), []);
  });

  const fine: EdgeResult = {
    samples: [
      { atMs: 1000, residentBytes: 90 * MEBIBYTE, ownBytes: 1, descriptors: 1, threads: 1, cpuMs: 1 },
      { atMs: 2000, residentBytes: 80 * MEBIBYTE, ownBytes: 1, descriptors: 1, threads: 1, cpuMs: 1 },
    ],
    planned: 10,
    sent: 10,
    acknowledged: 10,
    received: 10,
    doubled: 0,
    latency: { p50: 1, p99: 1, p999: 1, longest: 1 },
    end: 0,
    lastWords: '',
  };

  it('is fine when nothing is wrong', () => {
    assert.deepEqual(judgeEdgeBox(fine, STRICT), []);
  });

  const wrong: readonly (readonly [name: string, Partial<EdgeResult>])[] = [
    ['a kill', { end: 'SIGKILL' }],
    ['a loss', { received: 9 }],
    ['a missing acknowledgement', { acknowledged: 9 }],
    ['a message twice', { doubled: 1 }],
    ['a load that was less than planned', { planned: 12 }],
  ];
  for (const [name, part] of wrong) {
    it(`sees ${name}`, () => {
      assert.equal(judgeEdgeBox({ ...fine, ...part }, STRICT).length, 1);
    });
  }

  it('sees one sample above the bound', () => {
    assert.match(
      judgeEdgeBox(fine, { ...STRICT, residentBytesMax: 89 * MEBIBYTE })[0] ?? '',
      /^resident memory reached 90.0 MB/,
    );
  });
});
