import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { judgeSoak, LONG_LIMITS } from './judge.ts';
import type { SoakResult } from './run-soak.ts';

const MEBIBYTE = 1024 * 1024;
const FINE = result({});

/** A run of 1000 seconds in which nothing is wrong but what is given; `leak` counts from the start. */
function result(
  wrong: Partial<SoakResult>,
  leak: Partial<Record<'ownBytes' | 'descriptors' | 'threads', number>> = {},
) {
  const grown = (key: keyof typeof leak, index: number): number => ((leak[key] ?? 0) * index) / 100;
  const made: SoakResult = {
    samples: Array.from({ length: 101 }, (_, index) => ({
      atMs: index * 10_000,
      residentBytes: 100 * MEBIBYTE,
      ownBytes: 50 * MEBIBYTE + grown('ownBytes', index),
      descriptors: 100 + grown('descriptors', index),
      threads: 7 + Math.floor(grown('threads', index)),
      cpuMs: 0,
    })),
    descriptors: { atStart: 24, atEnd: 24 },
    flows: { sent: 1000, lost: 0, duplicated: 0, disordered: 0, repeated: 9, refused: 0, sessionsForgotten: 0 },
    passersBy: { connected: 10, replaced: 1, published: 10, received: 10, kicked: 1, forgotten: 0 },
    slowReadersCome: 1,
    alarms: [],
    exitCode: 0,
  };
  return { ...made, ...wrong };
}

describe('the judgement of a soak', () => {
  it('is content when nothing is wrong', () => {
    assert.deepEqual(judgeSoak(FINE, LONG_LIMITS), []);
  });

  for (const [key, by, text] of [
    ['ownBytes', 10 * MEBIBYTE, /^memory grows/],
    ['descriptors', 30, /^descriptors grow/],
    ['threads', 4, /^threads grow/],
  ] as const) {
    it(`sees that ${key} grows`, () => {
      const faults = judgeSoak(result({}, { [key]: by }), LONG_LIMITS);
      assert.equal(faults.length, 1);
      assert.match(faults[0] ?? '', text);
    });
  }

  const wrong: readonly (readonly [name: string, Partial<SoakResult>])[] = [
    ['a descriptor that is left', { descriptors: { atStart: 24, atEnd: 25 } }],
    ['a lost message', { flows: { ...FINE.flows, lost: 1 } }],
    ['a duplicate', { flows: { ...FINE.flows, duplicated: 1 } }],
    ['disorder', { flows: { ...FINE.flows, disordered: 1 } }],
    ['a refusal', { flows: { ...FINE.flows, refused: 1 } }],
    ['a session that is gone', { flows: { ...FINE.flows, sessionsForgotten: 1 } }],
    ['a load that was none', { flows: { ...FINE.flows, sent: 0 } }],
    ['a silent client that stays', { passersBy: { ...FINE.passersBy, forgotten: 1 } }],
    ['a defect in the log', { alarms: ['internal error'] }],
    ['a broker that does not end well', { exitCode: 1 }],
  ];
  for (const [name, part] of wrong) {
    it(`sees ${name}`, () => {
      assert.equal(judgeSoak(result(part), LONG_LIMITS).length, 1);
    });
  }

  it('sees memory above the bound', () => {
    const limits = { ...LONG_LIMITS, ownBytesMax: 49 * MEBIBYTE };
    assert.match(judgeSoak(FINE, limits)[0] ?? '', /^memory reached 50.0 MB/);
  });
});
