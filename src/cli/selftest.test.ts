import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { describe, it } from 'node:test';
import { runSelftest } from './selftest.ts';

async function run(...args: readonly string[]): Promise<{ code: number; out: string; error: string }> {
  const stdout = new PassThrough().setEncoding('utf8');
  const stderr = new PassThrough().setEncoding('utf8');
  const io = { stdin: new PassThrough(), stdout, stderr, pid: 1, on: () => {}, off: () => {} };
  const code = await runSelftest(args, io);
  return { code, out: String(stdout.read() ?? ''), error: String(stderr.read() ?? '') };
}

describe('zanzara selftest', () => {
  it('--help tells of every option', async () => {
    const { code, out } = await run('durability', '--help');
    assert.equal(code, 0);
    for (const option of ['--cycles', '--dir', '--seed', '--durability', '--json']) assert.ok(out.includes(option));
  });

  const wrong: readonly (readonly [args: readonly string[], said: string])[] = [
    [[], 'selftest of what?'],
    [['speed'], 'given: speed'],
    [['durability', '--cycles', '0'], "--cycles must be a whole number from 1 to 1000000, not '0'"],
    [['durability', '--cycles', 'many'], "not 'many'"],
    [['durability', '--seed', '-1'], '--seed'],
    [['durability', '--durability', 'relaxed'], '--durability must be strict or "relaxed N"'],
    [['durability', '--durability', 'relaxed 0'], "not 'relaxed 0'"],
    [['durability', '--durability', 'off'], "not 'off'"],
    [['durability', '--fast'], "'--fast'"],
  ];
  for (const [args, said] of wrong) {
    it(`refuses '${args.join(' ')}' and says why`, async () => {
      const { code, error } = await run(...args);
      assert.equal(code, 3);
      assert.ok(error.includes(said), error);
      assert.ok(error.includes('--help'));
    });
  }

  it('a folder that is not there ends it with the reason', async () => {
    const { code, error } = await run('durability', '--dir', '/nowhere/at/all');
    assert.equal(code, 1);
    assert.match(error, /ENOENT.*\/nowhere\/at\/all/);
  });
});
