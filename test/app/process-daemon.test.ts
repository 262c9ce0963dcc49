import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { requireTool } from '../fixtures/debian.ts';
import { sourceUrl } from './script-process.ts';

const limit = { timeout: 30_000 };
const LAUNCHER = fileURLToPath(new URL('../../bin/zanzara', import.meta.url));

/**
 * A stand-in for the broker: it reports its start as the broker does, and writes its pid and its arguments into files. The
 * word after `--mode` says how the start goes.
 */
const BROKER = `
const { renameSync, writeFileSync } = require('node:fs');
const { join, dirname } = require('node:path');
const root = dirname(dirname(__dirname));
const mode = process.argv[process.argv.indexOf('--mode') + 1];
import('${sourceUrl('app/process/start-report.ts')}').then(({ createStartReport }) => {
  const report = createStartReport(process.env);
  process.stderr.on('error', () => {});
  process.stderr.write('1: starting\\n');
  console.log('on stdout');
  if (mode === 'fail') process.exitCode = 3;
  else if (mode === 'crash') process.kill(process.pid, 'SIGKILL');
  else {
    writeFileSync(join(root, 'argv'), JSON.stringify(process.argv.slice(2)));
    // Whole as soon as it is there: somebody may look for it all the time.
    writeFileSync(join(root, 'pid.new'), String(process.pid));
    renameSync(join(root, 'pid.new'), join(root, 'pid'));
    if (process.argv.includes('--help')) return;
    setInterval(() => {}, 1000);
    process.on('SIGTERM', () => process.exit(0));
    process.on('SIGUSR2', () => {
      for (let count = 0; count < 300; count++) process.stderr.write('x'.repeat(1000));
      setImmediate(() => writeFileSync(join(root, 'flooded'), ''));
    });
    report.running();
  }
});
`;

function setUp(context: TestContext) {
  const root = mkdtempSync(join(tmpdir(), 'zanzara daemon '));
  const put = (path: string, text: string) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  put('dist/cli/main.cjs', BROKER);
  mkdirSync(join(root, 'bin'));
  cpSync(LAUNCHER, join(root, 'bin/zanzara'));
  mkdirSync(join(root, 'node_modules/node/bin'), { recursive: true });
  symlinkSync(process.execPath, join(root, 'node_modules/node/bin/node'));
  const readPid = () => {
    const pid = Number(readFileSync(join(root, 'pid'), 'utf8'));
    // To kill 0 would be to kill our own group.
    assert.ok(pid > 1, `${pid} is no process`);
    return pid;
  };
  context.after(() => {
    if (existsSync(join(root, 'pid'))) {
      try {
        process.kill(readPid(), 'SIGKILL');
      } catch {
        // It has ended already.
      }
    }
    rmSync(root, { recursive: true });
  });
  const start = (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
    spawnSync(join(root, 'bin/zanzara'), args, { encoding: 'utf8', env: { ...process.env, ...env }, timeout: 20_000 });
  const argv = (): string[] => JSON.parse(readFileSync(join(root, 'argv'), 'utf8'));
  return { root, start, readPid, argv };
}

const isAlive = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** A field of /proc/PID/stat, counted as proc(5) does, from behind the name. */
function statField(pid: number, field: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[field - 3]);
}

test('-d: the command ends when the broker runs, and lets go of everything that it was given', limit, (context) => {
  const { start, readPid, argv } = setUp(context);
  // spawnSync returns when nobody has the pipes any more.
  const { status, stdout, stderr } = start(['-c', 'a file.conf', '-d', '-v', '*', '']);
  assert.deepEqual({ status, stdout, stderr }, { status: 0, stdout: '', stderr: '1: starting\n' });
  assert.deepEqual(argv(), ['-c', 'a file.conf', '-v', '*', '']);
  const pid = readPid();
  assert.ok(isAlive(pid));
  if (process.platform !== 'linux') return;
  assert.equal(readlinkSync(`/proc/${pid}/fd/0`), '/dev/null');
  assert.equal(readlinkSync(`/proc/${pid}/fd/1`), '/dev/null');
  if (requireTool('setsid') !== null) assert.equal(statField(pid, 6), pid, 'it has a session of its own');
});

test('-d where there is no setsid', limit, (context) => {
  const { root, start, readPid } = setUp(context);
  const tools = join(root, 'tools');
  mkdirSync(tools);
  for (const tool of ['sh', 'dirname', 'readlink']) symlinkSync(requireTool(tool) ?? tool, join(tools, tool));
  const { status, stderr } = start(['--daemon'], { PATH: tools });
  assert.deepEqual({ status, stderr }, { status: 0, stderr: '1: starting\n' });
  assert.ok(isAlive(readPid()));
});

test('a daemon whose stderr nobody reads any more goes on', limit, async (context) => {
  const { root, start, readPid } = setUp(context);
  assert.equal(start(['-d']).status, 0);
  process.kill(readPid(), 'SIGUSR2');
  while (!existsSync(join(root, 'flooded'))) {
    assert.ok(isAlive(readPid()));
    await new Promise(setImmediate);
  }
  assert.ok(isAlive(readPid()));
});

test('a start that fails: its lines and its exit code', limit, (context) => {
  const { start } = setUp(context);
  const { status, stderr } = start(['-d', '--mode', 'fail']);
  assert.deepEqual({ status, stderr }, { status: 3, stderr: '1: starting\n' });
});

test('a start that ends without a word fails', limit, (context) => {
  const { start } = setUp(context);
  const { status, stderr } = start(['-d', '--mode', 'crash']);
  assert.equal(status, 1);
  assert.match(stderr, /^zanzara: the broker ended before it ran\.$/m);
});

const FOREGROUND: readonly (readonly string[])[] = [
  ['-d', '--help'],
  ['--help', '-d'],
  ['broker', '-d', '--help'],
];
for (const args of FOREGROUND) {
  test(`zanzara ${args.join(' ')} stays in the foreground`, limit, (context) => {
    const { start, argv } = setUp(context);
    const { status, stdout } = start(args);
    assert.equal(status, 0);
    assert.equal(stdout, 'on stdout\n');
    assert.deepEqual(
      argv(),
      args.filter((word) => word !== '-d'),
    );
  });
}

for (const args of [
  ['-c', '-d', '--help'],
  ['-p', '-d', '--help'],
  ['--persist', '-d', '--help'],
  ['pub', '-d', '--help'],
  ['sub', '-d', '--help'],
  ['--help', '-c'],
]) {
  test(`zanzara ${args.join(' ')} keeps its arguments as they are`, limit, (context) => {
    const { start, argv } = setUp(context);
    assert.equal(start(args).status, 0);
    assert.deepEqual(argv(), args);
  });
}

test(
  'a signal to the broker in the foreground reaches it: it is the process that was started',
  limit,
  async (context) => {
    const { root, readPid } = setUp(context);
    const child = spawn(join(root, 'bin/zanzara'), ['-v'], { stdio: ['ignore', 'pipe', 'ignore'] });
    await once(child.stdout, 'data');
    while (!existsSync(join(root, 'pid'))) await new Promise(setImmediate);
    assert.equal(readPid(), child.pid);
    child.kill('SIGKILL');
    await once(child, 'exit');
  },
);
