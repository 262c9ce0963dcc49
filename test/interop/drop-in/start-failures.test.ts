/** Drop-in: what keeps Mosquitto from starting keeps Zanzara from it, with the same words and the same exit code. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toolOrSkip } from '../../fixtures/debian.ts';
import { START_FAILURES } from './start-failures.ts';
import { observeEnd } from './two-brokers.ts';

/** Files of users and rights that cannot be used: 2.0.11 ends with the number of one of its errors. */
const OTHER_EXIT = new Set(['no password file', 'no ACL file', 'an ACL file that is wrong']);

for (const { scenario, isRefusedBy } of START_FAILURES) {
  test(`drop-in, no start: ${scenario.name}`, { timeout: 60_000 }, async (t) => {
    const mosquitto = toolOrSkip(t, 'mosquitto', 'mosquitto');
    if (mosquitto === null) return;
    const [exit, ...lines] = await observeEnd(scenario, 'zanzara', mosquitto);
    const error = firstError(lines);
    assert.ok(error !== undefined, lines.join('\n'));
    if (isRefusedBy === 'zanzara') {
      assert.equal(exit, 'exit 3');
      return;
    }
    const [theirExit, ...theirs] = await observeEnd(scenario, 'mosquitto', mosquitto);
    assert.equal(exit, OTHER_EXIT.has(scenario.name) ? 'exit 1' : theirExit);
    assert.ok(theirs.map(unquoted).includes(error), `${error}\nis not among\n${theirs.join('\n')}`);
    assert.equal(lines.find(isPlace), theirs.find(isPlace) ?? lines.find(isPlace));
  });
}

function isPlace(line: string): boolean {
  return line.startsWith('Error found at');
}

/** What Zanzara adds behind Mosquitto's words. */
const ADDED = / (Did you mean .*|Expected .*)$/;

function firstError(lines: readonly string[]): string | undefined {
  const line = lines.find((text) => text.startsWith('Error') && !isPlace(text));
  return line === undefined ? undefined : unquoted(line.replace(ADDED, ''));
}

/** 2.0 quotes names in several ways, 2.1 in one. */
function unquoted(line: string): string {
  return line.replaceAll(/["']/g, '');
}
