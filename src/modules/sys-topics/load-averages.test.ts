import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Counters } from '../../core/ports.ts';
import { LoadAverages } from './load-averages.ts';
import { someCounters } from './sys-source.fixture.ts';

function value(loads: LoadAverages, name: string): number {
  for (const { topic, value: found } of loads.values()) if (topic === `$SYS/broker/load/${name}`) return found;
  assert.fail(`no ${name}`);
}

test('loads: nine counts over three spans, all from 0', () => {
  const all = [...new LoadAverages(someCounters({ bytesReceived: 5000 })).values()];
  assert.equal(all.length, 27);
  assert.equal(new Set(all.map(({ topic }) => topic)).size, 27);
  for (const { topic, value: first } of all) assert.equal(first, 0, topic);
});

test('loads: the formula, by hand: 20 in 10 seconds are a rate of 120, of which 1min takes 1 - e^(-1/6)', () => {
  const loads = new LoadAverages(someCounters());
  loads.advance(someCounters({ publishesReceived: 20 }), 10_000);
  assert.equal(value(loads, 'publish/received/1min').toFixed(6), (120 * (1 - Math.exp(-10 / 60))).toFixed(6));
  assert.equal(value(loads, 'publish/received/1min').toFixed(2), '18.42');
  assert.equal(value(loads, 'publish/received/5min').toFixed(2), '3.93');
  assert.equal(value(loads, 'publish/received/15min').toFixed(2), '1.33');
  loads.advance(someCounters({ publishesReceived: 20 }), 10_000);
  // Nothing more came: 18.42 * e^(-1/6).
  assert.equal(value(loads, 'publish/received/1min').toFixed(2), '15.59');
});

test('loads: each name counts its own counter', () => {
  const rows: readonly (readonly [name: string, counters: Partial<Counters>])[] = [
    ['messages/received', { packetsReceived: 1 }],
    ['messages/sent', { packetsSent: 1 }],
    ['publish/dropped', { publishesDropped: 1 }],
    ['publish/received', { publishesReceived: 1 }],
    ['publish/sent', { publishesSent: 1 }],
    ['bytes/received', { bytesReceived: 1 }],
    ['bytes/sent', { bytesSent: 1 }],
    ['sockets', { connectionsAccepted: 1 }],
    ['connections', { connectsReceived: 1 }],
  ];
  for (const [name, counters] of rows) {
    const loads = new LoadAverages(someCounters());
    loads.advance(someCounters(counters), 60_000);
    const moved = [...loads.values()].filter(({ value: now }) => now !== 0).map(({ topic }) => topic);
    assert.deepEqual(
      moved,
      ['1min', '5min', '15min'].map((span) => `$SYS/broker/load/${name}/${span}`),
      name,
    );
  }
});

test('loads: no time, or time that ran back, changes nothing and loses nothing', () => {
  const loads = new LoadAverages(someCounters());
  loads.advance(someCounters({ packetsSent: 7 }), 0);
  loads.advance(someCounters({ packetsSent: 9 }), -5);
  assert.equal(value(loads, 'messages/sent/1min'), 0);
  loads.advance(someCounters({ packetsSent: 10 }), 60_000);
  assert.equal(value(loads, 'messages/sent/1min').toFixed(6), (10 * (1 - Math.exp(-1))).toFixed(6));
});

test('loads: whatever happens, an average stays between the lowest and the highest rate that was seen', () => {
  const step = fc.record({ count: fc.nat({ max: 1_000_000 }), ms: fc.integer({ min: 1, max: 100_000_000 }) });
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 30 }), (steps) => {
      const loads = new LoadAverages(someCounters());
      let total = 0;
      let highest = 0;
      for (const { count, ms } of steps) {
        total += count;
        highest = Math.max(highest, (count * 60_000) / ms);
        loads.advance(someCounters({ bytesSent: total }), ms);
        for (const { topic, value: now } of loads.values()) {
          assert(now >= 0 && now <= highest * (1 + 1e-9), `${topic} is ${now}, the highest rate was ${highest}`);
        }
      }
    }),
  );
});

test('loads: a steady rate is reached', () => {
  const loads = new LoadAverages(someCounters());
  for (let pass = 1; pass <= 2000; pass += 1) loads.advance(someCounters({ publishesSent: 5 * pass }), 10_000);
  for (const span of ['1min', '5min', '15min']) {
    assert.equal(value(loads, `publish/sent/${span}`).toFixed(2), '30.00', span);
  }
});
