/** Sections 3.15 and 4.12: AUTH. Each story is told twice: with answers that come at once, and by promise. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { EnhancedStep } from '../../../src/core/ports.ts';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { FakeExchange, gatekeeperOffering, gatekeeperWith, goOn, letIn } from '../../fixtures/fake-gatekeeper.ts';
import { field, frame, joined, rawPublish } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { SlowJournal } from '../../fixtures/slow-journal.ts';
import { assertEmpty, comeBack, enter } from './clients.ts';

const METHOD = 'SCRAM-SHA-256';
const NONE = Uint8Array.of(0);

const SPEEDS = ['at once', 'by promise'] as const;
type Speed = (typeof SPEEDS)[number];

function bytes(text: string): Uint8Array {
  return Buffer.from(text);
}

function refusal(reason: Extract<EnhancedStep, { kind: 'refused' }>['reason']): EnhancedStep {
  return { kind: 'refused', reason };
}

interface Scene {
  readonly house: Harness;
  readonly peer: Peer;
  readonly exchanges: readonly FakeExchange[];
}

/** A gatekeeper whose exchanges give these answers, and a connection. */
function scene(speed: Speed, ...answers: readonly (readonly EnhancedStep[])[]): Scene {
  const exchanges = answers.map(
    (steps) => new FakeExchange(steps.map((step) => (speed === 'at once' ? step : Promise.resolve(step)))),
  );
  const house = createHarness({ gatekeeper: gatekeeperOffering(METHOD, exchanges) });
  return { house, peer: house.peer(), exchanges };
}

async function connectWith(house: Harness, peer: Peer, data: string | null = null, clientId = 'client'): Promise<void> {
  const authenticationData = data === null ? null : bytes(data);
  peer.sendConnect({ version: 5, clientId, properties: { authenticationMethod: METHOD, authenticationData } });
  await house.settleLater();
}

async function authWith(
  house: Harness,
  peer: Peer,
  data: string | null,
  reason: 0x18 | 0x19 = Reason.ContinueAuthentication,
): Promise<void> {
  peer.auth(reason, { authenticationMethod: METHOD, authenticationData: data === null ? null : bytes(data) });
  await house.settleLater();
}

/** Type, reason, method and data of an AUTH or CONNACK. */
function facts(packet: ReturnType<Peer['all']>[number] | undefined): readonly (string | number | null)[] {
  assert.ok(packet?.type === 'auth' || packet?.type === 'connack', `unexpected ${packet?.type}`);
  const { authenticationMethod, authenticationData } = packet.properties;
  const data = authenticationData === null ? null : Buffer.from(authenticationData).toString();
  return [packet.type, packet.reason, authenticationMethod, data];
}

describe('4.12 enhanced authentication at CONNECT', () => {
  for (const speed of SPEEDS) {
    test(`[MQTT5-4.12.0-2] [MQTT5-4.12.0-3] [MQTT5-4.12.0-5] AUTH 0x18 asks for more, AUTH 0x18 answers, every packet names the method: ${speed}`, async () => {
      const { house, peer, exchanges } = scene(speed, [goOn('challenge 1'), goOn('challenge 2'), letIn('proof')]);
      await connectWith(house, peer, 'first');
      assert.deepEqual(facts(peer.expect('auth')), ['auth', 0x18, METHOD, 'challenge 1']);
      await authWith(house, peer, 'answer 1');
      assert.deepEqual(facts(peer.expect('auth')), ['auth', 0x18, METHOD, 'challenge 2']);
      await authWith(house, peer, 'answer 2');
      assert.deepEqual(facts(peer.expect('connack')), ['connack', 0x00, METHOD, 'proof']);
      assert.deepEqual(exchanges[0]?.given, ['first', 'answer 1', 'answer 2']);
      peer.ping();
      peer.expect('pingresp');
      peer.cut();
      assert.equal(exchanges[0]?.abandonCount, 0, 'an exchange that is over is not abandoned');
    });

    test(`[MQTT5-4.12.0-5] a method that is content with the CONNECT answers by CONNACK with the method: ${speed}`, async () => {
      const { house, peer } = scene(speed, [letIn()]);
      await connectWith(house, peer);
      assert.deepEqual(facts(peer.expect('connack')), ['connack', 0x00, METHOD, null]);
    });

    for (const reason of [0x80, 0x86, 0x87, 0x8a] as const) {
      test(`[MQTT5-4.12.0-4] the server may refuse at any step, by CONNACK 0x${reason.toString(16)} and a close: ${speed}`, async () => {
        for (let step = 0; step < 3; step += 1) {
          const answers = [...Array(step).fill(goOn('more')), refusal(reason)];
          const { house, peer, exchanges } = scene(speed, answers);
          const witness = new Witness(house);
          await connectWith(house, peer);
          for (let round = 0; round < step; round += 1) {
            peer.expect('auth');
            await authWith(house, peer, 'answer');
          }
          assert.equal(peer.expect('connack').reason, reason);
          assert.equal(peer.isClosed, true);
          assert.equal(exchanges[0]?.abandonCount, 0);
          assert.equal(house.broker.sizes().sessions, 1);
          witness.assertServed();
        }
      });
    }

    test(`[MQTT5-3.1.2-30] while the exchange runs anything but AUTH and DISCONNECT gets CONNACK 0x82 and a close: ${speed}`, async () => {
      const others = [
        rawPublish('t', { properties: NONE }),
        frame(0x82, 0, 1, 0, field('t'), 0),
        frame(0xc0),
        frame(0x40, 0, 1),
        frame(0x10, field('MQTT'), 5, 2, 0, 0, 0, field('client')),
      ];
      for (const other of others) {
        const { house, peer, exchanges } = scene(speed, [goOn()]);
        await connectWith(house, peer);
        peer.expect('auth');
        peer.send(other);
        assert.equal(peer.expect('connack').reason, Reason.ProtocolError);
        peer.expectNothing();
        assert.equal(peer.isClosed, true);
        assert.equal(exchanges[0]?.abandonCount, 1);
        assertEmpty(house);
      }
    });

    test(`[MQTT5-3.1.2-30] DISCONNECT while the exchange runs closes the connection without a word: ${speed}`, async () => {
      const { house, peer, exchanges } = scene(speed, [goOn()]);
      await connectWith(house, peer);
      peer.expect('auth');
      peer.disconnect();
      peer.expectNothing();
      assert.equal(peer.isClosed, true);
      assert.equal(exchanges[0]?.abandonCount, 1);
    });

    for (const how of ['hangs up', 'breaks'] as const) {
      test(`a client that ${how} while the exchange runs: the exchange is abandoned, once: ${speed}`, async () => {
        const { house, peer, exchanges } = scene(speed, [goOn(), letIn()]);
        await connectWith(house, peer);
        if (how === 'hangs up') peer.link.hangUp();
        else peer.link.fail();
        await house.settleLater();
        assert.equal(exchanges[0]?.abandonCount, 1);
        assert.equal(house.broker.sizes().connections, 0);
      });
    }

    test(`[MQTT5-4.12.0-5] an AUTH that names another method gets CONNACK 0x82 and a close: ${speed}`, async () => {
      const { house, peer, exchanges } = scene(speed, [goOn(), letIn()]);
      await connectWith(house, peer);
      peer.expect('auth');
      peer.auth(Reason.ContinueAuthentication, { authenticationMethod: 'other' });
      await house.settleLater();
      assert.equal(peer.expect('connack').reason, Reason.ProtocolError);
      assert.equal(peer.isClosed, true);
      assert.equal(exchanges[0]?.given.length, 1, 'the exchange should not be asked');
      assert.equal(exchanges[0]?.abandonCount, 1);
    });

    test(`[MQTT5-4.12.0-3] an AUTH with 0x19 or 0x00 instead of 0x18 gets CONNACK 0x82 and a close: ${speed}`, async () => {
      for (const wrong of [
        frame(0xf0),
        frame(0xf0, 0x19, 16, 0x15, field(METHOD)),
        frame(0xf0, 0x00, 16, 0x15, field(METHOD)),
      ]) {
        const { house, peer } = scene(speed, [goOn(), letIn()]);
        await connectWith(house, peer);
        peer.expect('auth');
        peer.send(wrong);
        assert.equal(peer.expect('connack').reason, Reason.ProtocolError);
        assert.equal(peer.isClosed, true);
      }
    });

    test(`the deadline of CONNECT also ends an exchange that goes on for ever: ${speed}`, async () => {
      const { house, peer, exchanges } = scene(speed, [goOn()]);
      await connectWith(house, peer);
      house.advance(29_999);
      assert.equal(peer.isClosed, false);
      house.advance(1);
      assert.equal(peer.isClosed, true);
      assert.equal(exchanges[0]?.abandonCount, 1);
    });
  }

  test('[MQTT5-4.12.0-1] a method that is not offered gets CONNACK 0x8C and a close, without a gatekeeper too', () => {
    for (const gatekeeper of [null, gatekeeperWith({}), gatekeeperOffering('another', [])]) {
      const house = createHarness({ gatekeeper });
      const peer = house.peer();
      const properties = { authenticationMethod: METHOD };
      assert.equal(peer.connect({ version: 5, clientId: 'c', properties }).reason, Reason.BadAuthenticationMethod);
      assert.equal(peer.isClosed, true);
      assert.equal(house.broker.sizes().sessions, 0);
    }
  });

  test('[MQTT5-4.12.0-6] a client that named no method gets no AUTH and no method in CONNACK', () => {
    const gatekeeper = gatekeeperOffering(METHOD, []);
    const house = createHarness({ gatekeeper });
    const peer = house.peer();
    const connack = peer.connect({ version: 5, clientId: 'c', userName: 'u', password: 'p' });
    assert.deepEqual(facts(connack), ['connack', 0, null, null]);
    peer.expectNothing();
    assert.equal(gatekeeper.started.length, 0);
  });

  test('[MQTT5-4.12.0-7] an AUTH from a client that named no method gets DISCONNECT 0x82 and a close', () => {
    const house = createHarness({ gatekeeper: gatekeeperOffering(METHOD, []) });
    const witness = new Witness(house);
    for (const reason of [0x18, 0x19]) {
      const auth = frame(0xf0, reason, 16, 0x15, field(METHOD));
      assertEndsClientWith({ house, witness }, auth, Reason.ProtocolError);
    }
  });

  test('the exchange is told who asks: client id, user name, password, address and listener', async () => {
    const gatekeeper = gatekeeperOffering(METHOD, [new FakeExchange([letIn()])]);
    const house = createHarness({ gatekeeper, listener: { id: 3, port: 8883 } });
    const peer = house.peer({ remoteAddress: '10.0.0.7' });
    const properties = { authenticationMethod: METHOD };
    peer.connect({ version: 5, clientId: 'client', userName: 'user', password: 'secret', properties });
    const [request] = gatekeeper.started;
    assert.equal(request?.clientId, 'client');
    assert.equal(request?.userName, 'user');
    assert.equal(Buffer.from(request?.password ?? []).toString(), 'secret');
    const { remoteAddress, listenerPort, listenerId, version } = request ?? {};
    assert.deepEqual([remoteAddress, listenerPort, listenerId, version], ['10.0.0.7', 8883, 3, 5]);
  });

  test('the user that the exchange has found out is the one whose rights are asked', async () => {
    const users: (string | null)[] = [];
    const gatekeeper = gatekeeperOffering(METHOD, [new FakeExchange([letIn(null, 'found')])], {
      mayPublish: ({ userName }) => {
        users.push(userName);
        return true;
      },
    });
    const house = createHarness({ gatekeeper });
    const peer = house.peer();
    peer.connect({ version: 5, clientId: 'client', userName: 'claimed', properties: { authenticationMethod: METHOD } });
    peer.publish('t');
    assert.deepEqual(users, ['found']);
  });

  test('a client that hangs up while its first step is considered: the exchange is abandoned, the late answer for nobody', async () => {
    const answer = Promise.withResolvers<EnhancedStep>();
    const exchange = new FakeExchange([answer.promise]);
    const house = createHarness({ gatekeeper: gatekeeperOffering(METHOD, [exchange]) });
    const peer = house.peer();
    await connectWith(house, peer);
    peer.cut();
    assert.equal(exchange.abandonCount, 1);
    answer.resolve(letIn());
    await house.settleLater();
    assert.equal(exchange.abandonCount, 1);
    assertEmpty(house);
  });

  test('an exchange that has let its client in is not abandoned when that hangs up while the journal is slow', async () => {
    const journal = new SlowJournal();
    const exchange = new FakeExchange([letIn()]);
    const house = createHarness({ journal, gatekeeper: gatekeeperOffering(METHOD, [exchange]) });
    const peer = house.peer();
    const properties = { authenticationMethod: METHOD, sessionExpiryInterval: 60 };
    peer.sendConnect({ version: 5, clientId: 'client', properties });
    await house.settleLater();
    peer.cut();
    journal.commit();
    await house.settleLater();
    assert.equal(exchange.abandonCount, 0);
  });

  test('an exchange that fails by promise ends its connection alone', async () => {
    const exchange = new FakeExchange([Promise.reject(new Error('the directory is away'))]);
    const house = createHarness({ gatekeeper: gatekeeperOffering(METHOD, [exchange]) });
    const peer = house.peer();
    await connectWith(house, peer);
    assert.equal(peer.isClosed, true);
    assert.equal(enter(house, 'other').isClosed, false);
  });
});

describe('4.12.1 authenticating anew', () => {
  /** A client that has come in by the method, whose next exchange gives these answers. */
  async function inside(speed: Speed, ...steps: readonly EnhancedStep[]): Promise<Scene> {
    const all = scene(speed, [letIn(null, 'anna')], steps);
    await connectWith(all.house, all.peer);
    all.peer.expect('connack');
    return all;
  }

  for (const speed of SPEEDS) {
    test(`[MQTT5-4.12.1-1] [MQTT5-4.12.0-5] AUTH 0x19 begins, AUTH 0x18 goes on, AUTH 0x00 ends it, and the connection stands: ${speed}`, async () => {
      const { house, peer, exchanges } = await inside(speed, goOn('challenge'), letIn('proof', 'anna'));
      await authWith(house, peer, 'again', Reason.ReAuthenticate);
      assert.deepEqual(facts(peer.expect('auth')), ['auth', 0x18, METHOD, 'challenge']);
      peer.publish('t', 'meanwhile', { qos: 1 });
      assert.equal(peer.expect('puback').reason, Reason.NoMatchingSubscribers, 'other packets are served meanwhile');
      await authWith(house, peer, 'answer');
      assert.deepEqual(facts(peer.expect('auth')), ['auth', 0x00, METHOD, 'proof']);
      assert.deepEqual(exchanges[1]?.given, ['again', 'answer']);
      assert.equal(peer.isClosed, false);
      peer.cut();
      assert.equal(exchanges[1]?.abandonCount, 0);
    });

    for (const reason of [0x80, 0x87] as const) {
      test(`[MQTT5-4.12.1-2] when it fails, DISCONNECT 0x${reason.toString(16)} and a close follow: ${speed}`, async () => {
        const { house, peer } = await inside(speed, goOn(), refusal(reason));
        const witness = new Witness(house);
        await authWith(house, peer, null, Reason.ReAuthenticate);
        peer.expect('auth');
        await authWith(house, peer, 'wrong');
        assert.equal(peer.expect('disconnect').reason, reason);
        assert.equal(peer.isClosed, true);
        witness.assertServed();
      });
    }

    test(`[MQTT5-4.12.1-1] another method than that of CONNECT gets DISCONNECT 0x82 and a close: ${speed}`, async () => {
      const { house, peer, exchanges } = await inside(speed, goOn());
      peer.auth(Reason.ReAuthenticate, { authenticationMethod: 'other' });
      await house.settleLater();
      assert.equal(peer.expect('disconnect').reason, Reason.ProtocolError);
      assert.equal(peer.isClosed, true);
      assert.equal(exchanges[1]?.given.length, 0);
    });

    test(`another user than before gets DISCONNECT 0x87 and a close: ${speed}`, async () => {
      const { house, peer } = await inside(speed, letIn(null, 'bert'));
      await authWith(house, peer, null, Reason.ReAuthenticate);
      assert.equal(peer.expect('disconnect').reason, Reason.NotAuthorized);
    });

    test(`[MQTT5-4.12.0-3] AUTH 0x18 without a beginning, and a second 0x19, get DISCONNECT 0x82: ${speed}`, async () => {
      const one = await inside(speed, goOn());
      await authWith(one.house, one.peer, 'x');
      assert.equal(one.peer.expect('disconnect').reason, Reason.ProtocolError);
      const two = await inside(speed, goOn(), goOn());
      await authWith(two.house, two.peer, 'x', Reason.ReAuthenticate);
      two.peer.expect('auth');
      await authWith(two.house, two.peer, 'x', Reason.ReAuthenticate);
      assert.equal(two.peer.expect('disconnect').reason, Reason.ProtocolError);
      assert.equal(two.exchanges[1]?.abandonCount, 1);
    });

    test(`a client that goes while it authenticates anew: the exchange is abandoned: ${speed}`, async () => {
      const { house, peer, exchanges } = await inside(speed, goOn());
      await authWith(house, peer, 'x', Reason.ReAuthenticate);
      peer.cut();
      assert.equal(exchanges[1]?.abandonCount, 1);
    });

    test(`it may be done again and again: ${speed}`, async () => {
      const { house, peer } = scene(speed, ...Array.from({ length: 6 }, () => [letIn(null, 'anna')]));
      await connectWith(house, peer);
      peer.expect('connack');
      for (let round = 0; round < 5; round += 1) {
        await authWith(house, peer, null, Reason.ReAuthenticate);
        assert.equal(peer.expect('auth').reason, Reason.Success);
      }
    });
  }

  test('while the answer is awaited the client is not read; what it sent comes afterwards, in order', async () => {
    const answer = Promise.withResolvers<EnhancedStep>();
    const exchanges = [new FakeExchange([letIn()]), new FakeExchange([answer.promise])];
    const house = createHarness({ gatekeeper: gatekeeperOffering(METHOD, exchanges) });
    const peer = house.peer();
    await connectWith(house, peer);
    peer.expect('connack');
    await authWith(house, peer, null, Reason.ReAuthenticate);
    peer.publish('t', 'x', { qos: 1, packetId: 1 });
    peer.ping();
    await house.settleLater();
    peer.expectNothing();
    answer.resolve(letIn());
    await house.settleLater();
    assert.deepEqual(
      peer.all().map(({ type }) => type),
      ['auth', 'puback', 'pingresp'],
    );
  });

  test('the exchange is told the same of the client as at CONNECT', async () => {
    const gatekeeper = gatekeeperOffering(METHOD, [new FakeExchange([letIn()]), new FakeExchange([letIn()])]);
    const house = createHarness({ gatekeeper, listener: { id: 3, port: 8883 } });
    const peer = house.peer({ remoteAddress: '10.0.0.7' });
    peer.connect({ version: 5, clientId: 'client', userName: 'anna', properties: { authenticationMethod: METHOD } });
    await authWith(house, peer, null, Reason.ReAuthenticate);
    const [first, second] = gatekeeper.started;
    assert.deepEqual({ ...second, password: null }, { ...first, password: null });
  });
});

describe('3.15 AUTH, the packet', () => {
  test('[MQTT5-3.15.2-1] AUTH carries listed codes only: 0x18 while the exchange runs, 0x00 at the end of a new one', async () => {
    const { house, peer } = scene('at once', [goOn(), letIn()], [goOn(), letIn()]);
    const seen: number[] = [];
    await connectWith(house, peer);
    await authWith(house, peer, null);
    await authWith(house, peer, null, Reason.ReAuthenticate);
    await authWith(house, peer, null);
    for (const packet of peer.all()) if (packet.type === 'auth') seen.push(packet.reason);
    assert.deepEqual(seen, [0x18, 0x18, 0x00]);
  });

  test('[MQTT5-3.15.2-1] an AUTH with an unlisted code, or one that only servers send, gets DISCONNECT 0x82', async () => {
    for (const code of [0x00, 0x01, 0x17, 0x1a, 0x80, 0x87, 0xff]) {
      const { house, peer } = scene('at once', [letIn()], [goOn()]);
      await connectWith(house, peer);
      peer.expect('connack');
      peer.send(frame(0xf0, code, 16, 0x15, field(METHOD)));
      assert.equal(peer.expect('disconnect').reason, Reason.ProtocolError);
    }
  });

  test('an AUTH with bad properties is refused in both phases', async () => {
    const bad = [
      joined(0x18, 0),
      joined(0x18, 3, 0x16, field('')),
      joined(0x18, 8, 0x15, field('m'), 0x15, field('m')),
      joined(0x18, 6, 0x15, field('m'), 0x01, 0),
      joined(0x18),
    ];
    for (const body of bad) {
      const { house, peer } = scene('at once', [goOn()]);
      await connectWith(house, peer);
      peer.expect('auth');
      peer.send(frame(0xf0, body));
      const { reason } = peer.expect('connack');
      assert.ok(reason === Reason.MalformedPacket || reason === Reason.ProtocolError);
      assert.equal(peer.isClosed, true);
    }
  });

  test('[MQTT5-3.15.2-2] [MQTT5-3.15.2-3] [MQTT5-3.1.2-24] an AUTH that a client cannot take is not sent: it is refused with 0x95 and closed', async () => {
    const long = 'x'.repeat(100);
    const maximumPacketSize = 60;
    const properties = { authenticationMethod: METHOD, maximumPacketSize };
    for (const speed of SPEEDS) {
      const first = scene(speed, [goOn(long)]);
      first.peer.sendConnect({ version: 5, clientId: 'client', properties });
      await first.house.settleLater();
      assert.equal(first.peer.expect('connack').reason, Reason.PacketTooLarge);
      assert.equal(first.peer.isClosed, true);
      const second = scene(speed, [letIn()], [goOn(long)]);
      second.peer.sendConnect({ version: 5, clientId: 'client', properties });
      await second.house.settleLater();
      second.peer.expect('connack');
      await authWith(second.house, second.peer, null, Reason.ReAuthenticate);
      assert.equal(second.peer.expect('disconnect').reason, Reason.PacketTooLarge);
      assert.ok(second.peer.frameBytes.every((size) => size <= maximumPacketSize));
    }
  });

  test('a session survives a failed attempt to take it over by another method', async () => {
    const { house, peer } = scene('at once', [letIn()], [refusal(Reason.NotAuthorized)]);
    peer.sendConnect({
      version: 5,
      clientId: 'client',
      properties: { authenticationMethod: METHOD, sessionExpiryInterval: 60 },
    });
    peer.expect('connack');
    const other = house.peer();
    await connectWith(house, other);
    assert.equal(other.expect('connack').reason, Reason.NotAuthorized);
    peer.ping();
    peer.expect('pingresp');
    peer.cut();
    comeBack(house, 'client');
  });
});
