import assert from 'node:assert/strict';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { FakeLink, type FakeLinkOptions } from '../../../test/fixtures/fake-link.ts';
import { openLinkStream } from './link-stream.ts';

interface House {
  readonly link: FakeLink;
  readonly stream: Duplex;
}

function build(options: FakeLinkOptions = {}): House {
  const link = new FakeLink(options);
  const { stream, events } = openLinkStream(link);
  link.attach(events);
  stream.on('error', () => undefined);
  return { link, stream };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}

test('link stream: what arrives is read, and stays what it was when the buffer is spoiled', () => {
  const { link, stream } = build();
  link.deliver(Buffer.from('one '));
  link.deliver(Buffer.from('two'));
  assert.deepEqual([text(stream.read()), text(stream.read())], ['one ', 'two']);
});

test('link stream: a reader that does not read pauses the link, reading resumes it', () => {
  const { link, stream } = build();
  link.deliver(Buffer.alloc(16 * 1024, 'a'));
  assert.equal(link.isPaused, true);
  stream.read();
  assert.equal(link.isPaused, false);
});

test('link stream: a write is done when the link has taken all of it', async () => {
  for (const isSentLater of [false, true]) {
    const { link, stream } = build({ isSentLater });
    link.block(3);
    let isDone = false;
    stream.write('hello', () => {
      isDone = true;
    });
    link.settle();
    await Promise.resolve();
    assert.equal(isDone, false);
    assert.equal(text(link.takeSent()), 'hel');
    link.release();
    link.settle();
    await new Promise(setImmediate);
    assert.equal(isDone, true);
    assert.equal(text(link.takeSent()), 'lo');
  }
});

test('link stream: writes that wait go out in order', async () => {
  const { link, stream } = build({ isSentLater: true });
  stream.cork();
  for (const word of ['a', '', 'bc', 'd']) stream.write(word);
  stream.uncork();
  stream.write('e');
  for (let round = 0; round < 5; round += 1) {
    await new Promise(setImmediate);
    link.settle();
  }
  assert.equal(text(link.takeSent()), 'abcde');
});

test('link stream: its end closes the link after what was written', async () => {
  const { link, stream } = build();
  stream.end('bye');
  await new Promise(setImmediate);
  assert.equal(text(link.takeSent()), 'bye');
  assert.notEqual(link.closeLingerMs, null);
  link.settle();
  assert.equal(stream.destroyed, true);
});

test('link stream: destroyed, it destroys the link; the end of the link destroys it', async () => {
  const one = build();
  one.stream.destroy();
  await new Promise(setImmediate);
  assert.equal(one.link.isDestroyed, true);

  const two = build();
  two.link.hangUp();
  two.link.settle();
  assert.equal(two.stream.destroyed, true);
  two.stream.write('into nothing');
  await new Promise(setImmediate);
  assert.equal(two.link.sendCount, 0);
});
