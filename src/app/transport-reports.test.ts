import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '../../test/fixtures/fake-clock.ts';
import { MemoryLog } from '../../test/fixtures/memory-log.ts';
import { createTransportReports } from './transport-reports.ts';

test('while no connection can be accepted there is one line in ten seconds', () => {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const { onAcceptError } = createTransportReports(log, clock);
  const fail = (milliseconds: number) => {
    for (let count = 0; count < 100; count++) onAcceptError?.(new Error('EMFILE'));
    clock.advance(milliseconds);
    return log.lines.length;
  };
  assert.deepEqual([fail(9_999), fail(1), fail(10_000)], [1, 1, 2]);
  assert.deepEqual(log.texts('error')[0], 'Error: Unable to accept a connection: EMFILE');
});

test('a defect that the transport caught is logged with its stack', () => {
  const log = new MemoryLog();
  createTransportReports(log, new FakeClock()).onFault?.(new Error('boom'));
  const [first = '', second, ...stack] = log.texts('error');
  assert.match(first, /^Error: This is a defect of Zanzara/);
  assert.equal(second, 'Error: boom');
  assert.ok(stack.length > 0);
});
