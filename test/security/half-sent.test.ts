/** Clients that send little and promise much: before CONNECT, inside packets, slowly. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { ProtocolVersion } from '../../src/protocol/version.ts';
import { createHarness, fromHex, type Harness } from '../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../fixtures/fake-gatekeeper.ts';
import { FakeLink } from '../fixtures/fake-link.ts';
import { startLiveBroker } from '../fixtures/live-broker.ts';
import { assertNoGrowth, usedBytes } from '../fixtures/memory.ts';
import {
  field,
  frame,
  joined,
  rawConnect,
  rawPublish,
  rawSubscribe,
  variableInteger,
} from '../fixtures/raw-packets.ts';
import { RawSocket } from '../fixtures/raw-socket.ts';
import { assertRefusedSilently, Witness } from '../fixtures/reactions.ts';

const SOCKETS = 1000;
const KIB = 1024;
/** A CONNECT of 100000 bytes, the largest that is waited for. */
const LARGEST_CONNECT = fromHex('10 a0 8d 06');

/** One byte every ten seconds, until the connection is closed. @returns the seconds that it took. */
function drip(house: Harness, link: FakeLink, bytes: Uint8Array): number {
  for (let second = 0; second < 600; second += 10) {
    const at = second / 10;
    link.deliver(bytes.subarray(at, at + 1));
    house.advance(10_000);
    link.settle();
    if (link.ended !== null) return second + 10;
  }
  return Number.POSITIVE_INFINITY;
}

describe('T02 memory for what was promised', () => {
  test('T02 a thousand sockets that announce a large CONNECT and stall cost less than 64 KiB each', async () => {
    const live = await startLiveBroker();
    const warm = await RawSocket.open(live.port);
    const before = usedBytes();
    const sockets: RawSocket[] = [];
    for (let count = 0; count < SOCKETS; count += 1) sockets.push(await RawSocket.open(live.port));
    for (const socket of sockets) socket.send(joined(LARGEST_CONNECT, fromHex('00 04 4d 51')));
    const wanted = SOCKETS * 8;
    while (live.broker.counters.bytesReceived < wanted) await new Promise((resolve) => setImmediate(resolve));
    const perSocket = (usedBytes() - before) / SOCKETS;
    assert.equal(live.broker.sizes().connections, SOCKETS + 1);
    for (const socket of [...sockets, warm]) socket.destroy();
    await live.stop();
    // Both ends of each socket live in this process.
    assert.ok(perSocket < 64 * KIB, `${Math.round(perSocket)} bytes for each socket`);
  });

  test('T02 a thousand sockets that announce the largest length there is are closed at once', async () => {
    const live = await startLiveBroker();
    const sockets: RawSocket[] = [];
    for (let count = 0; count < SOCKETS; count += 1) {
      const socket = await RawSocket.open(live.port);
      socket.send(fromHex('10 ff ff ff 7f'));
      sockets.push(socket);
    }
    await Promise.all(sockets.map((socket) => socket.closed));
    assert.equal(live.broker.counters.protocolErrors, SOCKETS);
    assert.equal(
      sockets.reduce((sum, socket) => sum + socket.byteCount, 0),
      0,
    );
    await live.stop();
  });

  test('T02 the buffer of a packet grows with the bytes that came', () => {
    const house = createHarness();
    const links = Array.from({ length: 500 }, () => FakeLink.open(house.broker.accept));
    const before = usedBytes();
    for (const link of links) link.deliver(joined(LARGEST_CONNECT, 0));
    const idle = (usedBytes() - before) / links.length;
    assert.ok(idle < 4 * KIB, `${Math.round(idle)} bytes for one byte of a body`);
    const piece = new Uint8Array(500);
    for (const link of links) for (let count = 0; count < 20; count += 1) link.deliver(piece);
    const fed = (usedBytes() - before) / links.length;
    assert.ok(fed < 2 * 10_000 + 4 * KIB, `${Math.round(fed)} bytes for 10001 bytes of a body`);
  });

  test('T02 T40 the same holds after CONNECT, for a PUBLISH up to the largest packet', () => {
    const house = createHarness();
    const clients = Array.from({ length: 200 }, (_, index) => house.client(`c${index}`));
    const before = usedBytes();
    for (const client of clients) client.send(joined(0x30, variableInteger(1_999_990), fromHex('0001 61')));
    const each = (usedBytes() - before) / clients.length;
    assert.ok(each < 8 * KIB, `${Math.round(each)} bytes for the beginning of a large PUBLISH`);
    assert.equal(
      clients.some((client) => client.isClosed),
      false,
    );
    const beyond = house.client('beyond');
    beyond.send(joined(0x30, variableInteger(2_000_000)));
    assert.equal(beyond.isClosed, true);
  });

  test('T27 a first packet of any type that claims a huge size is refused by its first bytes', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (let type = 0; type < 16; type += 1) {
      for (const flags of [0, 2]) {
        assertRefusedSilently({ house, witness }, joined((type << 4) | flags, fromHex('ff ff ff 7f')));
        assertRefusedSilently({ house, witness }, joined((type << 4) | flags, fromHex('ff ff ff 7f'), 'abcdef'));
      }
    }
  });

  test('T27 the same byte by byte', () => {
    const house = createHarness();
    for (let type = 0; type < 16; type += 1) {
      const peer = house.peer();
      peer.link.deliverSplit(joined(type << 4, fromHex('ff ff ff 7f')));
      assert.equal(peer.isClosed, true);
    }
    assert.equal(house.broker.counters.protocolErrors, 16);
  });

  test('T27 what waits while authentication is thought about is read only as far as it had come', async () => {
    const house = createHarness({ gatekeeper: gatekeeperWith({ authenticate: () => new Promise(() => undefined) }) });
    const peer = house.peer();
    peer.sendConnect();
    for (let count = 0; count < 100; count += 1) peer.link.deliver(new Uint8Array(1000));
    await house.settleLater();
    assert.equal(peer.link.isPaused, true);
    assert.ok(house.broker.counters.bytesReceived < 200);
  });
});

describe('T05 nothing stays behind', () => {
  const V5 = { level: 5, flags: 0x06 } as const;
  const will = [field('topic'), field('message')];
  /** CONNECTs that are refused, and first packets of clients that are thrown out. */
  const CRAFTED: readonly Uint8Array[] = [
    rawConnect({ flags: 0x07 }),
    rawConnect({ flags: 0x06, payload: [field('id'), field('a/#'), field('x')] }),
    rawConnect({ flags: 0xc2, payload: [field('id'), field('user')] }),
    rawConnect({ payload: [field(Uint8Array.of(0xff, 0xfe))] }),
    rawConnect({ ...V5, payload: [field('id'), fromHex('03 01 00 01'), ...will] }),
    rawConnect({ ...V5, payload: [field('id'), fromHex('05 18 0000 0001'), field('topic')] }),
    rawConnect({ ...V5, payload: [field('id'), fromHex('03 21 0001'), ...will] }),
    rawConnect({ ...V5, payload: [field('id'), fromHex('08 26 0001 61 0001 62 26'), ...will] }),
    rawConnect({ level: 5, properties: fromHex('17 01 17 01') }),
    rawConnect({ level: 5, properties: fromHex('16 0004 64617461') }),
    rawConnect({ level: 5, properties: fromHex('15 0001 78 16 0004 64617461') }),
    joined(
      rawConnect({ payload: [field('id')] }),
      rawSubscribe([
        ['a', 0],
        ['a/#/b', 0],
      ]),
    ),
    joined(rawConnect({ level: 5, payload: [field('id')] }), fromHex('82 06 0001 02 0b 00 00')),
    joined(
      rawConnect({ payload: [field('id')] }),
      rawPublish('a', { flags: 4, packetId: 1, payload: 'x' }),
      fromHex('00 00'),
    ),
    joined(rawConnect({ flags: 0x06, payload: [field('id'), ...will] }), rawPublish('#')),
    frame(0x10),
    fromHex('10 80 80'),
  ];

  test('T05 tens of thousands of crafted CONNECTs, SUBSCRIBEs and PUBLISHes leave no memory behind', () => {
    const house = createHarness();
    assertNoGrowth(200 * KIB, () => {
      for (let round = 0; round < 500; round += 1) {
        for (const bytes of CRAFTED) {
          const link = FakeLink.open(house.broker.accept);
          link.deliver(bytes);
          house.turn.end();
          link.hangUp();
          link.settle();
          house.turn.end();
        }
      }
      house.log.lines.splice(0);
    });
    const { sessionsMaximum, ...sizes } = house.broker.sizes();
    assert.ok(sessionsMaximum > 0);
    for (const [name, size] of Object.entries(sizes)) assert.equal(size, 0, name);
    assert.equal(house.broker.counters.internalErrors, 0);
    assert.equal(house.clock.waitingCount <= 1, true);
  });
});

describe('T16 deadlines', () => {
  test('T16 a connection that says nothing is closed at the deadline of CONNECT', () => {
    const house = createHarness({ settings: { connectDeadlineMs: 30_000 } });
    const silent = house.peer();
    house.advance(29_999);
    assert.equal(silent.isClosed, false);
    house.advance(1);
    assert.equal(silent.isClosed, true);
    assert.equal(house.broker.sizes().connections, 0);
  });

  test('T16 slow loris: a byte every ten seconds does not move the deadline of CONNECT', () => {
    const house = createHarness({ settings: { connectDeadlineMs: 30_000 } });
    assert.equal(drip(house, FakeLink.open(house.broker.accept), rawConnect()), 30);
  });

  for (const version of [3, 4, 5] satisfies ProtocolVersion[]) {
    test(`T16 slow loris: bytes of a packet that never ends do not keep a client of level ${version} alive`, () => {
      const house = createHarness();
      const client = house.client('slow', { version, keepAlive: 20 });
      assert.equal(drip(house, client.link, rawPublish('a', { payload: 'x'.repeat(100) })), 30);
    });
  }

  test('T16 a large packet may take its time as long as bytes come, and no longer', () => {
    const house = createHarness();
    const client = house.client('slow', { keepAlive: 20 });
    const large = rawPublish('a', { payload: 'x'.repeat(50_000) });
    for (let at = 0; at < 40_000; at += 1000) {
      client.link.deliver(large.subarray(at, at + 1000));
      house.advance(10_000);
      assert.equal(client.isClosed, false);
    }
    house.advance(30_000);
    assert.equal(client.isClosed, true);
  });

  test('T16 an authentication that never answers, or whose client never does, ends at the deadline', async () => {
    const gatekeeper = gatekeeperWith({
      authenticate: () => new Promise(() => undefined),
      startEnhanced: () => ({ step: () => ({ kind: 'continue', data: null }), abandon: () => undefined }),
    });
    const house = createHarness({ gatekeeper, settings: { connectDeadlineMs: 30_000 } });
    const thoughtful = house.peer();
    thoughtful.sendConnect({ clientId: 'a' });
    const mute = house.peer();
    mute.sendConnect({ version: 5, clientId: 'b', properties: { authenticationMethod: 'any' } });
    mute.expect('auth');
    house.advance(29_999);
    await house.settleLater();
    assert.deepEqual([thoughtful.isClosed, mute.isClosed], [false, false]);
    house.advance(1);
    assert.deepEqual([thoughtful.isClosed, mute.isClosed], [true, true]);
    assert.equal(house.broker.sizes().sessions, 0);
  });

  test('T16 with a longest keep alive nobody keeps a place without a sign of life', () => {
    const house = createHarness({ settings: { maxKeepAlive: 60 } });
    for (const keepAlive of [0, 61, 65535]) {
      for (const version of [3, 4] as const) {
        const refused = house.peer();
        assert.equal(refused.connect({ version, keepAlive }).reason, 2);
        assert.equal(refused.isClosed, true);
      }
      const told = house.peer();
      assert.equal(told.connect({ version: 5, keepAlive, clientId: 'five' }).properties.serverKeepAlive, 60);
      house.advance(89_999);
      assert.equal(told.isClosed, false);
      house.advance(1);
      assert.equal(told.isClosed, true);
    }
    assert.equal(house.client('ok', { keepAlive: 60 }).isClosed, false);
  });

  test('T16 a client that takes no byte is ended, however alive it is', () => {
    const house = createHarness({ settings: { stalledWriteMs: 60_000 } });
    const client = house.client('deaf', { keepAlive: 20 });
    client.link.block();
    for (let second = 0; second < 70 && !client.isClosed; second += 10) {
      client.ping();
      house.advance(10_000);
    }
    assert.equal(client.link.isDestroyed, true);
    assert.equal(house.broker.sizes().connections, 0);
  });
});
