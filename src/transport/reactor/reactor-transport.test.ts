import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPeer, Server } from '../../../test/fixtures/link-parties.ts';
import { testTransport } from '../../../test/fixtures/link-suite.ts';
import { createReactor } from './reactor.ts';
import { createReactorTransport } from './reactor-transport.ts';

const reactor = createReactor();

testTransport('reactor', (options) => createReactorTransport(reactor, options));

test('reactor: a turn ends in time however many never stop sending', { timeout: 60_000 }, async (t) => {
  const server = await Server.start(t, createReactorTransport(reactor));
  const chunk = new Uint8Array(2 ** 20);
  let inTurn = 0;
  let mostInTurn = 0;
  let isOver = false;
  const handle = () => {
    inTurn++;
    // Work of a millisecond, as a message to thousands of subscribers is.
    for (const untilMs = performance.now() + 1; performance.now() < untilMs; );
  };
  for (let count = 0; count < 20; count++) {
    const [recorder, peer] = await connectPeer(t, server);
    recorder.onBytes = handle;
    const pour = () => {
      if (!isOver) peer.socket.write(chunk, pour);
    };
    pour();
  }
  for (let turn = 0; turn < 50; turn++) {
    inTurn = 0;
    await new Promise((resolve) => setImmediate(resolve));
    mostInTurn = Math.max(mostInTurn, inTurn);
  }
  isOver = true;
  assert.ok(mostInTurn > 0, 'nothing was read');
  // 10 ms of staying and a batch of 4 ms, twice because a turn may begin with what the last one has left.
  assert.ok(mostInTurn <= 32, `${mostInTurn} reads of a millisecond in one turn`);
});
