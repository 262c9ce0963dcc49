import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientLab, connackHex } from '../../test/fixtures/client-pair.ts';
import { settle } from '../../test/fixtures/scripted-server.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import { ClientError, ConnectFailedError, ConnectRefusedError } from './client-types.ts';

const VERSIONS: readonly ProtocolVersion[] = [3, 4, 5];

describe('connecting', () => {
  for (const version of VERSIONS) {
    it(`is done at CONNACK, level ${version}`, async () => {
      const lab = await ClientLab.open(version);
      const connecting = lab.begin({ clientId: 'anna', keepAliveSeconds: 30 });
      const server = await lab.server.accept();
      const connect = await server.next('connect');
      assert.equal(connect.version, version);
      assert.equal(connect.clientId, 'anna');
      assert.equal(connect.keepAlive, 30);
      assert.equal(connect.cleanStart, true);
      server.send(connackHex(version));
      const client = await connecting;
      assert.equal(client.isOpen, true);
      assert.equal(client.connack.sessionPresent, false);
    });

    it(`works when every byte comes alone, level ${version}`, async () => {
      const lab = await ClientLab.open(version, { chunkBytes: 1 });
      const { client } = await lab.connect();
      assert.equal(client.isOpen, true);
    });
  }

  it('sends will, user name, password and properties', async () => {
    const lab = await ClientLab.open(5);
    const connecting = lab.begin({
      cleanStart: false,
      userName: 'u',
      password: 'p',
      will: {
        topic: 'w',
        payload: 'gone',
        qos: 2,
        retain: true,
        delaySeconds: 7,
        properties: { contentType: 'text', messageExpiryInterval: 9 },
      },
      properties: { sessionExpiryInterval: 60, receiveMaximum: 5, userProperties: [{ name: 'a', value: 'b' }] },
    });
    const server = await lab.server.accept();
    const connect = await server.next('connect');
    assert.equal(connect.cleanStart, false);
    assert.equal(connect.userName, 'u');
    assert.deepEqual(connect.password, new TextEncoder().encode('p'));
    assert.equal(connect.will?.topic.text, 'w');
    assert.equal(connect.will?.qos, 2);
    assert.equal(connect.will?.retain, true);
    assert.equal(connect.will?.delaySeconds, 7);
    assert.equal(connect.will?.messageExpiryInterval, 9);
    assert.deepEqual(connect.will?.forwardedProperties, Uint8Array.of(3, 0, 4, 116, 101, 120, 116));
    assert.equal(connect.properties.sessionExpiryInterval, 60);
    assert.equal(connect.properties.receiveMaximum, 5);
    assert.deepEqual(connect.properties.userProperties, [{ name: 'a', value: 'b' }]);
    server.send(connackHex(5));
    await connecting;
  });

  it('takes the client id that the server assigns', async () => {
    const lab = await ClientLab.open(5);
    const { client } = await lab.connect({ clientId: '' }, '20 08 00 00 05 12 00 02 61 62');
    assert.equal(client.clientId, 'ab');
  });

  it('tells the reason of a refusal, v5', async () => {
    const lab = await ClientLab.open(5);
    await assert.rejects(lab.connect({}, '20 03 00 87 00'), (error) => {
      assert.ok(error instanceof ConnectRefusedError);
      assert.equal(error.reason, 0x87);
      assert.match(error.message, /Not authorized/);
      return true;
    });
  });

  it('tells the return code of a refusal, v3.1.1', async () => {
    const lab = await ClientLab.open(4);
    await assert.rejects(lab.connect({}, '20 02 00 05'), (error) => {
      assert.ok(error instanceof ConnectRefusedError);
      assert.equal(error.reason, 5);
      return true;
    });
  });

  it('gives up when nothing comes', async () => {
    const lab = await ClientLab.open(4);
    const connecting = lab.begin({ connectTimeoutMs: 500 });
    const server = await lab.server.accept();
    await server.next('connect');
    lab.clock.advance(500);
    await assert.rejects(connecting, (error) => error instanceof ClientError && error.kind === 'timeout');
    await server.ended;
  });

  it('drops a link that comes after the deadline', async () => {
    const lab = await ClientLab.open(4, { delivery: 'pump' });
    const connecting = lab.begin({ connectTimeoutMs: 500 });
    lab.clock.advance(500);
    await assert.rejects(connecting, (error) => error instanceof ClientError && error.kind === 'timeout');
    lab.transport.pump();
    const server = await lab.server.accept();
    assert.equal(server.hasEnded, true);
  });

  it('fails when the server hangs up before CONNACK', async () => {
    const lab = await ClientLab.open(4);
    const connecting = lab.begin();
    const server = await lab.server.accept();
    server.link.close(0);
    await assert.rejects(connecting, (error) => error instanceof ConnectFailedError && error.closed.kind === 'lost');
  });

  it('passes on that nobody listens', async () => {
    const lab = await ClientLab.open(4);
    await assert.rejects(lab.begin({ port: 1 }), { code: 'ECONNREFUSED' });
  });

  it('refuses options that cannot be sent', async () => {
    const lab = await ClientLab.open(4);
    await assert.rejects(lab.begin({ password: 'x' }), ClientError);
    await assert.rejects(lab.begin({ keepAliveSeconds: 70_000 }), ClientError);
    await assert.rejects(lab.begin({ will: { topic: 'a/#', payload: '' } }), ClientError);
  });

  it('ends on session present after a clean start', async () => {
    const lab = await ClientLab.open(5);
    await assert.rejects(lab.connect({}, connackHex(5, true)), ConnectFailedError);
  });

  it('answers AUTH until CONNACK', async () => {
    const lab = await ClientLab.open(5);
    const asked: (Uint8Array | null)[] = [];
    const connecting = lab.begin({
      properties: { authenticationMethod: 'm', authenticationData: Uint8Array.of(1) },
      onAuthenticate: async (data) => {
        asked.push(data);
        return Uint8Array.of(9);
      },
    });
    const server = await lab.server.accept();
    const connect = await server.next('connect');
    assert.equal(connect.properties.authenticationMethod, 'm');
    server.send('f0 0a 18 08 15 00 01 6d 16 00 01 05');
    const auth = await server.next('auth');
    assert.equal(auth.reason, 0x18);
    assert.deepEqual(auth.properties.authenticationData, Uint8Array.of(9));
    assert.deepEqual(asked, [Uint8Array.of(5)]);
    server.send('20 07 00 00 04 15 00 01 6d');
    const client = await connecting;
    const again = client.reauthenticate(Uint8Array.of(3));
    assert.equal((await server.next('auth')).reason, 0x19);
    server.send('f0 06 00 04 15 00 01 6d');
    assert.equal((await again).reason, 0);
  });

  it('ends on AUTH when CONNECT named no method', async () => {
    const lab = await ClientLab.open(5);
    const connecting = lab.begin();
    const server = await lab.server.accept();
    server.send('f0 06 18 04 15 00 01 6d');
    await assert.rejects(connecting, ConnectFailedError);
  });
});

describe('the end of a connection', () => {
  it('[MQTT3-3.14.4-1] [MQTT3-3.14.4-2] says DISCONNECT as its last packet, and closes', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect();
    assert.deepEqual(await client.disconnect(), { kind: 'disconnected' });
    await server.next('disconnect');
    await server.ended;
    assert.deepEqual(server.waitingTypes, []);
    assert.equal(client.isOpen, false);
  });

  it('[MQTT5-3.14.4-1] sends nothing after DISCONNECT', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect();
    const closing = client.disconnect(0x04);
    const late = client.publish('a', 'x');
    await closing;
    assert.equal((await late).kind, 'refused');
    assert.equal((await server.next('disconnect')).reason, 4);
    assert.deepEqual(server.waitingTypes, []);
  });

  it('sends what was published before DISCONNECT', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect();
    void client.publish('a', 'x');
    await client.disconnect();
    assert.equal((await server.next('publish')).payload, 'x');
    await server.next('disconnect');
  });

  it('refuses a session expiry that CONNECT did not have', async () => {
    const lab = await ClientLab.open(5);
    const { client } = await lab.connect();
    await assert.rejects(client.disconnect(0, { sessionExpiryInterval: 5 }), ClientError);
    assert.equal(client.isOpen, true);
  });

  it('destroy sends nothing', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect();
    client.destroy();
    assert.deepEqual(await client.closed, { kind: 'destroyed' });
    await server.ended;
    assert.deepEqual(server.waitingTypes, []);
  });

  it('tells the reason of the server', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect();
    server.send('e0 01 8e');
    const closed = await client.closed;
    assert.equal(closed.kind, 'server-disconnect');
    assert.equal(closed.kind === 'server-disconnect' && closed.reason, 0x8e);
  });

  it('tells that the link was lost', async () => {
    const lab = await ClientLab.open(5);
    const { client } = await lab.connect();
    lab.pipe.cut();
    const closed = await client.closed;
    assert.equal(closed.kind, 'lost');
    assert.ok(closed.kind === 'lost' && closed.error !== null);
  });
});

describe('keep alive', () => {
  it('[MQTT3-3.1.2-23] sends PINGREQ after an interval without packets, and goes on', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect({ keepAliveSeconds: 10 });
    for (let round = 0; round < 3; round++) {
      lab.clock.advance(10_000);
      await server.next('pingreq');
      server.send('d0 00');
      await settle();
    }
    assert.equal(client.isOpen, true);
  });

  it('[MQTT5-3.1.2-20] counts from the last packet sent', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect({ keepAliveSeconds: 10 });
    lab.clock.advance(6000);
    await client.publish('a', 'x', { qos: 0 });
    await server.next('publish');
    server.send('30 04 00 01 61 00');
    await settle();
    lab.clock.advance(6000);
    await settle();
    assert.deepEqual(server.waitingTypes, []);
    lab.clock.advance(4000);
    await server.next('pingreq');
  });

  it('[MQTT5-3.1.2-21] [MQTT5-3.2.2-21] uses the interval that the server names', async () => {
    const lab = await ClientLab.open(5);
    const { server } = await lab.connect({ keepAliveSeconds: 60 }, '20 06 00 00 03 13 00 05');
    lab.clock.advance(5000);
    await server.next('pingreq');
  });

  it('ends when the server answers nothing', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect({ keepAliveSeconds: 10 });
    lab.clock.advance(10_000);
    await server.next('pingreq');
    lab.clock.advance(10_000);
    await settle();
    assert.deepEqual(await client.closed, { kind: 'ping-timeout' });
  });

  it('ends although the cable was pulled', async () => {
    const lab = await ClientLab.open(4);
    const { client } = await lab.connect({ keepAliveSeconds: 10 });
    lab.pipe.freeze();
    lab.clock.advance(21_000);
    await settle();
    lab.clock.advance(2000);
    await settle();
    assert.deepEqual(await client.closed, { kind: 'ping-timeout' });
  });

  it('does not ping with an interval of 0', async () => {
    const lab = await ClientLab.open(4);
    const { server } = await lab.connect({ keepAliveSeconds: 0 });
    lab.clock.advance(10_000_000);
    await settle();
    assert.deepEqual(server.waitingTypes, []);
  });
});
