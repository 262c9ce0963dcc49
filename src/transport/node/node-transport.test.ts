import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectPeer, Server } from '../../../test/fixtures/link-parties.ts';
import { testTransport } from '../../../test/fixtures/link-suite.ts';
import { createNodeTransport } from './node-transport.ts';

testTransport('node:net', createNodeTransport);

test('node:net: sends out of onSent leave the event loop its turns', { timeout: 60_000 }, async (t) => {
  const server = await Server.start(t, createNodeTransport());
  const [recorder, peer] = await connectPeer(t, server);
  peer.read();
  let turnCount = 0;
  const countTurns = () => {
    turnCount++;
    if (recorder.ended === null) setImmediate(countTurns);
  };
  countTurns();
  const onSent = recorder.onSent.bind(recorder);
  recorder.onSent = (byteCount) => {
    onSent(byteCount);
    if (recorder.sentBytes < 500) recorder.send(Buffer.from('x'));
    else recorder.link.destroy();
  };
  recorder.send(Buffer.from('x'));
  await recorder.end();
  assert.ok(turnCount >= 499, `${turnCount} turns for 500 sends`);
});

test('node:net: without onFault the exception is still the error of the end', { timeout: 60_000 }, async (t) => {
  const server = await Server.start(t, createNodeTransport());
  const [recorder, peer] = await connectPeer(t, server);
  const defect = new Error('defect');
  recorder.onInput = () => {
    throw defect;
  };
  peer.socket.write('x');
  assert.deepEqual(await recorder.end(), { kind: 'error', error: defect });
});
