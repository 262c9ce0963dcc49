/** What the simulation has found: answers that left before what they rest on was on the disk. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConnectOptions, Peer } from '../fixtures/broker-harness.ts';
import { SimHouse } from './sim-house.ts';

async function commit(house: SimHouse): Promise<void> {
  await house.settleLater();
  house.journal?.commit();
  await house.settleLater();
}

/** A connection that has sent CONNECT. */
function knock(house: SimHouse, options: ConnectOptions): Peer {
  const peer = house.peer({}, 4);
  peer.sendConnect({ version: 4, ...options });
  return peer;
}

/** A client that is connected, with everything committed. */
async function join(house: SimHouse, options: ConnectOptions): Promise<Peer> {
  const peer = knock(house, options);
  await commit(house);
  peer.expect('connack');
  return peer;
}

test('seed 790: a topic that another client has cleared is cleared when that is on the disk', async () => {
  const house = SimHouse.mortal({});
  const first = await join(house, { clientId: 'first' });
  const second = await join(house, { clientId: 'second' });
  first.publish('t', 'old', { retain: true });
  await commit(house);
  first.publish('t', '', { retain: true });
  second.publish('t', '', { qos: 1, retain: true });
  second.expectNothing();
  await commit(house);
  second.expect('puback');
});

test('seed 362: a clean start is answered when the end of the session before is on the disk', async () => {
  const house = SimHouse.mortal({});
  await join(house, { clientId: 'c', cleanStart: false });
  // It goes before it is answered.
  knock(house, { clientId: 'c', cleanStart: true }).cut();
  await house.settleLater();
  const again = knock(house, { clientId: 'c', cleanStart: true });
  await house.settleLater();
  again.expectNothing();
  await commit(house);
  again.expect('connack');
  await house.restart(10);
  const last = await knockAndWait(house, { clientId: 'c', cleanStart: false });
  assert.equal(last.expect('connack').sessionPresent, false);
});

test('a client that has said DISCONNECT and is connected anew has no will of before after a crash', async () => {
  const house = SimHouse.mortal({});
  const watcher = await join(house, { clientId: 'watcher', cleanStart: false });
  watcher.sendSubscribe('will', { qos: 1 });
  await commit(house);
  const first = await join(house, { clientId: 'c', will: { topic: 'will', payload: 'gone', qos: 1 } });
  first.disconnect();
  const again = knock(house, { clientId: 'c' });
  await house.settleLater();
  again.expectNothing();
  await commit(house);
  again.expect('connack');
  await house.restart(10);
  house.advance(60_000);
  await commit(house);
  const back = await knockAndWait(house, { clientId: 'watcher', cleanStart: false });
  back.expect('connack');
  back.expectNothing();
});

async function knockAndWait(house: SimHouse, options: ConnectOptions): Promise<Peer> {
  const peer = knock(house, options);
  await commit(house);
  return peer;
}
