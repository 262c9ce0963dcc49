import assert from 'node:assert/strict';
import { test } from 'node:test';
import { loadLibc } from '../../src/app/process/libc.ts';
import { cannotReceiveDatagrams } from '../fixtures/datagram-receiver.ts';
import { ScriptProcess, sourceUrl } from './script-process.ts';

const limit = { timeout: 30_000 };
const onFfi = { ...limit, skip: cannotReceiveDatagrams };

/** Says each signal; an open server is all that keeps it alive, so it sleeps until one comes. */
const SCRIPT = `
  import { createServer } from 'node:net';
  import { watchSignals } from '${sourceUrl('app/process/watch-signals.ts')}';
  const say = (text) => process.stdout.write(text + '\\n');
  const server = createServer().listen(0, '127.0.0.1', () => say('ready'));
  const watch = watchSignals({
    onStop: (signal) => { say('stop by ' + signal); if (signal === 'SIGTERM') { watch.close(); server.close(); } },
    onReload: () => say('reload'),
    onRotate: () => { say('rotate'); Promise.resolve().then(() => say('and what follows')); },
    onSave: () => say('save'),
    onPrintTree: () => say('print tree'),
  });
  say('note: ' + watch.note);
`;

const SIGNALS = [
  ['SIGHUP', 'reload'],
  ['SIGUSR1', 'save'],
  ['SIGUSR2', 'print tree'],
  ['SIGINT', 'stop by SIGINT'],
] as const;

test('each signal runs its handler, again and again, and SIGTERM can end the process', limit, async (context) => {
  const script = new ScriptProcess(context, SCRIPT);
  await script.prints('ready\n');
  for (const [signal, words] of [...SIGNALS, ...SIGNALS]) {
    script.stdout = '';
    script.child.kill(signal);
    await script.prints('\n');
    assert.equal(script.stdout, `${words}\n`);
  }
  script.child.kill('SIGTERM');
  assert.equal(await script.ended, 0);
  assert.equal(script.stderr, '');
});

test('SIGRTMIN, which Node has no name for', onFfi, async (context) => {
  const script = new ScriptProcess(context, SCRIPT);
  await script.prints('ready\n');
  const { pid } = script.child;
  assert.ok(pid !== undefined);
  for (let count = 1; count <= 100; count++) {
    process.kill(pid, loadLibc().realTimeSignal());
    await script.prints('rotate\nand what follows\n');
    script.stdout = script.stdout.replace('rotate\nand what follows\n', '');
  }
  script.child.kill('SIGTERM');
  assert.equal(await script.ended, 0);
  assert.equal(script.stdout, 'note: null\nready\nstop by SIGTERM\n');
});

test('SIGRTMIN does not keep a process alive', onFfi, async (context) => {
  const script = new ScriptProcess(context, SCRIPT.replace("say('ready')", 'server.close()'));
  assert.equal(await script.ended, 0);
});
