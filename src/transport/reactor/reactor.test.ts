import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { NODE_COMMAND } from '../../../test/fixtures/node-command.ts';
import { EPOLLIN, EPOLLOUT } from './native.ts';
import { createReactor, type Source } from './reactor.ts';

// What belongs into one batch is in one, however slow the machine is.
const reactor = createReactor({ batchMs: 10_000 });
const { native } = reactor;

/** A descriptor that is ready to be written to at once, and never to be read from. */
function openReady(): number {
  const fd = native.openSpare();
  assert.ok(fd >= 0);
  return fd;
}

function watch(fd: number, mask: number, source: Source): number {
  const slot = reactor.add(fd, mask, source);
  assert.ok(slot >= 0);
  return slot;
}

/** Runs `onReady` in the next batch of the reactor, once. */
function inBatch<T>(onReady: () => T): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<T>();
  const fd = openReady();
  const slot = watch(fd, EPOLLOUT, {
    onReady() {
      reactor.remove(slot);
      native.close(fd);
      resolve(onReady());
    },
  });
  return promise;
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('an event on its way to a source that has gone does not reach the one that takes its slot and descriptor', async () => {
  const heard: string[] = [];
  const done = Promise.withResolvers<void>();
  const fds = { a: openReady(), b: openReady() };
  const slots = { a: -1, b: -1 };
  const source = (mine: 'a' | 'b', other: 'a' | 'b'): Source => ({
    onReady() {
      heard.push(mine);
      // Both are ready; the first that is told makes the other go, and a newcomer take its place.
      reactor.remove(slots[other]);
      native.close(fds[other]);
      const fd = openReady();
      const slot = watch(fd, EPOLLIN, { onReady: () => heard.push('newcomer') });
      assert.deepEqual([fd, slot], [fds[other], slots[other]]);
      reactor.remove(slots[mine]);
      native.close(fds[mine]);
      setImmediate(() => {
        reactor.remove(slot);
        native.close(fd);
        done.resolve();
      });
    },
  });
  slots.a = watch(fds.a, EPOLLOUT, source('a', 'b'));
  slots.b = watch(fds.b, EPOLLOUT, source('b', 'a'));
  await done.promise;
  assert.equal(heard.length, 1);
});

test('the end of the turn comes at the end of the batch, in order, after all its events', async () => {
  const ran: string[] = [];
  const first = inBatch(() => {
    ran.push('first');
    reactor.turn.atEnd(() => ran.push('end 1'));
  });
  const second = inBatch(() => {
    ran.push('second');
    reactor.turn.atEnd(() => ran.push('end 2'));
  });
  await Promise.all([first, second]);
  assert.deepEqual(ran, ['first', 'second', 'end 1', 'end 2']);
});

test('a run at the end that asks again has its turn in the next one', async () => {
  const ran: string[] = [];
  const again = Promise.withResolvers<void>();
  await inBatch(() => {
    reactor.turn.atEnd(() => {
      ran.push('one');
      reactor.turn.atEnd(() => {
        ran.push('two');
        again.resolve();
      });
      ran.push('still one');
    });
  });
  await again.promise;
  assert.deepEqual(ran, ['one', 'still one', 'two']);
});

test('outside of a batch the end of the turn is that of node', async () => {
  const ran: string[] = [];
  reactor.turn.atEnd(() => ran.push('a'));
  process.nextTick(() => reactor.turn.atEnd(() => ran.push('b')));
  queueMicrotask(() => ran.push('before the end'));
  assert.deepEqual(ran, []);
  await nextTurn();
  await nextTurn();
  assert.deepEqual(ran, ['before the end', 'a', 'b']);
});

test('what is deferred runs after the batch, what is deferred to the next turn after what was set up before', async () => {
  const ran: string[] = [];
  const done = Promise.withResolvers<void>();
  // An immediate of the reactor's own that is set already must not draw the next turn forward.
  reactor.turn.atEnd(() => {});
  await inBatch(() => {
    setImmediate(() => ran.push('an immediate of the batch'));
    reactor.deferToNextTurn({ runDeferred: () => done.resolve(void ran.push('next turn')) });
    reactor.defer({ runDeferred: () => ran.push('after the batch') });
    reactor.turn.atEnd(() => ran.push('end'));
  });
  await done.promise;
  assert.deepEqual(ran, ['after the batch', 'end', 'an immediate of the batch', 'next turn']);
});

test('a source or a run that throws is reported as nobody has caught it, and the others have their turn', async (t) => {
  const caught: unknown[] = [];
  const both = Promise.withResolvers<void>();
  const others = process.listeners('uncaughtException');
  process.removeAllListeners('uncaughtException');
  process.on('uncaughtException', (error) => {
    if (caught.push(error) === 2) both.resolve();
  });
  t.after(() => {
    process.removeAllListeners('uncaughtException');
    for (const listener of others) process.on('uncaughtException', listener);
  });
  const fd = openReady();
  const slot = watch(fd, EPOLLOUT, {
    onReady() {
      reactor.remove(slot);
      native.close(fd);
      throw new Error('source');
    },
  });
  let hasRun = false;
  await inBatch(() => {
    reactor.turn.atEnd(() => {
      throw new Error('run');
    });
    reactor.turn.atEnd(() => {
      hasRun = true;
    });
  });
  await both.promise;
  assert.equal(hasRun, true);
  assert.deepEqual(caught.map(String).toSorted(), ['Error: run', 'Error: source']);
});

test('a process whose listeners have closed ends by itself, and without a word', () => {
  const file = fileURLToPath(new URL('./reactor-transport.ts', import.meta.url));
  const reactorFile = fileURLToPath(new URL('./reactor.ts', import.meta.url));
  const script = `
    import { connect } from 'node:net';
    import { createReactor } from ${JSON.stringify(reactorFile)};
    import { createReactorTransport } from ${JSON.stringify(file)};
    const transport = createReactorTransport(createReactor());
    const events = { onBytes() {}, onSent() {}, onEnd() {} };
    const listening = await transport.listen({ host: '127.0.0.1', port: 0, isIpv6Only: false }, (link) => {
      link.close(1000);
      return { ...events, onEnd: () => listening.close() };
    });
    connect(listening.port).resume().on('end', () => console.log('ended'));
  `;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', script];
  const [node, ...first] = NODE_COMMAND;
  assert.equal(execFileSync(node, [...first, ...args], { timeout: 30_000 }).toString(), 'ended\n');
});

test('a range outside of its buffer is refused before C sees it', () => {
  const bytes = new Uint8Array(16);
  for (const [start, end] of [
    [-1, 4],
    [0, 17],
    [8, 4],
    [4, 4],
    [0, Number.NaN],
  ] as const) {
    assert.throws(() => native.sendRange(-1, bytes, start, end), /bad range/);
  }
});
