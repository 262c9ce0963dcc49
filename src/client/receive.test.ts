import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientLab, connackHex } from '../../test/fixtures/client-pair.ts';
import { hex, settle } from '../../test/fixtures/scripted-server.ts';
import { ClientSession } from './client-session.ts';
import type { IncomingMessage } from './client-types.ts';

/** A handler whose promises the test fulfils. */
class Handler {
  readonly messages: IncomingMessage[] = [];
  readonly #waiting: { readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];

  readonly take = (message: IncomingMessage): Promise<void> => {
    this.messages.push(message);
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  };

  finish(index: number): void {
    this.#waiting[index]?.resolve();
  }

  fail(index: number): void {
    this.#waiting[index]?.reject(new Error('the disk is full'));
  }

  get texts(): readonly string[] {
    return this.messages.map(({ payload }) => new TextDecoder().decode(payload));
  }
}

/** A v3 PUBLISH to topic `a` with a one-letter payload. */
function publishHex(firstByte: string, packetId: number, letter: string): string {
  const payload = letter.charCodeAt(0).toString(16);
  return `${firstByte} 06 00 01 61 00 ${packetId.toString(16).padStart(2, '0')} ${payload}`;
}

describe('receiving', () => {
  it('hands out a message that may be kept, with what its packet says', async () => {
    const lab = await ClientLab.open(5);
    const messages: IncomingMessage[] = [];
    const { server } = await lab.connect({ onMessage: (message) => void messages.push(message) });
    server.send('3b 10 00 03 61 2f 62 00 07 05 03 00 02 68 69 78 79 7a');
    assert.equal((await server.next('puback')).packetId, 7);
    const [message] = messages;
    assert.equal(message?.topic, 'a/b');
    assert.deepEqual(message?.payload, new TextEncoder().encode('xyz'));
    assert.equal(message?.qos, 1);
    assert.equal(message?.dup, true);
    assert.equal(message?.retain, true);
    assert.equal(message?.packetId, 7);
    assert.equal(message?.properties.contentType, 'hi');
  });

  it('misses nothing that comes in one chunk with CONNACK', async () => {
    const lab = await ClientLab.open(4);
    const topics: string[] = [];
    await lab.connect({ onMessage: ({ topic }) => void topics.push(topic) }, `${connackHex(4)} 30 03 00 01 61`);
    assert.deepEqual(topics, ['a']);
  });

  it('[MQTT3-4.5.0-2] [MQTT5-4.5.0-2] acknowledges although nobody takes it', async () => {
    const { server } = await (await ClientLab.open(5)).connect();
    server.send('32 06 00 01 61 00 07 00 34 06 00 01 61 00 08 00');
    await server.next('puback');
    await server.next('pubrec');
    const old = await (await ClientLab.open(4)).connect();
    old.server.send('32 05 00 01 61 00 07 34 05 00 01 61 00 08');
    await old.server.next('puback');
    await old.server.next('pubrec');
  });

  it('acknowledges when the handler is done', async () => {
    const lab = await ClientLab.open(4);
    const handler = new Handler();
    const { server } = await lab.connect({ onMessage: handler.take });
    server.send(publishHex('32', 1, 'x'));
    await settle();
    assert.deepEqual(server.waitingTypes, []);
    handler.finish(0);
    assert.equal((await server.next('puback')).packetId, 1);
  });

  for (const version of [4, 5] as const) {
    const title =
      '[MQTT3-4.6.0-2] [MQTT3-4.6.0-3] [MQTT5-4.6.0-2] [MQTT5-4.6.0-3] acknowledges in the order of arrival';
    it(`${title}, level ${version}`, async () => {
      const lab = await ClientLab.open(version);
      const handler = new Handler();
      const { server } = await lab.connect({ onMessage: handler.take });
      const properties = version === 5 ? '00' : '';
      const size = version === 5 ? '06' : '05';
      for (const [firstByte, id] of ['32 01', '34 02', '32 03', '34 04'].map((pair) => pair.split(' '))) {
        server.send(`${firstByte} ${size} 00 01 61 00 ${id} ${properties}`);
      }
      await settle();
      assert.equal(handler.messages.length, 4);
      for (const index of [2, 1, 3]) handler.finish(index);
      await settle();
      assert.deepEqual(server.waitingTypes, []);
      handler.finish(0);
      await settle();
      assert.deepEqual(server.waitingTypes, ['puback', 'pubrec', 'puback', 'pubrec']);
    });
  }

  it('[MQTT3-4.3.3-2] hands QoS 2 out once, before PUBREC', async () => {
    const lab = await ClientLab.open(4);
    const handler = new Handler();
    const { server } = await lab.connect({ onMessage: handler.take });
    server.send(publishHex('34', 1, 'x'));
    await settle();
    assert.deepEqual(server.waitingTypes, []);
    handler.finish(0);
    await server.next('pubrec');
    server.send(publishHex('3c', 1, 'x'));
    await server.next('pubrec');
    server.send('62 02 00 01');
    await server.next('pubcomp');
    assert.deepEqual(handler.texts, ['x']);
    server.send(publishHex('34', 1, 'y'));
    await settle();
    assert.deepEqual(handler.texts, ['x', 'y']);
  });

  it('hands QoS 2 out after PUBREL, if asked to', async () => {
    const lab = await ClientLab.open(4);
    const handler = new Handler();
    const { server } = await lab.connect({ onMessage: handler.take, deliverQos2At: 'release' });
    server.send(publishHex('34', 1, 'x'));
    await server.next('pubrec');
    assert.deepEqual(handler.texts, []);
    server.send('62 02 00 01');
    await settle();
    assert.deepEqual(handler.texts, ['x']);
    assert.deepEqual(server.waitingTypes, []);
    handler.finish(0);
    await server.next('pubcomp');
  });

  it('answers PUBREL for an unknown id, v3.1.1 and v5', async () => {
    const old = await (await ClientLab.open(4)).connect();
    old.server.send('62 02 00 09');
    assert.equal((await old.server.next('pubcomp')).packetId, 9);
    const { server } = await (await ClientLab.open(5)).connect();
    server.send('62 02 00 09');
    assert.equal((await server.next('pubcomp')).reason, 0x92);
  });

  it('[MQTT5-4.3.3-10] remembers QoS 2 ids in the session', async () => {
    const lab = await ClientLab.open(4);
    const session = new ClientSession();
    const texts: string[] = [];
    const onMessage = ({ payload }: IncomingMessage) => void texts.push(new TextDecoder().decode(payload));
    const first = await lab.connect({ session, cleanStart: false, onMessage });
    first.server.send(publishHex('34', 1, 'x'));
    await first.server.next('pubrec');
    lab.pipe.cut();
    await first.client.closed;
    const second = await lab.connect({ session, cleanStart: false, onMessage }, connackHex(4, true));
    second.server.send(publishHex('3c', 1, 'x'));
    await second.server.next('pubrec');
    second.server.send('62 02 00 01');
    await second.server.next('pubcomp');
    assert.deepEqual(texts, ['x']);
  });

  it('does not acknowledge a repetition before the handler of the first is done', async () => {
    const lab = await ClientLab.open(4);
    const session = new ClientSession();
    const handler = new Handler();
    const first = await lab.connect({ session, cleanStart: false, onMessage: handler.take });
    first.server.send(publishHex('34', 1, 'x'));
    await settle();
    lab.pipe.cut();
    await first.client.closed;
    const second = await lab.connect({ session, cleanStart: false, onMessage: handler.take }, connackHex(4, true));
    second.server.send(publishHex('3c', 1, 'x'));
    await settle();
    assert.deepEqual(second.server.waitingTypes, []);
    handler.finish(0);
    await second.server.next('pubrec');
    assert.deepEqual(handler.texts, ['x']);
  });

  it('keeps a message whose handler failed after PUBREL for the next connection', async () => {
    const lab = await ClientLab.open(4);
    const session = new ClientSession();
    const handler = new Handler();
    const options = { session, cleanStart: false, onMessage: handler.take, deliverQos2At: 'release' } as const;
    const first = await lab.connect(options);
    first.server.send(publishHex('34', 1, 'x'));
    await first.server.next('pubrec');
    first.server.send('62 02 00 01');
    await settle();
    handler.fail(0);
    assert.equal((await first.client.closed).kind, 'fault');
    const second = await lab.connect(options, connackHex(4, true));
    second.server.send('62 02 00 01');
    await settle();
    handler.finish(1);
    await second.server.next('pubcomp');
    assert.deepEqual(handler.texts, ['x', 'x']);
  });

  for (const how of ['throws', 'rejects'] as const) {
    it(`ends without acknowledgement when a handler ${how}`, async () => {
      const lab = await ClientLab.open(5);
      const onMessage = (): Promise<void> => {
        if (how === 'throws') throw new Error('no');
        return Promise.reject(new Error('no'));
      };
      const { client, server } = await lab.connect({ onMessage });
      server.send('34 07 00 01 61 00 07 00 78');
      const closed = await client.closed;
      assert.equal(closed.kind, 'fault');
      assert.equal((await server.next('disconnect')).reason, 0x83);
      assert.equal(client.session.received.size, 0);
    });
  }

  it('stops reading while a thousand handlers are at work', async () => {
    const lab = await ClientLab.open(4);
    const handler = new Handler();
    const { client, server } = await lab.connect({ onMessage: handler.take, keepAliveSeconds: 10 });
    const one = hex('30 04 00 01 61 78');
    for (let count = 0; count < 1500; count++) {
      server.send(one);
      await settle();
    }
    assert.equal(handler.messages.length, 1001);
    // Silence that we made ourselves is no reason to end.
    lab.clock.advance(60_000);
    await settle();
    assert.equal(client.isOpen, true);
    for (let index = 0; index < 1001; index++) handler.finish(index);
    await settle();
    assert.equal(handler.messages.length, 1500);
    lab.clock.advance(5000);
    await settle();
    assert.equal(client.isOpen, true);
  });

  it('[MQTT5-3.3.2-10] resolves every topic alias up to the maximum that it announced', async () => {
    const lab = await ClientLab.open(5);
    const topics: string[] = [];
    const { server } = await lab.connect({
      properties: { topicAliasMaximum: 3 },
      onMessage: ({ topic }) => void topics.push(topic),
    });
    for (const alias of ['01', '02', '03']) server.send(`30 07 00 01 6${alias[1]} 03 23 00 ${alias}`);
    server.send('30 07 00 01 64 03 23 00 02');
    for (const alias of ['01', '02', '03']) server.send(`30 06 00 00 03 23 00 ${alias}`);
    await settle();
    assert.deepEqual(topics, ['a', 'b', 'c', 'd', 'a', 'd', 'c']);
  });

  it('[MQTT5-3.3.2-7] knows no alias of an earlier connection', async () => {
    const lab = await ClientLab.open(5);
    const options = { session: new ClientSession(), cleanStart: false, properties: { topicAliasMaximum: 3 } };
    const first = await lab.connect(options);
    first.server.send('30 07 00 01 61 03 23 00 01');
    await settle();
    lab.pipe.cut();
    await first.client.closed;
    const second = await lab.connect(options, connackHex(5, true));
    second.server.send('30 06 00 00 03 23 00 01');
    assert.equal((await second.client.closed).kind, 'protocol-error');
  });

  it('takes a large message in small pieces', async () => {
    const lab = await ClientLab.open(4, { chunkBytes: 1460 });
    const lengths: number[] = [];
    const { server } = await lab.connect({ onMessage: ({ payload }) => void lengths.push(payload.length) });
    // 1000003 bytes follow: topic and payload.
    server.send('30 c3 84 3d 00 01 61');
    server.send(new Uint8Array(1_000_000));
    server.send('30 04 00 01 61 78');
    await settle();
    assert.deepEqual(lengths, [1_000_000, 1]);
  });
});

describe('requests', () => {
  it('subscribes with options and tells what was granted', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect();
    const asking = client.subscribe(
      [
        { filter: 'a/#', qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
        { filter: '$share/g/b', qos: 1 },
      ],
      { subscriptionIdentifiers: [7] },
    );
    const subscribe = await server.next('subscribe');
    assert.deepEqual(
      subscribe.subscriptions.map(({ filter, ...options }) => ({ filter: filter.text, ...options })),
      [
        { filter: 'a/#', qos: 2, noLocal: true, retainAsPublished: true, retainHandling: 2 },
        { filter: '$share/g/b', qos: 1, noLocal: false, retainAsPublished: false, retainHandling: 0 },
      ],
    );
    assert.deepEqual(subscribe.properties.subscriptionIdentifiers, [7]);
    server.send('90 05 00 01 00 02 87');
    assert.deepEqual((await asking).reasons, [2, 0x87]);
    assert.equal(client.session.packetIds.usedCount, 0);
  });

  it('unsubscribes, v3.1.1 and v5', async () => {
    const old = await (await ClientLab.open(4)).connect();
    const asking = old.client.unsubscribe('a');
    await old.server.next('unsubscribe');
    old.server.send('b0 02 00 01');
    assert.deepEqual((await asking).reasons, []);
    const { client, server } = await (await ClientLab.open(5)).connect();
    const other = client.unsubscribe(['a', 'b']);
    assert.equal((await server.next('unsubscribe')).filters.length, 2);
    server.send('b0 05 00 01 00 00 11');
    assert.deepEqual((await other).reasons, [0, 0x11]);
  });

  it('refuses what the protocol or the server does not allow', async () => {
    const lab = await ClientLab.open(5);
    const { client, server } = await lab.connect({}, '20 09 00 00 06 28 00 29 00 2a 00');
    const refused = { kind: 'refused' };
    await assert.rejects(client.subscribe([]), refused);
    await assert.rejects(client.subscribe('a#'), refused);
    await assert.rejects(client.subscribe('a/#'), refused);
    await assert.rejects(client.subscribe('$share/g/a'), refused);
    await assert.rejects(client.subscribe('a', { subscriptionIdentifiers: [1] }), refused);
    await assert.rejects(client.unsubscribe('a#'), refused);
    await settle();
    assert.deepEqual(server.waitingTypes, []);
    assert.equal(client.session.packetIds.usedCount, 0);
  });

  it('refuses no local with a shared subscription', async () => {
    const { client } = await (await ClientLab.open(5)).connect();
    await assert.rejects(client.subscribe({ filter: '$share/g/a', noLocal: true }), { kind: 'refused' });
  });

  it('are rejected when the connection ends', async () => {
    const lab = await ClientLab.open(4);
    const { client, server } = await lab.connect();
    const asking = client.subscribe('a');
    await server.next('subscribe');
    lab.pipe.cut();
    await assert.rejects(asking, { kind: 'closed' });
    await assert.rejects(client.subscribe('a'), { kind: 'closed' });
    assert.equal(client.session.packetIds.usedCount, 0);
  });
});
