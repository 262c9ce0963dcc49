import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import { createLineWriter, WAITING_BYTES_MAX } from './line-writer.ts';

/** A pipe whose reader takes one write each time it is asked to. */
class SlowPipe extends Writable {
  readonly taken: string[] = [];
  #done: (() => void) | null = null;

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(chunk.toString());
    this.#done = done;
  }

  takeAll(): void {
    while (this.#done !== null) {
      const done = this.#done;
      this.#done = null;
      done();
    }
  }
}

test('lines that are not read fast enough are dropped beyond a limit, and counted', async () => {
  const pipe = new SlowPipe();
  const write = createLineWriter(pipe);
  const line = `${'x'.repeat(1023)}\n`;
  const fitting = WAITING_BYTES_MAX / line.length;
  for (let index = 0; index < fitting + 5; index++) write(line);
  assert.equal(pipe.writableLength, WAITING_BYTES_MAX);

  while (pipe.writableLength > 0) {
    pipe.takeAll();
    await new Promise(setImmediate);
  }
  assert.equal(pipe.taken.length, fitting);
  write('after\n');
  pipe.takeAll();
  await new Promise(setImmediate);
  pipe.takeAll();
  const expected = ['(5 log lines were dropped: they were not read fast enough)\n', 'after\n'];
  assert.deepEqual(pipe.taken.slice(fitting), expected);
});

test('a pipe that nobody reads any more is no error', async () => {
  let writes = 0;
  const pipe = new Writable({
    autoDestroy: false,
    write(_chunk, _encoding, done) {
      writes++;
      done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    },
  });
  const write = createLineWriter(pipe);
  write('one\n');
  await new Promise(setImmediate);
  write('two\n');
  await new Promise(setImmediate);
  assert.equal(writes, 1);
});
