/**
 * Drop-in, side by side: the same configuration in Debian's Mosquitto and in Zanzara, the same clients, the same results.
 * Where they differ on purpose, differences.ts says how, and docs/differences.md says why.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toolOrSkip } from '../../fixtures/debian.ts';
import { expectedOf } from './differences.ts';
import { PROCESS_SCENARIOS } from './process-scenarios.ts';
import { PROTOCOL_SCENARIOS } from './protocol-scenarios.ts';
import { SCENARIOS } from './scenarios.ts';
import { SESSION_SCENARIOS } from './session-scenarios.ts';
import { observe } from './two-brokers.ts';

for (const scenario of [...SCENARIOS, ...SESSION_SCENARIOS, ...PROTOCOL_SCENARIOS, ...PROCESS_SCENARIOS]) {
  test(`drop-in: ${scenario.name}`, { timeout: 120_000 }, async (t) => {
    const mosquitto = toolOrSkip(t, 'mosquitto', 'mosquitto');
    const clients = mosquitto === null ? null : toolOrSkip(t, 'mosquitto_pub', 'mosquitto-clients');
    const openssl = clients === null ? null : toolOrSkip(t, 'openssl', 'openssl');
    if (mosquitto === null || openssl === null) return;
    const theirs = await observe(scenario, 'mosquitto', mosquitto);
    const ours = await observe(scenario, 'zanzara', mosquitto);
    assert.deepEqual(ours, expectedOf(scenario.name, theirs));
  });
}
