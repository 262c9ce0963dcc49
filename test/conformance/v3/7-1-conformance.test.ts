/** MQTT 3.1.1 on a real TCP socket, spoken as bytes by a client that knows nothing but the standard. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fromHex } from '../../fixtures/broker-harness.ts';
import { type LiveBroker, startLiveBroker } from '../../fixtures/live-broker.ts';
import { field, joined, rawConnect, rawPublish, rawSubscribe } from '../../fixtures/raw-packets.ts';
import { RawSocket } from '../../fixtures/raw-socket.ts';

describe('7 conformance', () => {
  let live: LiveBroker;

  before(async () => {
    live = await startLiveBroker({ maxInflightMessages: 0, maxQueuedMessages: 0 });
  });
  after(() => live.stop());

  test('[MQTT3-7.0.0-2] a client that sends nothing but what 3.1.1 asks for is served in every flow', async () => {
    const socket = await RawSocket.open(live.port);
    const exchange: readonly (readonly [sent: string, answered: string])[] = [
      ['10 0d 0004 4d515454 04 02 003c 0001 61', '20 02 00 00'],
      ['82 06 0001 0001 74 02', '90 03 0001 02'],
      ['30 04 0001 74 78', '30 04 0001 74 78'],
      ['c0 00', 'd0 00'],
      ['a2 05 0002 0001 74', 'b0 02 0002'],
      ['32 06 0001 74 0003 78', '40 02 0003'],
      ['34 06 0001 74 0004 78', '50 02 0004'],
      ['62 02 0004', '70 02 0004'],
    ];
    let expected: Uint8Array = new Uint8Array(0);
    for (const [sent, answered] of exchange) {
      socket.send(fromHex(sent));
      expected = joined(expected, fromHex(answered));
      assert.deepEqual(new Uint8Array(await socket.received(expected.length)), expected, sent);
    }
    socket.send(fromHex('e0 00'));
    await socket.closed;
    assert.equal(socket.byteCount, expected.length);
  });

  test('[MQTT3-7.1.1-1] over TCP every byte arrives, in order, in both directions, however it is cut', async () => {
    const sub = await RawSocket.open(live.port);
    sub.send(joined(rawConnect({ payload: [field('sub')] }), rawSubscribe([['t', 0]])));
    await sub.packets(2);
    const pub = await RawSocket.open(live.port);
    pub.send(rawConnect({ payload: [field('pub')] }));
    const messages = Array.from({ length: 3000 }, (_, index) =>
      rawPublish('t', { payload: `${index};`.repeat(index % 200) }),
    );
    const stream = joined(...messages);
    for (let at = 0, size = 1; at < stream.length; at += size, size = (size * 7 + 3) % 4099)
      pub.send(stream.subarray(at, at + size));
    const got = await sub.packets(2 + messages.length);
    assert.equal(got.length, 2 + messages.length);
    assert.ok(Buffer.from(joined(...got.slice(2))).equals(stream));
    sub.destroy();
    pub.destroy();
  });

  test('[MQTT3-7.1.1-1] a slow reader loses nothing of QoS 1 and keeps nobody waiting', async () => {
    const slow = await RawSocket.open(live.port);
    slow.send(joined(rawConnect({ payload: [field('slow')] }), rawSubscribe([['slow', 1]])));
    await slow.packets(2);
    slow.pause();
    const pub = await RawSocket.open(live.port);
    pub.send(rawConnect({ payload: [field('pub2')] }));
    const count = 400;
    const payload = 'x'.repeat(10_000);
    for (let index = 0; index < count; index += 1)
      pub.send(rawPublish('slow', { flags: 2, packetId: index + 1, payload: `n=${index};${payload}` }));
    assert.equal((await pub.packets(1 + count)).length, 1 + count);
    slow.resume();
    const got = (await slow.packets(2 + count)).slice(2);
    const texts = got.map(
      (packet) =>
        Buffer.from(packet)
          .toString('latin1')
          .match(/n=(\d+);x/)?.[1],
    );
    assert.deepEqual(
      texts,
      Array.from({ length: count }, (_, index) => `${index}`),
    );
    slow.destroy();
    pub.destroy();
  });
});
