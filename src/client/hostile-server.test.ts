/** Whatever a server sends, the client ends that connection with a reason and throws nothing out of a callback. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { ClientLab } from '../../test/fixtures/client-pair.ts';
import { settle } from '../../test/fixtures/scripted-server.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import { ConnectFailedError } from './client-types.ts';

interface Attack {
  readonly name: string;
  readonly version: ProtocolVersion;
  readonly hex: string;
  /** Reason of the client's DISCONNECT in v5; null in 3.x. */
  readonly reason: number | null;
}

/** Each against a connected client with a subscribe (id 1, one filter) and a QoS 1 (id 2) and QoS 2 (id 3) publish open. */
const ATTACKS: readonly Attack[] = [
  { name: 'SUBACK without codes', version: 4, hex: '90 02 00 01', reason: null },
  { name: 'SUBACK without codes', version: 5, hex: '90 03 00 01 00', reason: 0x81 },
  { name: 'SUBACK with too many codes', version: 5, hex: '90 05 00 01 00 00 00', reason: 0x82 },
  { name: 'SUBACK for an unknown id', version: 5, hex: '90 04 00 09 00 00', reason: 0x82 },
  { name: 'SUBACK for a publish', version: 5, hex: '90 04 00 02 00 00', reason: 0x82 },
  { name: 'SUBACK cut off', version: 4, hex: '90 01 00', reason: null },
  { name: 'UNSUBACK for a subscribe', version: 4, hex: 'b0 02 00 01', reason: null },
  { name: 'UNSUBACK for an unknown id', version: 5, hex: 'b0 04 00 09 00 00', reason: 0x82 },
  { name: 'PUBACK for an unknown id', version: 4, hex: '40 02 00 09', reason: null },
  { name: 'PUBACK for an unknown id', version: 5, hex: '40 02 00 09', reason: 0x82 },
  { name: 'PUBACK for a subscribe', version: 5, hex: '40 02 00 01', reason: 0x82 },
  { name: 'PUBACK for QoS 2', version: 5, hex: '40 02 00 03', reason: 0x82 },
  { name: 'PUBREC for QoS 1', version: 5, hex: '50 02 00 02', reason: 0x82 },
  { name: 'PUBCOMP before PUBREC', version: 5, hex: '70 02 00 03', reason: 0x82 },
  { name: 'a second CONNACK', version: 5, hex: '20 03 00 00 00', reason: 0x82 },
  { name: 'a second CONNACK', version: 4, hex: '20 02 00 00', reason: null },
  { name: 'a CONNECT', version: 4, hex: '10 0c 00 04 4d 51 54 54 04 02 00 3c 00 00', reason: null },
  { name: 'a SUBSCRIBE', version: 5, hex: '82 07 00 01 00 00 01 61 00', reason: 0x82 },
  { name: 'an UNSUBSCRIBE', version: 5, hex: 'a2 06 00 01 00 00 01 61', reason: 0x82 },
  { name: 'a PINGREQ', version: 5, hex: 'c0 00', reason: 0x82 },
  { name: 'a DISCONNECT in v3.1.1', version: 4, hex: 'e0 00', reason: null },
  { name: 'an AUTH that nobody asked for', version: 5, hex: 'f0 06 18 04 15 00 01 6d', reason: 0x82 },
  { name: 'packet type 0', version: 5, hex: '00 00', reason: 0x81 },
  { name: 'a length of five bytes', version: 5, hex: '30 ff ff ff ff 7f', reason: 0x81 },
  { name: 'a packet above the announced maximum', version: 5, hex: '30 ff ff ff 7f', reason: 0x95 },
  { name: 'a packet above the maximum', version: 4, hex: '30 ff ff ff 7f', reason: null },
  { name: 'QoS 3', version: 5, hex: '36 06 00 01 61 00 01 00', reason: 0x81 },
  { name: 'packet id 0', version: 5, hex: '32 06 00 01 61 00 00 00', reason: 0x82 },
  { name: 'an empty topic without alias', version: 5, hex: '30 03 00 00 00', reason: 0x82 },
  { name: 'an empty topic', version: 4, hex: '30 02 00 00', reason: null },
  { name: 'a topic with a wildcard', version: 5, hex: '30 04 00 01 23 00', reason: 0x90 },
  { name: 'an alias above the maximum', version: 5, hex: '30 07 00 01 61 03 23 00 03', reason: 0x94 },
  { name: 'an alias without a topic before it', version: 5, hex: '30 06 00 00 03 23 00 01', reason: 0x82 },
  {
    name: 'more than the Receive Maximum',
    version: 5,
    hex: '34 06 00 01 61 00 01 00 34 06 00 01 61 00 02 00',
    reason: 0x93,
  },
  { name: 'bad UTF-8 in a topic', version: 5, hex: '30 04 00 01 ff 00', reason: 0x81 },
];

describe('a hostile server', () => {
  for (const attack of ATTACKS) {
    it(`T06 level ${attack.version}: ${attack.name}`, async () => {
      const lab = await ClientLab.open(attack.version);
      const { client, server } = await lab.connect({
        properties: { receiveMaximum: 1, topicAliasMaximum: 2, maximumPacketSize: 100_000 },
      });
      const subscribing = client.subscribe('a');
      const publishing = client.publish('a', 'x', { qos: 1 });
      void client.publish('a', 'x', { qos: 2 });
      await server.next('subscribe');
      await server.next('publish');
      await server.next('publish');
      server.send(attack.hex);
      const closed = await client.closed;
      assert.equal(closed.kind, 'protocol-error');
      await assert.rejects(subscribing, { kind: 'closed' });
      assert.equal((await publishing).kind, 'lost');
      while (server.waitingTypes[0] === 'pubrec') await server.next('pubrec');
      if (attack.reason !== null) assert.equal((await server.next('disconnect')).reason, attack.reason);
      assert.deepEqual(server.waitingTypes, []);
    });
  }

  for (const [name, hex] of [
    ['a PUBLISH first', '30 03 00 01 61'],
    ['a PINGRESP first', 'd0 00'],
    ['a CONNACK with flags', '20 02 02 00'],
    ['a CONNACK cut off', '20 01 00'],
    ['a CONNACK that is too long', '20 03 00 00 00'],
    ['a CONNACK with an unknown code', '20 02 00 06'],
    ['an endless CONNACK', '20 ff ff ff 7f'],
    ['text', Buffer.from('HTTP/1.1 400 Bad Request\r\n'.repeat(5)).toString('hex')],
  ] as const) {
    it(`T06 before CONNACK: ${name}`, async () => {
      const lab = await ClientLab.open(4);
      await assert.rejects(lab.connect({}, hex), ConnectFailedError);
    });
  }

  it('T06 answers PUBREC for an unknown id and goes on, v5', async () => {
    const { client, server } = await (await ClientLab.open(5)).connect();
    server.send('50 02 00 09');
    assert.equal((await server.next('pubrel')).reason, 0x92);
    server.send('70 03 00 09 92');
    await settle();
    assert.equal(client.isOpen, true);
  });

  it('T06 handles nothing of what follows a broken packet', async () => {
    const lab = await ClientLab.open(4);
    let count = 0;
    const { client, server } = await lab.connect({ onMessage: () => void count++ });
    server.send('30 03 00 01 61 00 00 30 03 00 01 61');
    await client.closed;
    assert.equal(count, 1);
  });

  it('T06 any bytes: ends or goes on, and throws nothing', async () => {
    const header = fc.constantFrom(0x20, 0x30, 0x32, 0x34, 0x40, 0x50, 0x62, 0x70, 0x90, 0xb0, 0xd0, 0xe0, 0xf0);
    const body = fc.uint8Array({ maxLength: 20 });
    const packet = fc.tuple(header, body).map(([first, bytes]) => Uint8Array.of(first, bytes.length, ...bytes));
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<ProtocolVersion>(3, 4, 5),
        fc.array(packet, { maxLength: 8 }),
        fc.integer({ min: 1, max: 9 }),
        async (version, packets, chunkBytes) => {
          const lab = await ClientLab.open(version, { chunkBytes });
          const { client, server } = await lab.connect();
          void client.subscribe('a');
          void client.publish('a', 'x', { qos: 1 });
          void client.publish('a', 'x', { qos: 2 });
          for (const bytes of packets) server.send(bytes);
          await settle();
          client.destroy();
          const closed = await client.closed;
          assert.notEqual(closed.kind, 'fault');
        },
      ),
      { numRuns: 300 },
    );
  });
});
