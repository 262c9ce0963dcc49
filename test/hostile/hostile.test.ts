import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type HostileRun, judgeHostile, runHostile, withBroker } from './run-hostile.ts';

const PLAN = {
  sockets: 1000,
  opensPerSecond: 400,
  noisesPerSecond: 50,
  dripsPerSecond: 500,
  settleSeconds: 0,
  // Beside other tests there may be no idle time at all.
  isSwarmIdle: false,
  rateShareMin: 0.3,
  clients: 100,
  messagesPerSecond: 500,
  quietSeconds: 3,
  hostileSeconds: 4,
};
/** For a machine that runs other tests at the same time. */
const LIMITS = { factor: 4, floorMs: 60 };
const RUNS_MAX = 3;

describe('hostile sockets', () => {
  it(`${PLAN.sockets} of them do not hurt ${PLAN.clients} well-behaved clients, and leave nothing behind`, async () => {
    await withBroker(async (broker) => {
      const runs: HostileRun[] = [];
      for (let seed = 1; seed <= RUNS_MAX; seed += 1) {
        const run = await runHostile(broker, PLAN, seed);
        assert.deepEqual(
          run.faults.filter((fault) => !fault.endsWith('this machine is too busy')),
          [],
        );
        runs.push(run);
        // Somebody else's work can spoil one run. If it was the broker, the next one is as bad.
        if (judgeHostile([run], LIMITS).faults.length === 0) return;
      }
      assert.fail(runs.flatMap((run) => judgeHostile([run], LIMITS).faults).join('\n'));
    });
  });
});

describe('the judgement of runs', () => {
  const latency = (p99: number) => ({ p50: 1, p99, longest: 9, sent: 9, received: 9 });
  const run = (quiet: number, hostile: number, faults: readonly string[] = []): HostileRun => ({
    quiet: latency(quiet),
    hostile: latency(hostile),
    swarm: { open: 9, made: 9, noises: 9, ended: 0, failed: 0, drips: 0 },
    rates: { made: 9, noises: 9, drips: 9 },
    connectMs: 1,
    brokerCpuShare: 0.1,
    faults,
  });
  const limits = { factor: 2, floorMs: 5 };
  const isFine = (runs: readonly HostileRun[]): boolean => judgeHostile(runs, limits).faults.length === 0;

  it('allows twice the quiet latency, and 5 ms when that is more', () => {
    assert.equal(isFine([run(1, 4.9)]), true);
    assert.equal(isFine([run(1, 5)]), false);
    assert.equal(isFine([run(4, 7.9)]), true);
    assert.equal(isFine([run(4, 8.1)]), false);
  });

  it('takes the medians of all runs', () => {
    assert.equal(isFine([run(1, 2), run(1, 100), run(1, 2)]), true);
    assert.equal(isFine([run(1, 100), run(1, 2), run(1, 100)]), false);
  });

  it('sees what a run found, and figures that are none', () => {
    assert.equal(isFine([run(1, 2, ['a message is missing'])]), false);
    assert.equal(isFine([run(1, Number.NaN)]), false);
  });
});
