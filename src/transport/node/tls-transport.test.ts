import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { certificates, certificatesOrSkip } from '../../../test/fixtures/certificates.ts';
import { requireTool } from '../../../test/fixtures/debian.ts';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { connectPeer, type Server, turns, usePeers } from '../../../test/fixtures/link-parties.ts';
import { testTransport } from '../../../test/fixtures/link-suite.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import { createTlsClient, dialTls, startTls } from '../../../test/fixtures/tls-client.ts';
import { clientOf, contextOf, listenTls } from '../../../test/fixtures/tls-listener.ts';
import type { Listening, Transport } from '../../base/link.ts';
import type { TransportOptions } from '../transport-options.ts';
import { systemClock } from './node-clock.ts';
import { createTlsTransport } from './tls-transport.ts';

/** A Transport for the shared suite: both sides speak TLS. */
function createTransport(options: TransportOptions): Transport {
  const tls = createTlsTransport({ ...options, log: new MemoryLog(), clock: systemClock });
  const context = contextOf(certificates());
  const { connect: connectTls } = createTlsClient(clientOf(certificates()), options);
  return { listen: (at, accept) => tls.listen(at, accept, () => context), connect: connectTls };
}

if (requireTool('openssl') === null) {
  test('node:tls', (t) => void certificatesOrSkip(t));
} else {
  usePeers(async (to) => {
    const socket = await dialTls(to, clientOf(certificates()));
    // A reset while the tickets of TLS 1.3 are on the way looks to node like an orderly end: its write fails unheard, and
    // takes the error with it.
    await new Promise((resolve) => {
      for (const event of ['session', 'end', 'error', 'close']) socket.once(event, resolve);
    });
    return socket;
  });
  testTransport('node:tls', createTransport);
}

async function connectRaw(t: TestContext, server: Server): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: server.port });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

/** A reset counts as well. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    if (socket.closed) resolve();
    else socket.once('close', () => resolve());
  });
}

test('200 handshakes at once', { timeout: 60_000 }, async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const context = contextOf(made);
  const { server } = await listenTls(t, () => context);
  const pairs = await Promise.all(Array.from({ length: 200 }, () => connectPeer(t, server)));
  for (const [recorder, peer] of pairs) {
    recorder.onInput = (bytes) => recorder.send(bytes);
    peer.read().socket.write('hello');
  }
  for (const [, peer] of pairs) await peer.until(() => peer.receivedBytes === 5);
  assert.equal(server.links.length, 200);
});

test('T16 a handshake that does not come to an end is given up after 30 s, whatever arrives meanwhile', async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const context = contextOf(made);
  const clock = new FakeClock();
  const { server, log } = await listenTls(t, () => context, { clock });
  const slow = await connectRaw(t, server);
  const end = closed(slow);
  // Its time runs from when it was accepted.
  while (clock.waitingCount === 0) await turns(1);
  // The head of a ClientHello, a byte at a time.
  for (const byte of [0x16, 0x03, 0x01, 0x02, 0x00, 0x01]) {
    await new Promise<void>((resolve) => slow.write(Buffer.of(byte), () => resolve()));
    clock.advance(4_900);
  }
  assert.equal(slow.closed, false);
  clock.advance(1_000);
  slow.resume();
  await end;
  assert.deepEqual(log.texts('error').length, 1);
  assert.match(log.texts('error')[0] ?? '', /failed: not finished within 30 s\.$/);
  assert.equal(clock.waitingCount, 0);
});

test('more unfinished handshakes than there may be: the oldest goes, finished ones stay', {
  timeout: 60_000,
}, async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const context = contextOf(made);
  const { server, log } = await listenTls(t, () => context, { handshakesMax: 3 });
  const [recorder, peer] = await connectPeer(t, server);
  const sockets: Socket[] = [];
  for (let count = 0; count < 5; count++) {
    const socket = await connectRaw(t, server);
    socket.write(Buffer.of(0x16));
    sockets.push(socket.resume());
  }
  const [first, second] = sockets;
  assert.ok(first !== undefined && second !== undefined);
  await Promise.all([first, second].map((socket) => closed(socket)));
  assert.deepEqual(
    sockets.map(({ closed }) => closed),
    [true, true, false, false, false],
  );
  assert.match(log.texts('error')[0] ?? '', /given up for newer ones, 3 were unfinished/);
  recorder.onInput = (bytes) => recorder.send(bytes);
  peer.read().socket.write('alive');
  await peer.until(() => peer.receivedBytes === 5);
  await connectPeer(t, server);
});

test('close ends unfinished handshakes of that listener without a word, and no others', {
  timeout: 60_000,
}, async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const context = contextOf(made);
  const log = new MemoryLog();
  const transport = createTlsTransport({ log, clock: systemClock });
  const at = { host: '127.0.0.1', port: 0, isIpv6Only: false };
  const accept = () => assert.fail('nobody finishes');
  const listenings = [
    await transport.listen(at, accept, () => context),
    await transport.listen(at, accept, () => context),
  ] as const;
  t.after(() => Promise.all(listenings.map((listening) => listening.close())));
  const open = async ({ port }: Listening) => {
    const socket = connect({ host: '127.0.0.1', port })
      .on('error', () => {})
      .resume();
    t.after(() => socket.destroy());
    await once(socket, 'connect');
    return socket;
  };
  const [onA, onB] = [await open(listenings[0]), await open(listenings[1])];
  // Connections are accepted in order: when these were refused, the others are there.
  for (const listening of listenings) {
    const refused = await open(listening);
    refused.write('GET / HTTP/1.1\r\n\r\n');
    await closed(refused);
  }
  await listenings[0].close();
  await closed(onA);
  assert.equal(onB.closed, false);
  assert.equal(log.lines.length, 2);
  for (const { text } of log.lines) assert.match(text, /http request/);
});

test('a client that hangs up without a word leaves no line, one that had begun leaves one', {
  timeout: 60_000,
}, async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const context = contextOf(made);
  const { server, log } = await listenTls(t, () => context);
  const silent = await connectRaw(t, server);
  silent.end();
  await closed(silent.resume());
  const reset = await connectRaw(t, server);
  reset.resetAndDestroy();
  const begun = await connectRaw(t, server);
  begun.end(Buffer.from('16030102000100', 'hex'));
  await closed(begun.resume());
  await connectPeer(t, server);
  assert.equal(log.lines.length, 1);
  assert.match(log.texts('error')[0] ?? '', /^TLS handshake with 127\.0\.0\.1:\d+ on listener 8883 failed: /);
});

test('a reload holds for new handshakes, connections that are there stay', { timeout: 60_000 }, async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  let context = contextOf(made);
  const { server } = await listenTls(t, () => context);
  const [oldLink, oldPeer] = await connectPeer(t, server);
  context = contextOf(made, { certFile: made.serverRsa.certFile, keyFile: made.serverRsa.keyFile });
  const socket = await dialTls({ host: '127.0.0.1', port: server.port }, clientOf(made));
  t.after(() => socket.destroy());
  const { raw } = socket.getPeerX509Certificate() ?? { raw: null };
  assert.ok(
    raw !== null && readFileSync(made.serverRsa.certFile, 'latin1').includes(raw.toString('base64').slice(0, 60)),
  );
  oldLink.onInput = (bytes) => oldLink.send(bytes);
  oldPeer.read().socket.write('still here');
  await oldPeer.until(() => oldPeer.receivedBytes === 10);
});

test('a reload that comes into a handshake does not let the client in, who may come again', {
  timeout: 60_000,
}, async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  let context = contextOf(made);
  const { server, log } = await listenTls(t, () => context);
  const early = await connectRaw(t, server);
  // The one after it was let in, so this one was accepted.
  await connectPeer(t, server);
  context = contextOf(made);
  const end = closed(early);
  const socket = await startTls(early, clientOf(made)).catch(() => null);
  t.after(() => socket?.destroy());
  socket?.on('error', () => {}).resume();
  await end;
  assert.equal(server.links.length, 1);
  assert.match(log.texts('error')[0] ?? '', /failed: its listener was read anew meanwhile\.$/);
  await connectPeer(t, server);
  assert.equal(server.links.length, 2);
});

test('while there is no context connections are closed, and that is no fault', async (t) => {
  const faults: Error[] = [];
  const { server, log } = await listenTls(t, () => null, { onFault: (error) => faults.push(error) });
  const socket = await connectRaw(t, server);
  await closed(socket.resume());
  assert.deepEqual([faults, log.lines], [[], []]);
});

test('garbage in an established connection ends the link, without waiting for the client', {
  timeout: 60_000,
}, async (t) => {
  const made = certificatesOrSkip(t);
  if (made === null) return;
  const context = contextOf(made);
  const { server, log } = await listenTls(t, () => context);
  const between = await startBetween(t, server);
  const socket = await dialTls({ host: '127.0.0.1', port: between.port }, clientOf(made));
  t.after(() => socket.destroy());
  const recorder = await server.next();
  // A record that is not sealed with the keys of this connection.
  between.inject(Buffer.concat([Buffer.from('1703030040', 'hex'), Buffer.alloc(64, 7)]));
  const end = await recorder.end();
  assert.equal(end.kind, 'error');
  assert.equal(socket.destroyed, false);
  assert.deepEqual(log.lines, []);
});

/** Somebody between a client and the server, who passes on what they say until it says something itself. */
async function startBetween(t: TestContext, server: Server) {
  let toServer: Socket | null = null;
  let isMuted = false;
  const front = createServer((client) => {
    const upstream = connect({ host: '127.0.0.1', port: server.port }).on('error', () => {});
    toServer = upstream;
    client.on('error', () => {}).on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => {
      if (!isMuted) client.write(chunk);
    });
    t.after(() => {
      client.destroy();
      upstream.destroy();
    });
  });
  await once(front.listen(0, '127.0.0.1'), 'listening');
  t.after(() => front.close());
  const address = front.address();
  assert.ok(address !== null && typeof address === 'object');
  return {
    port: address.port,
    inject(bytes: Uint8Array) {
      isMuted = true;
      assert.ok(toServer !== null);
      toServer.write(bytes);
    },
  };
}
