/** Debian's paho-mqtt (Python) against the broker: the scenarios stand in paho-scenarios.py. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { toolOrSkip } from '../fixtures/debian.ts';
import { run, startLiveBroker } from '../fixtures/live-broker.ts';

const SCENARIOS = fileURLToPath(new URL('paho-scenarios.py', import.meta.url));
const EXPECTED = ['every_qos', 'retained', 'will', 'resume', 'take_over', 'large']
  .map((name) => `ok ${name}\n`)
  .join('');

for (const [name, level] of [
  ['3.1', 3],
  ['3.1.1', 4],
  ['5.0', 5],
] as const) {
  test(`paho-mqtt ${name}: QoS pairs, retained, will, resume, take-over, large payload`, async (t) => {
    const python = toolOrSkip(t, 'paho', 'python3-paho-mqtt');
    if (python === null) return;
    const live = await startLiveBroker();
    try {
      const done = await run(python, [SCENARIOS, String(live.port), String(level)]).finished;
      assert.equal(done.stdout, EXPECTED, done.stderr);
    } finally {
      await live.stop();
    }
  });
}
