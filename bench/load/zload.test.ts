/** Each mode of the load generator against a broker in this process, as short as it goes: it counts right, and ends. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { requireTool, toolOrSkip } from '../../test/fixtures/debian.ts';
import { type LiveBroker, startLiveBroker } from '../../test/fixtures/live-broker.ts';
import type { Figures } from '../suite/figures.ts';
import { compileZload, runLoad } from '../suite/load-program.ts';

const SHORT = '--secs 0.1 --warm 0.05';

describe('zload', () => {
  let live: LiveBroker;
  let zload = '';

  before(async () => {
    live = await startLiveBroker();
    if (requireTool('cc') !== null) zload = compileZload();
  });
  after(() => live.stop());

  const run = (line: string): Promise<Figures> =>
    runLoad(zload, [...line.split(' '), '--port', String(live.port), '--pid', String(process.pid)]);

  for (const line of [
    'flow',
    'flow --qos 1',
    'flow --qos 2',
    'flow --qos 2 --mqtt 5 --pubs 3 --subs 5 --window 10',
    'flow --subs 10 --fan all --window 8 --bytes 100000',
    'flow --pubs 10 --fan one --window 8',
    'flow --pubs 5 --subs 5 --filter plus --topics 100 --extra-filters 40',
    'flow --depth 150',
  ])
    test(`${line}: everything that was published is delivered`, async (t) => {
      if (toolOrSkip(t, 'cc', 'gcc') === null) return;
      const figures = await run(`${line} ${SHORT}`);
      assert.equal(figures.get('lost'), 0);
      assert.ok((figures.get('delivered_per_s') ?? 0) > 0);
      assert.ok((figures.get('cpu_us_per_message') ?? 0) > 0);
      assert.ok((figures.get('max_us') ?? 0) >= (figures.get('p50_us') ?? 0));
    });

  test('flow --stalled: the others get everything while one reads nothing', async (t) => {
    if (toolOrSkip(t, 'cc', 'gcc') === null) return;
    const figures = await run(`flow --subs 4 --fan all --stalled 1 --window 8 --bytes 1024 ${SHORT}`);
    assert.equal(figures.get('subs'), 3);
    assert.equal(figures.get('lost'), 0);
  });

  test('pace: as many messages as the rate says, each with its latency', async (t) => {
    if (toolOrSkip(t, 'cc', 'gcc') === null) return;
    const figures = await run('pace --pubs 10 --subs 10 --rate 1000 --retained 50 --secs 0.3 --warm 0.05');
    assert.equal(figures.get('lost'), 0);
    const published = figures.get('published_per_s') ?? 0;
    assert.ok(published > 300 && published < 3000, String(published));
    assert.ok((figures.get('p50_us') ?? 0) > 0);
  });

  test('retained: every retained message comes, and the others are watched meanwhile', async (t) => {
    if (toolOrSkip(t, 'cc', 'gcc') === null) return;
    const figures = await run(`retained --retained 3000 --pubs 5 --subs 5 --rate 500 ${SHORT}`);
    assert.equal(figures.get('missing'), 0);
    assert.equal(figures.get('lost'), 0);
    assert.ok((figures.get('last_ms') ?? 0) > 0);
    assert.ok((figures.get('max_us') ?? 0) > 0);
  });

  test('hold and churn: connections come up', async (t) => {
    if (toolOrSkip(t, 'cc', 'gcc') === null) return;
    const hold = await run('hold --pubs 100 --filters-each 3 --secs 0.1');
    assert.equal(hold.get('connections'), 100);
    assert.ok((hold.get('connects_per_s') ?? 0) > 0);
    const churn = await run(`churn --at-once 5 ${SHORT}`);
    assert.ok((churn.get('connects_per_s') ?? 0) > 0);
  });

  test('with 5.0 a broker says why it goes, and so does the load generator', async (t) => {
    if (toolOrSkip(t, 'cc', 'gcc') === null) return;
    await assert.rejects(run(`flow --qos 2 --mqtt 5 --window 1000 ${SHORT}`), /reason 0x93: --window is above/);
  });

  test('a refusal says what was wrong, in one line', (t) => {
    if (toolOrSkip(t, 'cc', 'gcc') === null) return;
    const refuse = (line: string): string => {
      const { status, stderr } = spawnSync(zload, line.split(' '), { encoding: 'utf8' });
      assert.equal(status, 1);
      return stderr;
    };
    assert.match(refuse('flow'), /^zload: --port is missing\n$/);
    assert.match(refuse('flow -p 1 --qos 3'), /^zload: --qos 3: expected a number from 0 to 2\n$/);
    assert.match(refuse('flow -p 1 --what 3'), /^zload: --what: no such option; see zload --help\n$/);
    assert.match(refuse('gallop -p 1'), /^zload: gallop: no such mode; see zload --help\n$/);
    assert.match(refuse('flow -p 1 --fan two'), /^zload: --fan two: no such value; see zload --help\n$/);
    assert.match(refuse('flow -p 1 --stalled 1'), /^zload: --stalled needs --fan all/);
    assert.match(refuse('start -p 1'), /^zload: start, and only start, takes a program after --\n$/);
  });

  test('a broker that is not there is an error, and so is one that does not start', (t) => {
    if (toolOrSkip(t, 'cc', 'gcc') === null) return;
    const unserved = spawnSync(zload, ['flow', '-p', '1'], { encoding: 'utf8' });
    assert.equal(unserved.status, 1);
    assert.match(unserved.stderr, /Connection refused/);
    const dead = spawnSync(zload, ['start', '-p', '1', '--', '/bin/false'], { encoding: 'utf8' });
    assert.equal(dead.status, 1);
    assert.match(dead.stderr, /the broker ended before it answered/);
  });
});
