import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness } from '../../fixtures/broker-harness.ts';
import { comeBack, enter, enterDurable, hasSession, texts } from './clients.ts';

const LETTERS_AND_DIGITS = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

describe('3.1.3 the client identifier', () => {
  test('[MQTT5-3.1.3-5] identifiers of 1 to 23 letters and digits are taken, with every one of them', () => {
    const house = createHarness();
    for (let length = 1; length <= 23; length += 1) {
      for (let start = 0; start < LETTERS_AND_DIGITS.length; start += 23) {
        const clientId = (LETTERS_AND_DIGITS + LETTERS_AND_DIGITS).slice(start, start + length);
        assert.equal(house.peer().connect({ version: 5, clientId }).reason, Reason.Success, clientId);
      }
    }
  });

  test('identifiers with blanks, slashes, wildcards and other scripts, and of 65535 bytes, are taken too', () => {
    const house = createHarness();
    for (const clientId of [' ', 'a/b', '#', '+', '$SYS', 'Roboter 5 ü', '機械', 'x'.repeat(65_535)]) {
      assert.equal(house.peer().connect({ version: 5, clientId }).reason, Reason.Success);
    }
    assert.equal(house.broker.sizes().sessions, 8);
  });

  test('[MQTT5-3.1.3-2] state belongs to the identifier: another one, also in other case, has none of it', () => {
    const house = createHarness();
    const first = enterDurable(house, 'Robot');
    first.subscribe('a', { qos: 1 });
    first.cut();
    for (const other of ['robot', 'Robot ', 'Robo', 'Robot5']) assert.equal(hasSession(house, other), false, other);
    enter(house, 'pub').publish('a', 'kept', { qos: 1 });
    assert.deepEqual(texts(comeBack(house, 'Robot')), ['kept']);
  });

  test('[MQTT5-3.1.3-6] [MQTT5-3.1.3-7] [MQTT5-3.2.2-16] without an identifier each client gets its own, told in CONNACK', () => {
    const house = createHarness();
    const ids = new Set<string>();
    for (let count = 0; count < 200; count += 1) {
      const connack = house.peer().connect({ version: 5, clientId: '' });
      assert.equal(connack.reason, Reason.Success);
      assert.equal(connack.sessionPresent, false);
      const id = connack.properties.assignedClientIdentifier;
      assert.match(id ?? '', /^auto-[0-9A-F]{8}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{4}-[0-9A-F]{12}$/);
      ids.add(id ?? '');
    }
    assert.equal(ids.size, 200);
    assert.equal(house.broker.sizes().sessions, 200);
  });

  test('[MQTT5-3.1.3-7] a client with an assigned identifier is treated as if it had sent it', () => {
    const house = createHarness();
    const first = house.peer();
    const properties = { sessionExpiryInterval: 100 };
    const id = first.connect({ version: 5, clientId: '', cleanStart: false, properties }).properties
      .assignedClientIdentifier;
    assert.ok(id !== null);
    first.subscribe('a', { qos: 1 });
    first.cut();
    enter(house, 'pub').publish('a', 'kept', { qos: 1 });
    const second = comeBack(house, id);
    assert.deepEqual(texts(second), ['kept']);
    const third = comeBack(house, id);
    assert.equal(second.expect('disconnect').reason, Reason.SessionTakenOver);
    assert.equal(third.isClosed, false);
  });

  test('an identifier that the client gave itself is not told again', () => {
    const connack = createHarness().peer().connect({ version: 5, clientId: 'mine' });
    assert.equal(connack.properties.assignedClientIdentifier, null);
  });

  test('[MQTT5-3.1.3-8] where an empty identifier is not allowed: CONNACK 0x85 and a close', () => {
    const house = createHarness({ listener: { allowZeroLengthClientId: false } });
    for (const cleanStart of [true, false]) {
      const peer = house.peer();
      assert.equal(peer.connect({ version: 5, clientId: '', cleanStart }).reason, Reason.ClientIdentifierNotValid);
      assert.equal(peer.isClosed, true);
      peer.expectNothing();
    }
    assert.equal(house.broker.sizes().sessions, 0);
    assert.equal(house.peer().connect({ version: 5, clientId: 'x' }).reason, Reason.Success);
  });
});
