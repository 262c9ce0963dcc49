import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClientLab, connackHex } from '../../test/fixtures/client-pair.ts';
import { FakeIo } from '../../test/fixtures/fake-io.ts';
import { type ServerConnection, settle } from '../../test/fixtures/scripted-server.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import { runPub } from './pub.ts';

interface Run {
  readonly lab: ClientLab;
  readonly io: FakeIo;
  readonly code: Promise<number>;
}

async function start(version: ProtocolVersion, args: readonly string[]): Promise<Run> {
  const lab = await ClientLab.open(version);
  const io = new FakeIo();
  const flag = { 3: '31', 4: '311', 5: '5' }[version];
  const code = runPub(['-p', String(lab.server.port), '-V', flag, ...args], io, lab);
  return { lab, io, code };
}

async function accept({ lab }: Run, connack = connackHex(lab.version)): Promise<ServerConnection> {
  const server = await lab.server.accept();
  await server.next('connect');
  server.send(connack);
  return server;
}

describe('zanzara pub', () => {
  it('publishes with QoS 0 and says goodbye', async () => {
    const run = await start(4, ['-t', 'a/b', '-m', 'hello', '-r']);
    const server = await accept(run);
    const publish = await server.next('publish');
    assert.equal(publish.topic, 'a/b');
    assert.equal(publish.payload, 'hello');
    assert.equal(publish.retain, true);
    await server.next('disconnect');
    assert.equal(await run.code, 0);
    assert.equal(run.io.out + run.io.errors, '');
  });

  it('connects as Mosquitto’s tool does', async () => {
    const run = await start(5, ['-t', 'a', '-n', '-i', 'id', '-c', '-u', 'u', '-P', 'p', '-k', '7']);
    const server = await run.lab.server.accept();
    const connect = await server.next('connect');
    assert.equal(connect.clientId, 'id');
    assert.equal(connect.cleanStart, false);
    assert.equal(connect.keepAlive, 7);
    assert.equal(connect.userName, 'u');
    assert.equal(connect.properties.sessionExpiryInterval, 0xffffffff);
    assert.equal(connect.properties.receiveMaximum, 20);
    server.send('20 03 00 87 00');
    assert.equal(await run.code, 0x87);
    assert.match(run.io.errors, /^Connection error: Not authorized\nError: /);
  });

  it('chooses an id for 3.1, which knows no empty one', async () => {
    const run = await start(3, ['-t', 'a', '-m', 'x']);
    const server = await run.lab.server.accept();
    assert.equal((await server.next('connect')).clientId.length, 23);
    server.send(connackHex(3));
    assert.equal(await run.code, 0);
  });

  it('waits for the acknowledgement of QoS 1 and 2', async () => {
    for (const qos of ['1', '2']) {
      const run = await start(4, ['-t', 'a', '-m', 'x', '-q', qos]);
      const server = await accept(run);
      await server.next('publish');
      await settle();
      assert.deepEqual(server.waitingTypes, []);
      if (qos === '1') server.send('40 02 00 01');
      else {
        server.send('50 02 00 01');
        await server.next('pubrel');
        server.send('70 02 00 01');
      }
      await server.next('disconnect');
      assert.equal(await run.code, 0);
    }
  });

  it('-d shows the packets', async () => {
    const run = await start(5, ['-t', 'a', '-m', 'hi', '-q', '1', '-i', 'me', '-d']);
    const server = await accept(run);
    await server.next('publish');
    server.send('40 03 00 01 10');
    assert.equal(await run.code, 0);
    assert.equal(
      run.io.out,
      [
        'Client me sending CONNECT',
        'Client me received CONNACK (0)',
        "Client me sending PUBLISH (d0, q1, r0, m1, 'a', ... (2 bytes))",
        'Client me received PUBACK (Mid: 1, RC:16)',
        'Client me sending DISCONNECT',
        '',
      ].join('\n'),
    );
  });

  it('warns when the broker refuses the message', async () => {
    const run = await start(5, ['-t', 'a', '-m', 'x', '-q', '1']);
    const server = await accept(run);
    await server.next('publish');
    server.send('40 03 00 01 87');
    assert.equal(await run.code, 0);
    assert.equal(run.io.errors, 'Warning: Publish 1 failed: Not authorized.\n');
  });

  it('sends nothing that the broker does not take, and fails', async () => {
    for (const [connack, args, code] of [
      ['20 05 00 00 02 24 00', ['-q', '1'], 24],
      ['20 05 00 00 02 25 00', ['-r'], 28],
      ['20 08 00 00 05 27 00 00 00 06', [], 25],
      [connackHex(5), ['-D', 'publish', 'topic-alias', '1'], 29],
    ] as const) {
      const run = await start(5, ['-t', 'a', '-m', 'x', ...args]);
      const server = await accept(run, connack);
      await server.next('disconnect');
      assert.equal(await run.code, code);
      assert.match(run.io.errors, /^Error: Message 1 was not sent: /);
    }
  });

  it('--repeat waits for each answer, and --repeat-delay in between', async () => {
    const run = await start(4, ['-t', 'a', '-m', 'x', '-q', '1', '--repeat', '2', '--repeat-delay', '1.5']);
    const server = await accept(run);
    await server.next('publish');
    server.send('40 02 00 01');
    await settle();
    assert.deepEqual(server.waitingTypes, []);
    run.lab.clock.advance(1500);
    await server.next('publish');
    server.send('40 02 00 02');
    await server.next('disconnect');
    assert.equal(await run.code, 0);
  });

  it('-s publishes all of standard input, and nothing is an error', async () => {
    const run = await start(4, ['-t', 'a', '-s']);
    run.io.stdin.write('one\n');
    run.io.stdin.end('two\n');
    const server = await accept(run);
    assert.equal((await server.next('publish')).payload, 'one\ntwo\n');
    assert.equal(await run.code, 0);
    const empty = await start(4, ['-t', 'a', '-s']);
    empty.io.stdin.end();
    assert.equal(await empty.code, 1);
    assert.equal(empty.io.errors, 'Error: Zero length input.\nError loading input from stdin.\n');
  });

  it('-f of a file that is not there is an error', async () => {
    const run = await start(4, ['-t', 'a', '-f', '/nonexistent/file']);
    assert.equal(await run.code, 1);
    assert.match(run.io.errors, /Error loading input file "\/nonexistent\/file"\.\n$/);
  });

  it('-l publishes line by line and waits for all answers', async () => {
    const run = await start(4, ['-t', 'a', '-l', '-q', '1']);
    run.io.stdin.end('one\n\nthree');
    const server = await accept(run);
    for (const text of ['one', '', 'three']) assert.equal((await server.next('publish')).payload, text);
    server.send('40 02 00 01 40 02 00 02');
    await settle();
    assert.deepEqual(server.waitingTypes, []);
    server.send('40 02 00 03');
    await server.next('disconnect');
    assert.equal(await run.code, 0);
  });

  it('-l reads no faster than the broker acknowledges', async () => {
    const run = await start(4, ['-t', 'a', '-l', '-q', '1']);
    const server = await accept(run);
    let takenLines = 0;
    const line = 'x'.repeat(1000);
    const pour = (): void => {
      while (takenLines < 10_000 && run.io.stdin.write(`${line}\n`)) takenLines++;
    };
    run.io.stdin.on('drain', pour);
    pour();
    for (let turn = 0; turn < 50; turn++) await settle();
    assert.ok(takenLines < 1000, `${takenLines} lines were read ahead`);
    assert.equal(server.waitingTypes.length, 20);
    run.lab.pipe.cut();
    run.io.stdin.end();
    await settle();
    run.lab.clock.advance(1000);
    (await run.lab.server.accept()).send('20 02 00 05');
    assert.equal(await run.code, 5);
  });

  it('-l goes on when the connection is lost, with what was not acknowledged first', async () => {
    const run = await start(4, ['-t', 'a', '-l', '-q', '1']);
    run.io.stdin.write('one\ntwo\n');
    const first = await accept(run);
    await first.next('publish');
    await first.next('publish');
    first.send('40 02 00 01');
    await settle();
    run.lab.pipe.cut();
    await settle();
    run.io.stdin.end('three\n');
    await settle();
    run.lab.clock.advance(1000);
    const second = await accept(run);
    for (const text of ['two', 'three']) {
      const publish = await second.next('publish');
      assert.equal(publish.payload, text);
      second.send(Uint8Array.of(0x40, 2, 0, publish.packetId));
    }
    await second.next('disconnect');
    assert.equal(await run.code, 0);
  });

  it('-l ends at once when the broker ends the connection, although input is open', async () => {
    const run = await start(5, ['-t', 'a', '-l']);
    const server = await accept(run);
    await settle();
    server.send('e0 01 8b');
    assert.equal(await run.code, 4);
    assert.equal(run.io.errors, 'Error: The server ended the connection: Server shutting down.\n');
  });

  it('fails when the connection is lost before the answer', async () => {
    const run = await start(4, ['-t', 'a', '-m', 'x', '-q', '1']);
    const server = await accept(run);
    await server.next('publish');
    run.lab.pipe.cut();
    assert.equal(await run.code, 7);
    assert.equal(run.io.errors, 'Error: The connection was lost.\n');
  });

  it('does not wait for a broker that does not close its side', async () => {
    const run = await start(4, ['-t', 'a', '-m', 'x']);
    const server = await accept(run);
    await server.next('publish');
    run.lab.pipe.freeze();
    for (let turn = 0; turn < 5; turn++) await settle();
    run.lab.clock.advance(500);
    assert.equal(await run.code, 0);
  });

  it('says why there is no connection', async () => {
    const lab = await ClientLab.open(4);
    const io = new FakeIo();
    assert.equal(await runPub(['-p', '1', '-t', 'a', '-m', 'x'], io, lab), 1);
    assert.equal(io.errors, 'Error: Connection refused\n');
    const quiet = new FakeIo();
    assert.equal(await runPub(['-p', '1', '-t', 'a', '-m', 'x', '--quiet'], quiet, lab), 1);
    assert.equal(quiet.errors, '');
  });

  it('shows help and version', async () => {
    const io = new FakeIo();
    assert.equal(await runPub(['--help'], io), 0);
    await settle();
    assert.match(io.out, /^zanzara pub publishes[\s\S]*--will-topic/);
    assert.equal(await runPub(['--version'], io), 0);
  });
});
