import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientLab, connackHex } from '../../test/fixtures/client-pair.ts';
import { FakeIo } from '../../test/fixtures/fake-io.ts';
import { type ServerConnection, settle } from '../../test/fixtures/scripted-server.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import { runSub } from './sub.ts';

interface Run {
  readonly lab: ClientLab;
  readonly io: FakeIo;
  readonly code: Promise<number>;
}

async function start(version: ProtocolVersion, args: readonly string[]): Promise<Run> {
  const lab = await ClientLab.open(version);
  const io = new FakeIo();
  const flag = { 3: '31', 4: '311', 5: '5' }[version];
  const code = runSub(['-p', String(lab.server.port), '-V', flag, ...args], io, lab);
  return { lab, io, code };
}

/** Accepts, and grants QoS 0 to `filterCount` filters. */
async function accept({ lab }: Run, filterCount = 1): Promise<ServerConnection> {
  const server = await lab.server.accept();
  await server.next('connect');
  server.send(connackHex(lab.version));
  const { packetId } = await server.next('subscribe');
  const properties = lab.version === 5 ? [0] : [];
  const codes = new Array<number>(filterCount).fill(0);
  server.send(Uint8Array.of(0x90, 2 + properties.length + filterCount, 0, packetId, ...properties, ...codes));
  await settle();
  return server;
}

/** Ends it as Ctrl-C does. */
async function interrupt(run: Run): Promise<string> {
  await settle();
  run.io.signal('SIGINT');
  assert.equal(await run.code, 0);
  assert.equal(run.io.listenerCount, 0);
  return run.io.out;
}

const HELLO = '30 08 00 01 61 68 65 6c 6c 6f';
const EMPTY = '30 03 00 01 61';
const RETAINED = '31 04 00 01 61 72';

describe('zanzara sub', () => {
  it('prints payloads, with a line end each, nothing for an empty one', async () => {
    const run = await start(4, ['-t', 'a']);
    const server = await accept(run);
    server.send(`${HELLO} ${EMPTY} 30 05 00 01 61 ff 00`);
    assert.equal(await interrupt(run), 'hello\n\xff\0\n');
    await server.next('disconnect');
  });

  it('-v prints topics, and (null) for an empty payload', async () => {
    const run = await start(4, ['-t', 'a', '-v']);
    const server = await accept(run);
    server.send(`${HELLO} ${EMPTY}`);
    assert.equal(await interrupt(run), 'a hello\na (null)\n');
  });

  it('-N prints no line ends, and nothing at all for an empty payload', async () => {
    const run = await start(4, ['-t', 'a', '-v', '-N']);
    const server = await accept(run);
    server.send(`${HELLO} ${EMPTY} ${HELLO}`);
    assert.equal(await interrupt(run), 'a helloa hello');
  });

  it('subscribes to all filters in one packet, with its options', async () => {
    const run = await start(5, [
      '-t',
      'a/#',
      '-t',
      'b',
      '-q',
      '2',
      '--retain-as-published',
      '--retain-handling',
      'new',
    ]);
    const server = await run.lab.server.accept();
    await server.next('connect');
    server.send(connackHex(5));
    const subscribe = await server.next('subscribe');
    assert.deepEqual(
      subscribe.subscriptions.map(({ filter, ...options }) => [filter.text, options]),
      ['a/#', 'b'].map((text) => [text, { qos: 2, noLocal: false, retainAsPublished: true, retainHandling: 1 }]),
    );
    await interrupt(run);
    assert.equal((await server.next('disconnect')).reason, 4);
  });

  it('-C ends after exactly so many messages, and acknowledges no more than it printed', async () => {
    const run = await start(4, ['-t', 'a', '-C', '2', '-q', '1']);
    const server = await accept(run);
    server.send('32 06 00 01 61 00 01 31 32 06 00 01 61 00 02 32 32 06 00 01 61 00 03 33 30 04 00 01 61 34');
    assert.equal(await run.code, 0);
    assert.equal(run.io.out, '1\n2\n');
    assert.deepEqual(server.waitingTypes, ['puback', 'puback', 'disconnect']);
    assert.equal((await server.next('puback')).packetId, 1);
    assert.equal((await server.next('puback')).packetId, 2);
  });

  it('-C with QoS 2 ends after the whole handshake', async () => {
    const run = await start(4, ['-t', 'a', '-C', '1', '-q', '2']);
    const server = await accept(run);
    server.send('34 06 00 01 61 00 01 31');
    await server.next('pubrec');
    assert.equal(run.io.out, '');
    server.send('62 02 00 01');
    await server.next('pubcomp');
    await server.next('disconnect');
    assert.equal(await run.code, 0);
    assert.equal(run.io.out, '1\n');
  });

  it('-W ends after its time with 27', async () => {
    const run = await start(5, ['-t', 'a', '-W', '3']);
    const server = await accept(run);
    run.lab.clock.advance(2999);
    await settle();
    assert.equal(run.io.errors, '');
    run.lab.clock.advance(1);
    assert.equal((await server.next('disconnect')).reason, 4);
    assert.equal(await run.code, 27);
    assert.equal(run.io.errors, 'Timed out\n');
  });

  it('-W ends also when no connection comes about', async () => {
    const run = await start(4, ['-t', 'a', '-W', '3']);
    await run.lab.server.accept();
    run.lab.clock.advance(3000);
    assert.equal(await run.code, 27);
  });

  it('-E ends once subscribed', async () => {
    const run = await start(4, ['-t', 'a', '-E']);
    const server = await accept(run);
    await server.next('disconnect');
    assert.equal(await run.code, 0);
  });

  it('-R skips retained messages, --retained-only the others', async () => {
    const skipping = await start(4, ['-t', 'a', '-R', '-C', '1']);
    (await accept(skipping)).send(`${RETAINED} ${HELLO}`);
    assert.equal(await skipping.code, 0);
    assert.equal(skipping.io.out, 'hello\n');
    const only = await start(4, ['-t', 'a', '--retained-only']);
    (await accept(only)).send(`${RETAINED} ${HELLO} ${RETAINED}`);
    assert.equal(await only.code, 0);
    assert.equal(only.io.out, 'r\n');
  });

  it('-T keeps topics out, and they do not count', async () => {
    const run = await start(4, ['-t', '#', '-T', 'b/+', '-C', '1', '-v']);
    (await accept(run)).send(`30 06 00 03 62 2f 63 78 ${HELLO}`);
    assert.equal(await run.code, 0);
    assert.equal(run.io.out, 'a hello\n');
  });

  it('-U unsubscribes, alone as well', async () => {
    const run = await start(4, ['-U', 'a', '-U', 'b', '-i', 'x', '-c', '-E']);
    const server = await run.lab.server.accept();
    await server.next('connect');
    server.send(connackHex(4));
    assert.equal((await server.next('unsubscribe')).filters[0]?.text, 'a');
    assert.equal((await server.next('unsubscribe')).filters[0]?.text, 'b');
    server.send('b0 02 00 01 b0 02 00 02');
    assert.equal(await run.code, 0);
  });

  it('says when every subscription was denied', async () => {
    const run = await start(4, ['-t', 'a']);
    const server = await run.lab.server.accept();
    await server.next('connect');
    server.send(connackHex(4));
    await server.next('subscribe');
    server.send('90 03 00 01 80');
    assert.equal(await run.code, 0);
    assert.equal(run.io.errors, 'All subscription requests were denied.\n');
  });

  it('connects and subscribes again when the connection is lost', async () => {
    const run = await start(4, ['-t', 'a']);
    await accept(run);
    run.lab.pipe.cut();
    for (let turn = 0; turn < 5; turn++) await settle();
    run.lab.clock.advance(1000);
    const again = await accept(run);
    again.send(HELLO);
    assert.equal(await interrupt(run), 'hello\n');
  });

  it('tells a refusal and leaves with its code', async () => {
    const run = await start(5, ['-t', 'a']);
    const server = await run.lab.server.accept();
    server.send('20 03 00 87 00');
    assert.equal(await run.code, 0x87);
    assert.equal(run.io.errors, 'Connection error: Not authorized\n');
  });

  it('ends when the broker says so', async () => {
    const run = await start(5, ['-t', 'a']);
    (await accept(run)).send('e0 01 8e');
    assert.equal(await run.code, 4);
    assert.equal(run.io.errors, 'Error: The server ended the connection: Session taken over.\n');
  });

  it('-d shows a message behind the line of its acknowledgement', async () => {
    const run = await start(4, ['-t', 'a', '-q', '2', '-i', 'me', '-d', '-C', '2']);
    const server = await accept(run);
    server.send('32 06 00 01 61 00 07 31 34 06 00 01 61 00 08 32');
    await server.next('puback');
    await server.next('pubrec');
    server.send('62 02 00 08');
    assert.equal(await run.code, 0);
    assert.equal(
      run.io.out,
      [
        'Client me sending CONNECT',
        'Client me received CONNACK (0)',
        'Client me sending SUBSCRIBE (Mid: 1, Topic: a, QoS: 2, Options: 0x00)',
        'Client me received SUBACK',
        'Subscribed (mid: 1): 0',
        "Client me received PUBLISH (d0, q1, r0, m7, 'a', ... (1 bytes))",
        'Client me sending PUBACK (m7, rc0)',
        '1',
        "Client me received PUBLISH (d0, q2, r0, m8, 'a', ... (1 bytes))",
        'Client me sending PUBREC (m8, rc0)',
        'Client me received PUBREL (Mid: 8)',
        'Client me sending PUBCOMP (m8)',
        '2',
        'Client me sending DISCONNECT',
        '',
      ].join('\n'),
    );
  });

  it('ends quietly when nobody reads its output any more', async () => {
    const run = await start(4, ['-t', 'a', '-q', '1']);
    const server = await accept(run);
    run.io.stdout.destroy(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' }));
    server.send('32 06 00 01 61 00 01 31');
    assert.equal(await run.code, 0);
    await server.next('disconnect');
    assert.equal(run.io.errors, '');
  });

  it('does not read the broker while its own reader is slow', async () => {
    const run = await start(4, ['-t', 'a', '-N']);
    const server = await accept(run);
    run.io.stdout.removeAllListeners('data');
    run.io.stdout.pause();
    // 65540 bytes follow: topic and payload.
    const large = Uint8Array.from([0x30, 0x83, 0x80, 0x04, 0, 1, 0x61, ...new Uint8Array(65_536)]);
    for (let count = 0; count < 1000; count++) server.send(large);
    for (let turn = 0; turn < 2000 && server.link.pendingBytes > 0; turn++) await settle();
    const waitingBytes = server.link.pendingBytes;
    assert.ok(waitingBytes > 30_000_000, `${waitingBytes} bytes were left with the broker`);
    run.io.stdout.resume();
    for (let turn = 0; turn < 20_000 && server.link.pendingBytes > 0; turn++) await settle();
    assert.equal(server.link.pendingBytes, 0);
    await interrupt(run);
  });
});
