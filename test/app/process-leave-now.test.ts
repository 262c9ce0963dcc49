import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { cannotReceiveDatagrams } from '../fixtures/datagram-receiver.ts';
import { NODE_COMMAND } from '../fixtures/node-command.ts';
import { sourceUrl } from './script-process.ts';

const limit = { timeout: 30_000 };
const onFfi = { ...limit, skip: cannotReceiveDatagrams };

/** Leaves while a thread is busy for ever; what is said at the exit is the last word. */
const SCRIPT = `
  import { Worker } from 'node:worker_threads';
  import { writeSync } from 'node:fs';
  import { leaveNow } from '${sourceUrl('app/process/leave-now.ts')}';
  process.on('exit', (code) => writeSync(1, 'exit ' + code));
  const busy = 'process.getBuiltinModule("node:worker_threads").parentPort.postMessage(0); for (;;);';
  new Worker(busy, { eval: true }).on('message', () => {
    leaveNow(5);
    writeSync(1, 'still here');
  });
`;

function leave(...flags: readonly string[]) {
  const [node, ...first] = NODE_COMMAND;
  const args = [...first, ...flags, '--input-type=module', '-e', SCRIPT];
  const { status, signal, stdout } = spawnSync(node, args, { encoding: 'utf8' });
  return { status, signal, stdout };
}

test('the process ends at once, with its exit code, and what waits for its exit runs', onFfi, () => {
  assert.deepEqual(leave(), { status: 5, signal: null, stdout: 'exit 5' });
});

test('without node:ffi it ends as by SIGKILL', limit, () => {
  assert.deepEqual(leave('--no-experimental-ffi'), { status: null, signal: 'SIGKILL', stdout: 'exit 5' });
});
