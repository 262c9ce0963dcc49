import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { connectBytes, createHarness } from '../../../test/fixtures/broker-harness.ts';
import { FakeLink, type FakeLinkOptions } from '../../../test/fixtures/fake-link.ts';
import { LinkRecorder } from '../../../test/fixtures/link-parties.ts';
import { SeededRandom } from '../../../test/fixtures/seeded-random.ts';
import type { Link } from '../../base/link.ts';
import { acceptWebSocket } from './accept-websocket.ts';
import { clientFrame, REPLY, requestOf, requestWithout } from './client-frame.fixture.ts';

const OPTIONS = { origins: [], headerBytesMax: 4096 };

interface Pair {
  readonly raw: FakeLink;
  readonly user: LinkRecorder;
}

/** A link that has just come, and the one who was told of it. */
function accepted(options: FakeLinkOptions = {}, onAccept: (link: Link) => void = () => {}): Pair {
  const users: LinkRecorder[] = [];
  const accept = acceptWebSocket((link) => {
    const user = new LinkRecorder(link);
    users.push(user);
    onAccept(link);
    return user;
  }, OPTIONS);
  const raw = FakeLink.open(accept, options);
  const [user] = users;
  assert.ok(user !== undefined);
  return { raw, user };
}

/** The same after its handshake. */
function opened(options: FakeLinkOptions = {}): Pair {
  const pair = accepted(options);
  pair.raw.deliver(requestOf());
  pair.raw.settle();
  assert.equal(Buffer.from(pair.raw.takeSent()).toString(), REPLY);
  return pair;
}

const hex = (text: string) => Buffer.from(text, 'hex');
const sentHex = (raw: FakeLink) => Buffer.from(raw.takeSent()).toString('hex');
const bytesOf = (byteCount: number) => new SeededRandom(byteCount).fill(new Uint8Array(byteCount));
const ping = (payload: string) => clientFrame({ opcode: 9, payload: Buffer.from(payload) });

describe('acceptWebSocket: the handshake', () => {
  test('the user is told of the link at once, and of bytes behind the handshake only', () => {
    const { raw, user } = accepted({ remoteAddress: '192.0.2.7', remotePort: 5000, localPort: 9001 });
    const { remoteAddress, remotePort, localPort } = user.link;
    assert.deepEqual([remoteAddress, remotePort, localPort], ['192.0.2.7', 5000, 9001]);
    raw.deliverSplit(requestOf('X-Forwarded-For: 198.51.100.1'));
    assert.equal(Buffer.from(raw.takeSent()).toString(), REPLY);
    assert.equal(user.receivedBytes, 0);
    assert.equal(user.link.remoteAddress, '192.0.2.7');
    raw.deliver(clientFrame({ payload: hex('c000') }));
    assert.equal(user.input.toString('hex'), 'c000');
  });

  test('what the user sends before waits, is counted, and leaves behind the answer', () => {
    const { raw, user } = accepted({}, (link) => link.send(hex('0102'), 0, 2));
    user.send(hex('03'));
    assert.equal(user.link.pendingBytes, 3);
    assert.equal(raw.sendCount, 0);
    // One that sends when it hears of what was sent must not get before what waits.
    const onSent = user.onSent.bind(user);
    user.onSent = (byteCount) => {
      onSent(byteCount);
      if (user.sentBytes === 2) user.send(hex('04'));
    };
    raw.deliver(requestOf());
    raw.settle();
    assert.equal(sentHex(raw), `${Buffer.from(REPLY).toString('hex')}82020102${'820103'}${'820104'}`);
    assert.deepEqual([user.sentBytes, user.link.pendingBytes], [4, 0]);
  });

  test('a user that pauses while it is told of the link does not stop the handshake', () => {
    const { raw, user } = accepted({}, (link) => link.pause());
    assert.equal(raw.isPaused, false);
    raw.deliver(requestOf());
    assert.equal(raw.isPaused, true);
    raw.deliver(clientFrame({ payload: hex('c000') }));
    assert.equal(user.receivedBytes, 0);
    user.link.resume();
    raw.settle();
    assert.equal(user.input.toString('hex'), 'c000');
  });

  test('a refused one gets an answer, the user an error that says why', () => {
    const { raw, user } = accepted();
    user.send(hex('01'));
    raw.deliver(requestWithout('Sec-WebSocket-Protocol'));
    assert.match(Buffer.from(raw.takeSent()).toString(), /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.ok((raw.closeLingerMs ?? 0) > 0);
    raw.settle();
    const { ended } = user;
    assert.equal(
      ended?.kind === 'error' ? ended.error.message : null,
      'WebSocket handshake refused: Sec-WebSocket-Protocol must offer mqtt or mqttv3.1',
    );
    assert.deepEqual([user.sentBytes, user.receivedBytes], [0, 0]);
  });

  test('closed by the user before there is a WebSocket: nothing is sent', () => {
    const { raw, user } = accepted();
    user.calling((link) => link.close(2000));
    raw.deliver(requestOf());
    assert.equal(raw.closeLingerMs, 2000);
    assert.equal(raw.sendCount, 0);
    raw.settle();
    assert.deepEqual(user.ended, { kind: 'local' });
  });

  test('destroyed by the user while it is told of the link', () => {
    const { raw, user } = accepted({}, (link) => link.destroy());
    raw.settle();
    assert.deepEqual(user.ended, { kind: 'local' });
  });

  test('the peer hangs up in it', () => {
    const { raw, user } = accepted();
    raw.deliver(requestOf().subarray(0, 50));
    raw.hangUp();
    raw.settle();
    assert.deepEqual(user.ended, { kind: 'peer' });
  });
});

describe('acceptWebSocket: sending', () => {
  for (const isSentLater of [false, true]) {
    test(`one frame for each send, reported without what is ours, ${isSentLater ? 'later' : 'at once'}`, () => {
      const { raw, user } = opened({ isSentLater });
      const payload = bytesOf(70_000);
      user.send(hex('d000'));
      user.calling((link) => link.send(payload, 100, 300));
      user.send(payload);
      raw.settle();
      const expected = [
        hex('8202d000'),
        hex('827e00c8'),
        payload.subarray(100, 300),
        hex('827f0000000000011170'),
        payload,
      ];
      assert.ok(Buffer.concat(expected).equals(raw.takeSent()));
      assert.equal(user.sentBytes, 2 + 200 + 70_000);
      assert.equal(user.link.pendingBytes, 0);
    });
  }

  test('a small frame leaves in one piece, a large payload is lent', () => {
    const { raw, user } = opened();
    const before = raw.sendCount;
    user.send(bytesOf(1000));
    assert.equal(raw.sendCount - before, 1);
    raw.takeSent();
    raw.block();
    const large = bytesOf(20_000);
    user.send(large);
    // Against the rule, to see that there is no copy.
    large.fill(7);
    raw.release();
    assert.ok(
      raw
        .takeSent()
        .subarray(-20_000)
        .every((byte) => byte === 7),
    );
  });

  test('a peer that takes a few bytes now and then: header bytes are never reported, pending is exact', () => {
    const { raw, user } = opened();
    raw.block();
    const sizes = [1, 125, 126, 1000, 20_000, 65_536, 3];
    for (const size of sizes) user.send(bytesOf(size));
    const total = sizes.reduce((sum, size) => sum + size, 0);
    assert.equal(user.link.pendingBytes, total);
    for (let count = 0; user.sentBytes < total; count++) {
      assert.ok(count < 1_000_000, 'it never ends');
      raw.release(count < 400 ? 1 : 5000);
      assert.equal(user.link.pendingBytes + user.sentBytes, total);
    }
    const frames = sizes.map((size) => clientFrame({ payload: bytesOf(size), key: null }));
    assert.ok(Buffer.concat(frames).equals(raw.takeSent()));
    assert.ok(user.reports.every((byteCount) => byteCount > 0));
  });

  test('any sizes, any pace, sends out of onSent: frames stay whole and in order', () => {
    const sizes = fc.array(fc.oneof(fc.integer({ min: 1, max: 300 }), fc.constantFrom(16_384, 16_385, 70_000)), {
      minLength: 1,
      maxLength: 12,
    });
    const property = fc.property(
      sizes,
      fc.array(fc.integer({ min: 500, max: 30_000 }), { minLength: 1, maxLength: 6 }),
      fc.boolean(),
      (wanted, steps, isSentLater) => {
        const { raw, user } = opened({ isSentLater });
        const left = [...wanted];
        const sendNext = () => {
          const size = left.shift();
          if (size !== undefined) user.link.send(bytesOf(size), 0, size);
        };
        const onSent = user.onSent.bind(user);
        user.onSent = (byteCount) => {
          onSent(byteCount);
          sendNext();
        };
        raw.block();
        sendNext();
        sendNext();
        const total = wanted.reduce((sum, size) => sum + size, 0);
        for (let index = 0; user.sentBytes < total; index++) {
          assert.ok(index < 10_000, 'it never ends');
          raw.release(steps[index % steps.length] ?? 1);
          if (index % 3 === 0) raw.deliver(ping('p'));
          raw.settle();
        }
        raw.release();
        raw.settle();
        assert.deepEqual(
          payloadsOf(raw.takeSent()),
          wanted.map(bytesOf).map((bytes) => Buffer.from(bytes).toString('hex')),
        );
        assert.equal(user.link.pendingBytes, 0);
      },
    );
    fc.assert(property, { numRuns: 100 });
  });

  test('nothing for an empty range', () => {
    const { raw, user } = opened();
    user.calling((link) => link.send(hex('0102'), 1, 1));
    assert.equal(raw.takeSent().length, 0);
  });
});

/** The payloads of binary frames, in hex; Pongs are left out. */
function payloadsOf(bytes: Uint8Array): string[] {
  const all = Buffer.from(bytes);
  const payloads: string[] = [];
  for (let at = 0; at < all.length; ) {
    const short = all[at + 1] ?? 0;
    const headerBytes = short < 126 ? 2 : short === 126 ? 4 : 10;
    const length = short < 126 ? short : short === 126 ? all.readUInt16BE(at + 2) : Number(all.readBigUInt64BE(at + 2));
    if (all[at] === 0x82) payloads.push(all.toString('hex', at + headerBytes, at + headerBytes + length));
    else assert.equal(all[at], 0x8a);
    at += headerBytes + length;
  }
  return payloads;
}

describe('acceptWebSocket: reading', () => {
  test('packets share and span frames; one chunk is one onBytes [MQTT5-6.0.0-2] [MQTT3-6.0.0-2]', () => {
    const { raw, user } = opened();
    const frames = ['c000c0', '00', 'c0'].map((payload) => clientFrame({ payload: hex(payload) }));
    raw.deliver(Buffer.concat(frames));
    assert.deepEqual(
      user.received.map((bytes) => bytes.toString('hex')),
      ['c000c000c0'],
    );
    raw.deliverSplit(clientFrame({ payload: hex('00c000') }));
    assert.equal(user.input.toString('hex'), 'c000c000c000c000');
  });

  test('pause inside onBytes holds at once: nothing of the same chunk comes behind it', () => {
    const { raw, user } = opened();
    user.onInput = () => user.calling((link) => link.pause());
    const frame = clientFrame({ payload: hex('c000') });
    raw.deliver(Buffer.concat([frame, frame]));
    raw.deliver(frame);
    assert.equal(user.input.toString('hex'), 'c000c000');
    user.calling((link) => link.resume());
    raw.settle();
    assert.equal(user.input.toString('hex'), 'c000c000c000');
  });

  test('closed or destroyed inside onBytes: nothing more is heard but the end', () => {
    for (const end of ['close', 'destroy'] as const) {
      const { raw, user } = opened();
      user.onInput = () => user.calling((link) => (end === 'close' ? link.close(0) : link.destroy()));
      raw.deliver(Buffer.concat([clientFrame({ payload: hex('c000') }), clientFrame({ opcode: 8 })]));
      raw.deliver(clientFrame({ payload: hex('c000') }));
      raw.settle();
      assert.equal(user.input.toString('hex'), 'c000');
      assert.deepEqual(user.ended, { kind: 'local' });
      assert.equal(sentHex(raw), end === 'close' ? '880203e8' : '');
    }
  });

  test('a Ping is answered', () => {
    const { raw, user } = opened();
    raw.deliver(ping('hello'));
    assert.equal(sentHex(raw), `8a05${Buffer.from('hello').toString('hex')}`);
    assert.deepEqual([user.sentBytes, user.receivedBytes], [0, 0]);
  });

  test('T40 Pings of a peer that does not read: one Pong is on its way, the last one waits, no more is kept', () => {
    const { raw, user } = opened();
    raw.block();
    const payload = 'x'.repeat(125);
    for (let count = 0; count < 10_000; count++) raw.deliver(ping(payload));
    assert.equal(raw.pendingBytes, 127);
    raw.deliver(ping('last'));
    assert.equal(raw.pendingBytes, 127);
    raw.release();
    const sent = Buffer.from(raw.takeSent());
    assert.equal(sent.length, 127 + 6);
    assert.equal(sent.subarray(127).toString('hex'), `8a04${Buffer.from('last').toString('hex')}`);
    raw.deliver(ping('again'));
    assert.equal(raw.takeSent().length, 7);
    assert.equal(user.receivedBytes, 0);
  });

  test('a Pong does not get between the header and the payload of a frame', () => {
    const { raw, user } = opened();
    raw.block();
    raw.deliver(ping('1'));
    raw.deliver(ping('2'));
    user.send(bytesOf(20_000));
    raw.release();
    const sent = Buffer.from(raw.takeSent());
    assert.equal(sent.subarray(0, 3).toString('hex'), '8a0131');
    assert.equal(sent.subarray(3, 7).toString('hex'), '827e4e20');
    assert.ok(sent.subarray(7, 20_007).equals(bytesOf(20_000)));
    assert.equal(sent.subarray(20_007).toString('hex'), '8a0132');
  });
});

describe('acceptWebSocket: the end', () => {
  test('close sends what was handed over, then a Close frame with 1000', () => {
    const { raw, user } = opened({ isSentLater: true });
    user.send(hex('e000'));
    user.calling((link) => link.close(2000));
    user.send(hex('ff'));
    raw.settle();
    assert.equal(sentHex(raw), '8202e000880203e8');
    assert.equal(raw.closeLingerMs, 2000);
    assert.equal(user.sentBytes, 2);
    raw.settle();
    assert.deepEqual(user.ended, { kind: 'local' });
  });

  test('what is sent when the last bytes are reported does not get behind the Close frame', () => {
    const { raw, user } = opened();
    raw.block();
    user.send(hex('01'));
    user.onSent = () => user.send(hex('02'));
    user.calling((link) => link.close(2000));
    raw.release();
    assert.equal(sentHex(raw), '820101880203e8');
  });

  test('nor what is sent when the link reports earlier bytes while it takes the Close frame', () => {
    const { raw, user } = opened();
    raw.block();
    user.send(hex('01'));
    user.onSent = () => user.send(hex('02'));
    // Room again, which the link notices with the next call.
    raw.block(100);
    user.calling((link) => link.close(2000));
    assert.equal(sentHex(raw), '820101880203e8');
  });

  test('destroyed when earlier bytes are reported while a Ping is answered: the data behind it is not heard', () => {
    const { raw, user } = opened();
    raw.block();
    user.send(hex('01'));
    user.onSent = () => user.link.destroy();
    raw.block(100);
    raw.deliver(Buffer.concat([ping('p'), clientFrame({ payload: hex('c000') })]));
    raw.settle();
    assert.equal(user.receivedBytes, 0);
    assert.deepEqual(user.ended, { kind: 'local' });
  });

  test('a Close frame is answered with its code, and is an orderly end by the peer', () => {
    const { raw, user } = opened();
    raw.deliver(
      Buffer.concat([clientFrame({ payload: hex('e000') }), clientFrame({ opcode: 8, payload: hex('03e9') })]),
    );
    assert.equal(user.input.toString('hex'), 'e000');
    assert.equal(sentHex(raw), '880203e9');
    assert.equal(raw.closeLingerMs, 0);
    raw.settle();
    assert.deepEqual(user.ended, { kind: 'peer' });
  });

  test('a Close frame of a peer that still has to take something: it gets the time', () => {
    const { raw, user } = opened();
    raw.block();
    user.send(hex('01'));
    raw.deliver(clientFrame({ opcode: 8 }));
    assert.ok((raw.closeLingerMs ?? 0) > 0);
    raw.release();
    assert.equal(sentHex(raw), '8201018800');
    assert.equal(user.sentBytes, 1);
    raw.settle();
    assert.deepEqual(user.ended, { kind: 'peer' });
  });

  test('a text frame: 1003, and an error for the user [MQTT5-6.0.0-1] [MQTT3-6.0.0-1]', () => {
    const { raw, user } = opened();
    const frames = [clientFrame({ payload: hex('c000') }), clientFrame({ opcode: 1, payload: hex('c000') })];
    raw.deliver(Buffer.concat([...frames, clientFrame({ payload: hex('c000') })]));
    raw.deliver(clientFrame({ payload: hex('c000') }));
    assert.equal(user.input.toString('hex'), 'c000');
    const sent = Buffer.from(raw.takeSent());
    assert.deepEqual([sent[0], sent.readUInt16BE(2)], [0x88, 1003]);
    raw.settle();
    const { ended } = user;
    assert.match(ended?.kind === 'error' ? ended.error.message : '', /^WebSocket closed with 1003: .*text frame/);
  });

  test('a wrong frame while the user is paused and calls destroy', () => {
    const { raw, user } = opened();
    raw.deliver(clientFrame({ reserved: 1 }));
    user.calling((link) => {
      link.pause();
      link.resume();
      link.close(0);
      link.destroy();
    });
    raw.settle();
    assert.equal(user.ended?.kind, 'error');
    assert.equal(user.endCount, 1);
  });

  test('a hang-up and a break without a Close frame are what they are', () => {
    const [hungUp, broken] = [opened(), opened()];
    hungUp.raw.hangUp();
    broken.raw.fail(new Error('ECONNRESET'));
    for (const { raw } of [hungUp, broken]) raw.settle();
    assert.deepEqual(hungUp.user.ended, { kind: 'peer' });
    assert.equal(broken.user.ended?.kind, 'error');
  });

  test('T37 T57 random bytes behind the handshake (fuzz): no exception, bounded answers, one end at most', () => {
    const property = fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 10 }),
      (chunks) => {
        const { raw, user } = opened();
        for (const chunk of chunks) raw.deliver(chunk);
        assert.ok(raw.takeSent().length <= 127 * (chunks.length + 1));
        raw.hangUp();
        raw.settle();
        assert.equal(user.endCount, 1);
      },
    );
    fc.assert(property, { numRuns: 500 });
  });
});

describe('a broker behind WebSockets', () => {
  function brokerLink() {
    const house = createHarness();
    const raw = FakeLink.open(acceptWebSocket(house.broker.accept, OPTIONS), { localPort: 9001 });
    const logged = () => house.log.lines.map(({ text }) => text).join('\n');
    return { house, raw, logged };
  }

  test('CONNECT and CONNACK', () => {
    const { house, raw } = brokerLink();
    raw.deliver(requestOf());
    raw.takeSent();
    raw.deliver(clientFrame({ payload: connectBytes() }));
    house.settle();
    assert.equal(sentHex(raw), '820420020000');
  });

  test('T16 T39 a request that drips is ended by the deadline of CONNECT', () => {
    const { house, raw } = brokerLink();
    const request = requestOf(`Cookie: ${'a'.repeat(3000)}`);
    let seconds = 0;
    while (raw.ended === null && seconds < 600) {
      raw.deliver(request.subarray(seconds / 10, seconds / 10 + 1));
      seconds += 10;
      house.advance(10_000);
      raw.settle();
    }
    assert.ok(seconds <= 60, `${seconds} s`);
    assert.equal(raw.takeSent().length, 0);
  });

  test('the log says why a handshake was refused', () => {
    const { raw, logged } = brokerLink();
    raw.deliver(requestWithout('Upgrade'));
    raw.settle();
    assert.match(logged(), /WebSocket handshake refused: MQTT over WebSocket is spoken here/);
  });
});
