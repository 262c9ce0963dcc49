import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { AuthenticateAnswer, Gatekeeper } from '../../../src/core/ports.ts';
import { Reason, type ReasonCode } from '../../../src/protocol/reasons.ts';
import { createHarness, fromHex, type Harness } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { field, rawConnect } from '../../fixtures/raw-packets.ts';
import { assertRefusedSilently, Witness } from '../../fixtures/reactions.ts';

const DURABLE = { cleanStart: false };

function answering(answer: AuthenticateAnswer | Promise<AuthenticateAnswer>): Gatekeeper {
  return gatekeeperWith({ authenticate: () => answer });
}

/** A house that keeps a session with a queued message for `client`. */
function houseWithQueue(gatekeeper: Gatekeeper | null = null): Harness {
  const house = createHarness({ gatekeeper });
  const first = house.client('client', DURABLE);
  first.subscribe('t', { qos: 1 });
  first.cut();
  house.client('pub').publish('t', 'queued', { qos: 1 });
  return house;
}

describe('3.2 CONNACK', () => {
  test('[MQTT3-3.2.0-1] CONNACK is the first packet, before what waits in the session', () => {
    const house = houseWithQueue();
    const client = house.peer();
    client.sendConnect({ clientId: 'client', ...DURABLE });
    assert.deepEqual(
      client.all().map(({ type }) => type),
      ['connack', 'publish'],
    );
  });

  test('[MQTT3-3.2.0-1] nothing is sent before authentication has answered', async () => {
    let allow: (answer: AuthenticateAnswer) => void = () => undefined;
    const later = new Promise<AuthenticateAnswer>((resolve) => {
      allow = resolve;
    });
    const house = createHarness({ gatekeeper: answering(later) });
    const client = house.peer();
    client.sendConnect({ clientId: 'client' });
    client.sendSubscribe('t');
    client.ping();
    await house.settleLater();
    client.expectNothing();
    allow({ kind: 'allowed' });
    await house.settleLater();
    assert.deepEqual(
      client.all().map(({ type }) => type),
      ['connack', 'suback', 'pingresp'],
    );
  });

  test('[MQTT3-3.2.2-1] with Clean Session the session is reported as new, whatever was kept', () => {
    const house = houseWithQueue();
    const client = house.peer();
    client.send(rawConnect({ payload: [field('client')] }));
    assert.deepEqual(client.link.takeSent(), fromHex('20 02 00 00'));
  });

  test('[MQTT3-3.2.2-2] a session that goes on is reported as present', () => {
    const house = houseWithQueue();
    const client = house.peer();
    client.send(rawConnect({ flags: 0, payload: [field('client')] }));
    assert.deepEqual(client.link.takeSent().subarray(0, 4), fromHex('20 02 01 00'));
  });

  test('[MQTT3-3.2.2-2] a session that is taken over from a living connection is reported as present', () => {
    const house = createHarness();
    house.client('client', DURABLE);
    assert.equal(house.client('client', DURABLE).isClosed, false);
    const third = house.peer();
    assert.equal(third.connect({ clientId: 'client', ...DURABLE }).sessionPresent, true);
  });

  test('[MQTT3-3.2.2-3] where nothing was kept no session is reported', () => {
    const house = createHarness();
    const never = house.peer();
    assert.equal(never.connect({ clientId: 'client', ...DURABLE }).sessionPresent, false);
    never.disconnect();
    house.client('client').disconnect();
    const afterClean = house.peer();
    assert.equal(afterClean.connect({ clientId: 'client', ...DURABLE }).sessionPresent, false);
  });

  const refusals: readonly (readonly [reason: ReasonCode, returnCode: number])[] = [
    [Reason.UnsupportedProtocolVersion, 1],
    [Reason.ClientIdentifierNotValid, 2],
    [Reason.ServerUnavailable, 3],
    [Reason.ServerBusy, 3],
    [Reason.QuotaExceeded, 3],
    [Reason.BadUserNameOrPassword, 5],
    [Reason.NotAuthorized, 5],
    [Reason.Banned, 5],
    [Reason.UnspecifiedError, 5],
  ];
  for (const [reason, returnCode] of refusals) {
    test(`[MQTT3-3.2.2-4] [MQTT3-3.2.2-5] refusal 0x${reason.toString(16)} is code ${returnCode}, no session, close`, () => {
      const house = createHarness({ gatekeeper: answering({ kind: 'refused', reason }) });
      const client = house.peer();
      client.send(rawConnect({ flags: 0, payload: [field('client')] }));
      assert.deepEqual(client.link.takeSent(), Uint8Array.of(0x20, 2, 0, returnCode));
      assert.equal(client.isClosed, true);
      assert.equal(house.broker.sizes().sessions, 0);
      assert.equal(house.broker.sizes().connections, 0);
    });
  }

  test('[MQTT3-3.2.2-4] a refusal reports no session though one is kept, and leaves it alone', () => {
    let answer: AuthenticateAnswer = { kind: 'allowed' };
    const gatekeeper = gatekeeperWith({ authenticate: () => answer });
    const house = houseWithQueue(gatekeeper);
    answer = { kind: 'refused', reason: Reason.NotAuthorized };
    const refused = house.peer();
    refused.send(rawConnect({ flags: 0, payload: [field('client')] }));
    assert.deepEqual(refused.link.takeSent(), fromHex('20 02 00 05'));
    answer = { kind: 'allowed' };
    const again = house.peer();
    assert.equal(again.connect({ clientId: 'client', ...DURABLE }).sessionPresent, true);
    assert.equal(again.expect('publish').text, 'queued');
  });

  test('[MQTT3-3.2.2-5] a refused client does not take over the connection of its identifier', () => {
    let answer: AuthenticateAnswer = { kind: 'allowed' };
    const house = createHarness({ gatekeeper: gatekeeperWith({ authenticate: () => answer }) });
    const holder = house.client('client');
    answer = { kind: 'refused', reason: Reason.NotAuthorized };
    const refused = house.peer();
    assert.equal(refused.connect({ clientId: 'client' }).reason, 5);
    assert.equal(refused.isClosed, true);
    assert.equal(holder.isClosed, false);
  });

  test('[MQTT3-3.2.2-6] where no return code fits, the close is the answer', () => {
    const house = createHarness();
    const witness = new Witness(house);
    const malformed = [
      rawConnect({ flags: 0x03 }),
      rawConnect({ flags: 0x1e }),
      rawConnect({ flags: 0x42 }),
      rawConnect({ name: 'MQTX' }),
      rawConnect({ payload: [] }),
      rawConnect({ payload: [field('id'), 0] }),
    ];
    for (const bytes of malformed) assertRefusedSilently({ house, witness }, bytes);
  });
});
