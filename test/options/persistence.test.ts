/** What survives a restart: nothing yet, and the broker says so. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { OPEN, refusalOf, startOneBroker } from './one-broker.ts';
import { admission } from './visitor.ts';

const WARNING = "Warning: 'persistence true' keeps everything in memory: the store on disk is not there yet.";

async function warns(t: TestContext, lines: readonly string[]): Promise<boolean> {
  const { port, log } = await startOneBroker(t, [...OPEN, ...lines]);
  assert.equal(await admission(port), 'in');
  return log.hasLine(WARNING);
}

test('option persistence: runs in memory, with a warning at each start', async (t) => {
  assert.ok(await warns(t, ['persistence true']));
  assert.ok(!(await warns(t, ['persistence false'])));
  assert.ok(!(await warns(t, [])));
});

test('option retained_persistence: is persistence by its old name', async (t) => {
  assert.ok(await warns(t, ['retained_persistence true']));
});

/** Each with what the warning of `persistence true` stands for, and a value that is refused. */
const OF_THE_STORE = [
  {
    title: 'option persistence_file: no file is written, which the warning says; an empty name is refused',
    line: 'persistence_file state.db',
    wrong: 'persistence_file',
  },
  {
    title: 'option persistence_location: nothing is written there, which the warning says; an empty one is refused',
    line: 'persistence_location {FOLDER}/',
    wrong: 'persistence_location',
  },
  {
    title: 'option autosave_interval: nothing is written at any time, which the warning says; a wrong one is refused',
    line: 'autosave_interval 1',
    wrong: 'autosave_interval often',
  },
  {
    title:
      'option autosave_on_changes: nothing is written after any change, which the warning says; a wrong one is refused',
    line: 'autosave_on_changes true',
    wrong: 'autosave_on_changes maybe',
  },
] as const;

for (const { title, line, wrong } of OF_THE_STORE) {
  test(title, async (t) => {
    const { folder, log, port, stop } = await startOneBroker(t, [...OPEN, 'persistence true', line]);
    assert.equal(await admission(port), 'in');
    assert.ok(log.hasLine(WARNING));
    await stop();
    assert.ok(!existsSync(join(folder, 'state.db')) && !existsSync(join(folder, 'mosquitto.db')));
    assert.ok((await refusalOf(t, [wrong])).includes(wrong.split(' ')[0] ?? ''));
  });
}
