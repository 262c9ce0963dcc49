import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { EMPTY_PROPERTIES } from '../../../src/protocol/packets.ts';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { createHarness, fromHex, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import {
  field,
  frame,
  joined,
  rawAck,
  rawPublish,
  rawSubscribe,
  splitFrames,
  u16,
} from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { enter, hasSession, numbers } from './clients.ts';

const NONE = Uint8Array.of(0);

/** The codes that a DISCONNECT of the server may carry (table 3-10 of the standard). */
const LISTED_FOR_SERVER = [
  0x00, 0x80, 0x81, 0x82, 0x83, 0x87, 0x89, 0x8b, 0x8d, 0x8e, 0x8f, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
  0x9a, 0x9b, 0x9c, 0x9d, 0x9e, 0x9f, 0xa0, 0xa1, 0xa2,
];
const LISTED_FOR_CLIENT = [0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99];

/** Each way in which the server ends a connection of its own accord, and the reason it gives. */
const ENDINGS: readonly {
  readonly name: string;
  readonly reason: ReasonCode;
  readonly end: (client: Peer, house: Harness) => void;
}[] = [
  { name: 'a malformed packet', reason: Reason.MalformedPacket, end: (client) => client.send('32 03 0001 74') },
  { name: 'a second CONNECT', reason: Reason.ProtocolError, end: (client) => client.sendConnect({ version: 5 }) },
  {
    name: 'a bad filter',
    reason: Reason.TopicFilterInvalid,
    end: (client) => client.send(rawSubscribe([['#a', 0]], { isV5: true })),
  },
  {
    name: 'a bad topic name',
    reason: Reason.TopicNameInvalid,
    end: (client) => client.send(rawPublish('+', { properties: NONE })),
  },
  {
    name: 'too many open messages',
    reason: Reason.ReceiveMaximumExceeded,
    end: (client) => {
      for (const text of numbers(21)) client.publish('t', text, { qos: 2, packetId: Number(text) + 1 });
    },
  },
  {
    name: 'an alias above the maximum',
    reason: Reason.TopicAliasInvalid,
    end: (client) => client.publish('t', '', { topicAlias: 11 }),
  },
  { name: 'a packet that is too large', reason: Reason.PacketTooLarge, end: (client) => client.send('30 ffffff7f') },
  { name: 'silence', reason: Reason.KeepAliveTimeout, end: (_client, house) => house.advance(1_500) },
  { name: 'a take-over', reason: Reason.SessionTakenOver, end: (_client, house) => void enter(house, 'client') },
  {
    name: 'the end of the broker',
    reason: Reason.ServerShuttingDown,
    end: (_client, house) => void house.broker.stop(),
  },
];

describe('3.14 DISCONNECT from the server', () => {
  for (const { name, reason, end } of ENDINGS) {
    test(`[MQTT5-3.14.2-1] [MQTT5-3.14.2-2] [MQTT5-3.14.4-1] [MQTT5-3.14.4-2] after ${name}: DISCONNECT 0x${reason.toString(16)} without any property, as the last packet, then a close`, () => {
      assert.ok(LISTED_FOR_SERVER.includes(reason));
      const house = createHarness();
      const properties = { sessionExpiryInterval: 60, receiveMaximum: 1 };
      const client = enter(house, 'client', { keepAlive: 1, properties });
      client.subscribe('live', { qos: 1 });
      const pub = enter(house, 'pub');
      end(client, house);
      pub.publish('live', 'too late', { qos: 1 });
      const seen = client.all();
      const last = seen.at(-1);
      assert.ok(last?.type === 'disconnect');
      assert.equal(last.reason, reason);
      assert.deepEqual(last.properties, EMPTY_PROPERTIES);
      assert.equal(seen.filter(({ type }) => type === 'disconnect').length, 1);
      assert.notEqual(client.link.closeLingerMs, null);
      client.ping();
      client.expectNothing();
    });
  }

  test('[MQTT5-3.14.4-1] what is still behind the bad packet in the same chunk has no effect and no answer', () => {
    const house = createHarness();
    const watcher = enter(house, 'watcher');
    watcher.subscribe('#');
    const client = enter(house, 'client');
    client.send(
      joined(
        rawPublish('before', { properties: NONE }),
        rawAck(0x60, 1),
        rawPublish('after', { properties: NONE }),
        rawSubscribe([['x', 0]], { isV5: true }),
        fromHex('c000'),
      ),
    );
    assert.deepEqual(
      client.all().map(({ type }) => type),
      ['disconnect'],
    );
    assert.deepEqual(
      watcher.publishes().map(({ topic }) => topic),
      ['before'],
    );
    assert.equal(house.broker.sizes().subscriptions, 1);
  });

  test('[MQTT5-3.14.4-1] what was sent before a DISCONNECT still leaves, in order, also to a slow reader', () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.subscribe('t');
    client.link.block();
    const pub = enter(house, 'pub');
    for (const text of numbers(5)) pub.publish('t', text);
    enter(house, 'client');
    client.link.release();
    assert.deepEqual(
      client.all().map((packet) => (packet.type === 'publish' ? packet.text : packet.type)),
      [...numbers(5), 'disconnect'],
    );
  });

  test('[MQTT5-3.14.0-1] a client that was never let in gets no DISCONNECT, whatever it does', () => {
    const house = createHarness({
      settings: { connectDeadlineMs: 1_000 },
      listener: { allowZeroLengthClientId: false },
    });
    const first: readonly Uint8Array[] = [
      fromHex('c000'),
      fromHex('e000'),
      fromHex('30 ffffff7f'),
      frame(0x10, field('MQTT'), 5, 0x01, u16(0), 0, field('a')),
      frame(0x10, field('MQTT'), 5, 0x02, u16(0), 0, field('')),
      frame(0x10, field('MQTT'), 9),
      frame(0x10, field('MQTT')),
      fromHex('10'),
      fromHex('10 8080808080'),
    ];
    const peers = first.map((bytes) => {
      const peer = house.peer({}, 5);
      peer.send(bytes);
      return peer;
    });
    peers.push(house.peer());
    house.advance(1_000);
    peers.push(house.peer());
    void house.broker.stop();
    house.settle();
    for (const peer of peers) {
      assert.equal(peer.isClosed, true);
      for (const bytes of splitFrames(peer.link.takeSent())) assert.equal((bytes[0] ?? 0) >> 4, 2);
    }
  });

  test('stopping tells every v5 client 0x8B, closes all others without a word, and resolves when all have gone', async () => {
    const house = createHarness();
    const modern = numbers(3).map((id) => enter(house, id));
    const old = house.client('old', { version: 4 });
    const fresh = house.peer();
    let isStopped = false;
    const stopped = house.broker.stop().then(() => {
      isStopped = true;
    });
    for (const client of modern) {
      assert.equal(client.expect('disconnect').reason, Reason.ServerShuttingDown);
      client.expectNothing();
    }
    old.expectNothing();
    assert.equal(fresh.link.takeSent().length, 0);
    await stopped;
    assert.equal(isStopped, true);
    assert.equal(house.broker.sizes().connections, 0);
  });

  test('stopping waits for a connection whose last bytes have not left', async () => {
    const house = createHarness();
    const client = enter(house, 'client');
    client.link.block();
    let isStopped = false;
    const stopped = house.broker.stop().then(() => {
      isStopped = true;
    });
    await house.settleLater();
    assert.equal(isStopped, false);
    client.link.lingerOver();
    await house.settleLater();
    assert.equal(isStopped, true);
    await stopped;
  });
});

describe('3.14 DISCONNECT from a client', () => {
  for (const reason of LISTED_FOR_CLIENT) {
    test(`[MQTT5-3.14.2-1] [MQTT5-3.14.4-2] DISCONNECT 0x${reason.toString(16)} is taken, and the connection closed without an answer`, () => {
      const house = createHarness();
      for (const body of [joined(reason), joined(reason, 0), joined(reason, 6, 0x1f, field('bye'))]) {
        const client = enter(house, 'client');
        client.send(frame(0xe0, body));
        client.expectNothing();
        assert.equal(client.isClosed, true);
      }
      assert.equal(house.broker.counters.protocolErrors, 0);
    });
  }

  test('[MQTT5-3.14.2-1] any other code gets DISCONNECT 0x82', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (let code = 0; code < 256; code += 1) {
      if (LISTED_FOR_CLIENT.includes(code)) continue;
      assertEndsClientWith({ house, witness }, frame(0xe0, code), Reason.ProtocolError);
    }
  });

  test('a DISCONNECT with a bad body gets DISCONNECT with the reason, and the will goes out', () => {
    const house = createHarness();
    const watcher = enter(house, 'watcher');
    watcher.subscribe('w');
    const bad: readonly (readonly [Uint8Array, ReasonCode])[] = [
      [joined(0, 1), Reason.MalformedPacket],
      [joined(0, 0, 0), Reason.MalformedPacket],
      [joined(0, 2, 0x01, 1), Reason.MalformedPacket],
      [joined(0, 10, 0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1), Reason.ProtocolError],
    ];
    for (const [body, reason] of bad) {
      const client = enter(house, 'client', { will: { topic: 'w', payload: 'gone' } });
      client.send(frame(0xe0, body));
      assert.equal(client.expect('disconnect').reason, reason);
      assert.equal(watcher.expect('publish').text, 'gone');
    }
  });

  test('the session expiry of a DISCONNECT takes the place of that of CONNECT', () => {
    const house = createHarness();
    for (const [inConnect, inDisconnect, keptMs] of [
      [10, 20, 20_000],
      [20, 10, 10_000],
      [20, null, 20_000],
      [20, 0, 0],
      [0xffff_ffff, 5, 5_000],
    ] as const) {
      const client = enter(house, 'client', { properties: { sessionExpiryInterval: inConnect } });
      client.disconnect(0, { sessionExpiryInterval: inDisconnect });
      if (keptMs > 0) {
        house.advance(keptMs - 1);
        assert.equal(house.broker.sizes().sessions, 1, `${inConnect} to ${inDisconnect}`);
        house.advance(1);
      }
      assert.equal(house.broker.sizes().sessions, 0, `${inConnect} to ${inDisconnect}`);
    }
  });

  test('a session expiry in DISCONNECT where CONNECT had none gets DISCONNECT 0x82; the session ends', () => {
    const house = createHarness();
    for (const inConnect of [null, 0]) {
      const client = enter(house, 'client', { properties: { sessionExpiryInterval: inConnect } });
      client.disconnect(0, { sessionExpiryInterval: 30 });
      assert.equal(client.expect('disconnect').reason, Reason.ProtocolError);
      assert.equal(hasSession(house, 'client'), false);
      house.advance(3_600_000);
      const other = enter(house, 'other', { properties: { sessionExpiryInterval: inConnect } });
      other.disconnect(0, { sessionExpiryInterval: 0 });
      other.expectNothing();
    }
  });

  test('the session expiry of a DISCONNECT counts once: the next connection brings its own', () => {
    const house = createHarness();
    const properties = { sessionExpiryInterval: 100 };
    enter(house, 'client', { properties }).disconnect(0, { sessionExpiryInterval: 5 });
    const back = house.peer();
    assert.equal(back.connect({ version: 5, clientId: 'client', cleanStart: false, properties }).sessionPresent, true);
    back.cut();
    house.advance(99_000);
    assert.equal(hasSession(house, 'client'), true);
  });

  test('a client that hangs up without DISCONNECT and one that said it are told apart in the log', () => {
    const house = createHarness();
    enter(house, 'one').disconnect();
    enter(house, 'two').cut();
    enter(house, 'three').disconnect(Reason.QuotaExceeded);
    const lines = house.log.texts('notice').filter((line) => line.includes('disconnected'));
    assert.deepEqual(
      lines.map((line) => line.replace(/ \[.*\]/, '')),
      [
        'Client one disconnected.',
        'Client two disconnected: connection closed by client.',
        'Client three disconnected: client said Quota exceeded.',
      ],
    );
  });
});
