/** Identifiers and names that were chosen to collide, to forge or to steal. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { createTextForm } from '../../src/app/log/log-line.ts';
import { createHarness, type Harness, type Peer } from '../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../fixtures/fake-gatekeeper.ts';
import { startLiveBroker } from '../fixtures/live-broker.ts';
import { field, rawConnect, rawPublish, rawSubscribe } from '../fixtures/raw-packets.ts';
import { RawSocket } from '../fixtures/raw-socket.ts';
import { assertEndsClient, assertRefusedSilently, Witness } from '../fixtures/reactions.ts';

const DURABLE = { cleanStart: false };

function texts(client: Peer): string[] {
  return client.publishes().map(({ text }) => text);
}

/** Gives each identifier a durable session, sends each a message of its own, and asserts that each gets just that. */
function assertApart(ids: readonly string[]): void {
  const house = createHarness();
  for (const [index, id] of ids.entries()) {
    const client = house.client(id, DURABLE);
    client.subscribe(`to/${index}`, { qos: 1 });
    client.publish('x', '', { qos: 2, packetId: index + 1 });
    client.cut();
  }
  assert.equal(house.broker.sizes().sessions, ids.length);
  const pub = house.client('the publisher');
  for (const index of ids.keys()) pub.publish(`to/${index}`, `for ${index}`, { qos: 1 });
  for (const [index, id] of ids.entries()) {
    const client = house.peer();
    assert.equal(client.connect({ clientId: id, ...DURABLE }).sessionPresent, true);
    assert.deepEqual(texts(client), [`for ${index}`], `identifier ${JSON.stringify(id.slice(0, 40))}`);
  }
}

describe('T45 two identifiers never share a session', () => {
  test('T45 identifiers with slashes, dots, case, blanks, percent signs, and other forms of one character', () => {
    assertApart([
      'a/b',
      'a%2Fb',
      'a_b',
      'a\\b',
      'ab',
      '..',
      '../a',
      '.',
      'a/..',
      'A',
      'a',
      'a ',
      ' a',
      '~a',
      '%61',
      '%00',
      'a:b',
      'a|b',
      '\u00e9',
      'e\u0301',
      '\u212b',
      '\u00c5',
      'A\u030a',
      '\ufb01',
      'fi',
      '\uff41',
      '\u0131',
      'I',
      'i',
      '\u{1f600}',
      '#',
      '+',
      '$SYS',
      '*',
      '?',
      "'; drop table sessions; --",
      'null',
      'undefined',
      '0',
      '00',
      '-0',
    ]);
  });

  test('T45 identifiers of 65535 bytes that differ in the last one', () => {
    const start = 'x'.repeat(65_534);
    assertApart([`${start}a`, `${start}b`, start, `${start.slice(1)}a`]);
  });

  test('T45 any identifiers that differ', () => {
    const character = fc.constantFrom('a', 'A', '/', '.', '\u00e9', 'e', '\u0301', ' ', '%', '2', 'F', '\ufeff', '_');
    const id = fc.array(character, { minLength: 1, maxLength: 6 }).map((all) => all.join(''));
    fc.assert(
      fc.property(fc.uniqueArray(id, { minLength: 2, maxLength: 12 }), (ids) => assertApart(ids)),
      { numRuns: 50 },
    );
  });
});

/** A durable session of one user, full of everything that a session can hold. */
function houseOf(userName: string | undefined): Harness {
  const house = createHarness({ gatekeeper: gatekeeperWith({}) });
  const owner = house.client('shared id', { ...DURABLE, ...(userName === undefined ? {} : { userName }) });
  owner.subscribe('secret/#', { qos: 2 });
  const pub = house.client('pub');
  pub.publish('secret/a', 'in flight', { qos: 1 });
  pub.publish('secret/b', 'half released', { qos: 2 });
  owner.expect('publish');
  owner.ack('pubrec', owner.expect('publish').packetId);
  owner.publish('x', '', { qos: 2, packetId: 9 });
  owner.cut();
  pub.publish('secret/c', 'queued', { qos: 1 });
  return house;
}

describe('T48 a session belongs to its identifier and its identity', () => {
  for (const [owner, other] of [
    ['anna', 'bert'],
    ['anna', undefined],
    [undefined, 'bert'],
    ['anna', 'Anna'],
    ['anna', ''],
  ] as const) {
    test(`T48 of ${owner ?? 'nobody'}: ${other ?? 'nobody'} gets nothing of it`, () => {
      const house = houseOf(owner);
      const thief = house.peer();
      const name = other === undefined ? {} : { userName: other };
      assert.equal(thief.connect({ clientId: 'shared id', ...DURABLE, ...name }).sessionPresent, false);
      thief.expectNothing();
      house.client('pub').publish('secret/d', 'new', { qos: 1 });
      thief.expectNothing();
      thief.publish('x', 'mine', { qos: 2, packetId: 9 });
      const watcher = house.client('watcher');
      watcher.subscribe('x');
      thief.ack('pubrel', 9);
      assert.equal(house.broker.sizes().subscriptions, 1);
    });
  }

  test('T48 the same user gets all of it, in another version too', () => {
    const house = houseOf('anna');
    const again = house.client('shared id', { ...DURABLE, version: 5, userName: 'anna' });
    assert.deepEqual(
      again.all().map((packet) => (packet.type === 'publish' ? packet.text : packet.type)),
      ['in flight', 'pubrel', 'queued'],
    );
  });

  for (const [name, next] of [
    ['another user', { cleanStart: false, userName: 'bert' }],
    ['a clean start', { cleanStart: true, userName: 'anna' }],
  ] as const) {
    test(`T48 the part of a long queue that is not in memory ends with the session: ${name}`, async () => {
      const house = createHarness({ settings: { queueHeadMax: 2 }, gatekeeper: gatekeeperWith({}) });
      const owner = house.client('id', { ...DURABLE, userName: 'anna' });
      owner.subscribe('old', { qos: 1 });
      owner.cut();
      const pub = house.client('pub');
      for (let count = 0; count < 30; count += 1) pub.publish('old', 'secret', { qos: 1 });
      house.client('id', next).cut();
      const later = house.client('id', { ...DURABLE, userName: 'bert' });
      later.subscribe('new', { qos: 1 });
      later.cut();
      for (let count = 0; count < 5; count += 1) pub.publish('new', `${count}`, { qos: 1 });
      const back = house.client('id', { ...DURABLE, userName: 'bert' });
      const seen: string[] = [];
      for (let round = 0; round < 10; round += 1) {
        await house.settleLater();
        for (const { text, packetId } of back.publishes()) {
          seen.push(text);
          back.ack('puback', packetId);
        }
      }
      assert.deepEqual(
        seen,
        Array.from({ length: 5 }, (_, count) => `${count}`),
      );
    });
  }

  test('T48 who takes an identifier over while its owner is connected gets nothing of it either', () => {
    const house = createHarness({ gatekeeper: gatekeeperWith({}) });
    const owner = house.client('id', { ...DURABLE, userName: 'anna' });
    owner.subscribe('secret', { qos: 1 });
    const thief = house.peer();
    assert.equal(thief.connect({ clientId: 'id', ...DURABLE, userName: 'bert' }).sessionPresent, false);
    assert.equal(owner.isClosed, true);
    house.client('pub').publish('secret', 'x', { qos: 1 });
    thief.expectNothing();
  });
});

/** The log as it would be written. */
function written(house: Harness): readonly string[] {
  const form = createTextForm({ hasTimestamp: true, timestampFormat: null });
  return house.log.lines.map(({ level, text }) => `${form(0, level, text)}\n`);
}

describe('T54 the log cannot be forged', () => {
  const CONTROLS = ['\n', '\r', '\r\n', '\u001b[2J', '\u0007', '\u0085', '\u007f', '\u009b31m', '\u0001'];

  test('T54 line breaks and escape codes in any name end the connection', () => {
    const house = createHarness();
    const witness = new Witness(house);
    for (const control of CONTROLS) {
      const forged = `x${control}1700000000: New client connected from 10.0.0.1`;
      assertRefusedSilently({ house, witness }, rawConnect({ payload: [field(forged)] }));
      assertRefusedSilently({ house, witness }, rawConnect({ flags: 0x82, payload: [field('id'), field(forged)] }));
      const will = [field('id'), field(forged), field('will')];
      assertRefusedSilently({ house, witness }, rawConnect({ flags: 0x06, payload: will }));
      assertEndsClient({ house, witness }, rawPublish(forged));
      assertEndsClient({ house, witness }, rawSubscribe([[forged, 0]]));
    }
    for (const line of written(house)) assert.match(line, /^[^\p{Cc}]*\t?[^\p{Cc}]*\n$/u);
    assert.equal(
      written(house).some((line) => line.startsWith('1700000000')),
      false,
    );
  });

  test('T54 names that turn the writing direction or end a line elsewhere are shown by their numbers', () => {
    const house = createHarness();
    const strange = ['\u202eevil', '\u2028line', '\u2066x', '\u200fx'];
    for (const name of strange) {
      const client = house.client(name, { userName: name, will: { topic: name, payload: 'x' } });
      client.subscribe(name);
      client.publish(name, 'x');
      assert.equal(client.isClosed, false);
      client.cut();
    }
    const lines = written(house);
    assert.ok(lines.some((line) => line.includes('\\u202eevil')));
    for (const line of lines) assert.doesNotMatch(line, /[\u2028\u202e\u2066\u200f]/);
  });

  test('T54 T51 neither passwords nor payloads come into the log', () => {
    const house = createHarness();
    const client = house.client('id', { userName: 'u', password: 'hunter2', will: { topic: 'w', payload: 'hunter2' } });
    client.publish('t', 'hunter2', { qos: 1, retain: true });
    client.send(rawConnect({ flags: 0xc2, payload: [field('id'), field('u'), field('hunter2')] }));
    assertRefusedSilently(
      { house, witness: new Witness(house) },
      rawConnect({ flags: 0xc3, payload: [field('id'), field('u'), field('hunter2')] }),
    );
    assert.equal(
      written(house).some((line) => line.includes('hunter2')),
      false,
    );
  });

  test('T54 a client cannot make a line longer than the limit', () => {
    const house = createHarness();
    house.client('x'.repeat(60_000), { userName: 'y'.repeat(30_000) }).subscribe('z'.repeat(60_000));
    for (const line of written(house)) assert.ok(Buffer.from(line).length <= 1001);
  });
});

describe('T56 take-overs', () => {
  test('T56 a thousand connections of one identifier on real sockets: the last one is served', async () => {
    const live = await startLiveBroker();
    const sockets: RawSocket[] = [];
    for (let count = 0; count < 1000; count += 1) {
      const socket = await RawSocket.open(live.port);
      socket.send(rawConnect({ flags: count % 2 === 0 ? 0 : 2, payload: [field('one id')] }));
      sockets.push(socket);
    }
    const last = sockets.pop();
    assert.ok(last !== undefined);
    const [connack] = await last.packets(1);
    assert.deepEqual(connack?.[3], 0);
    await Promise.all(sockets.map((socket) => socket.closed));
    last.send(Uint8Array.of(0xc0, 0));
    assert.deepEqual((await last.packets(2))[1], Uint8Array.of(0xd0, 0));
    const { connections, sessions } = live.broker.sizes();
    assert.deepEqual([connections, sessions], [1, 1]);
    last.destroy();
    await live.stop();
  });

  test('T56 the same while each session has to become durable first', async () => {
    const house = createHarness({
      gatekeeper: gatekeeperWith({ authenticate: () => Promise.resolve({ kind: 'allowed' }) }),
    });
    const peers: Peer[] = [];
    for (let count = 0; count < 300; count += 1) {
      const peer = house.peer();
      peer.sendConnect({ clientId: 'one id', ...DURABLE, will: { topic: 'w', payload: `${count}` } });
      peers.push(peer);
      if (count % 7 === 0) await house.settleLater();
    }
    await house.settleLater();
    const open = peers.filter((peer) => !peer.isClosed);
    assert.deepEqual(open, peers.slice(-1));
    assert.deepEqual([house.broker.sizes().connections, house.broker.sizes().sessions], [1, 1]);
    assert.equal(house.broker.counters.internalErrors, 0);
  });
});
