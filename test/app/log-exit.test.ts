import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { runScript, ScriptProcess, sourceUrl } from './script-process.ts';

const limit = { timeout: 30_000 };

/** A log to the file of LOG_FILE, and what `run` does with it. */
const scriptWith = (run: string, destination = "{ kind: 'file', path: process.env.LOG_FILE }") => `
  import { createBrokerLog } from '${sourceUrl('app/log/broker-log.ts')}';
  import { DEFAULT_LOG_SETTINGS } from '${sourceUrl('app/log/log-settings.ts')}';
  import { systemClock } from '${sourceUrl('transport/node/node-clock.ts')}';
  const { stderr, stdout, env } = process;
  const settings = { ...DEFAULT_LOG_SETTINGS, hasTimestamp: false, destinations: [${destination}] };
  const log = createBrokerLog(settings, { clock: systemClock, stderr, stdout, environment: env });
  ${run}
`;

for (const [what, run, code] of [
  ['process.exit in the turn of the line', "log.write('error', 'last'); process.exit(7);", 7],
  ['an exception that nobody catches', "log.write('error', 'last'); setImmediate; throw new Error('boom');", 1],
  ['an ordinary end', "log.write('error', 'last');", 0],
] as const) {
  test(`the last line of a process is in the file: ${what}`, limit, (context) => {
    const folder = mkdtempSync(join(tmpdir(), 'zanzara-log-'));
    context.after(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'test.log');
    const ran = runScript(scriptWith(run), { LOG_FILE: path });
    assert.equal(ran.code, code, ran.stderr);
    assert.equal(readFileSync(path, 'utf8'), 'last\n');
  });
}

test('a pipe that nobody empties blocks nothing', limit, async (context) => {
  const flood = `
    for (let count = 0; count < 3000; count++) log.write('error', 'x'.repeat(900));
    process.stdout.write('flooded\\n');
    setInterval(() => {}, 1000);
  `;
  const script = new ScriptProcess(context, scriptWith(flood, "{ kind: 'stderr' }"));
  script.child.stderr.pause();
  await script.prints('flooded\n');
});
