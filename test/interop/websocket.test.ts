/** MQTT over WebSockets, as browsers and MQTT.js speak it. Node's own WebSocket is the browsers' one. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import mqtt, { type IClientOptions } from 'mqtt';
import { chooseTransport, parseTransportName } from '../../src/transport/choose-transport.ts';
import { acceptWebSocket } from '../../src/transport/websocket/accept-websocket.ts';
import { type LiveBroker, startLiveBroker } from '../fixtures/live-broker.ts';
import { rawConnect } from '../fixtures/raw-packets.ts';

const VERSIONS = [
  { name: '3.1', protocolId: 'MQIsdp', protocolVersion: 3 },
  { name: '3.1.1', protocolId: 'MQTT', protocolVersion: 4 },
  { name: '5.0', protocolId: 'MQTT', protocolVersion: 5 },
] as const;

interface WebSocketBroker {
  readonly url: string;
  readonly live: LiveBroker;
}

/** A live broker that also listens for WebSockets on a free port. */
async function withWebSockets(
  origins: readonly string[],
  body: (broker: WebSocketBroker) => Promise<void>,
): Promise<void> {
  const live = await startLiveBroker();
  const name = parseTransportName(process.env.ZANZARA_TRANSPORT ?? '');
  const faults: Error[] = [];
  const { transport } = await chooseTransport(name, { isInputSpoiled: true, onFault: (error) => faults.push(error) });
  const accept = acceptWebSocket(live.broker.accept, { origins, headerBytesMax: 4096 });
  const listening = await transport.listen({ host: '127.0.0.1', port: 0, isIpv6Only: false }, accept);
  try {
    await body({ url: `ws://127.0.0.1:${listening.port}/mqtt`, live });
    assert.deepEqual(faults, []);
  } finally {
    await listening.close();
    await live.stop();
  }
}

for (const { name, ...version } of VERSIONS) {
  test(`MQTT.js ${name} over WebSocket: small and large messages both ways`, () =>
    withWebSockets([], async ({ url }) => {
      const options: IClientOptions = { ...version, clientId: 'browser', reconnectPeriod: 0, connectTimeout: 20_000 };
      const client = await mqtt.connectAsync(url, options);
      try {
        const payloads = [Buffer.alloc(0), Buffer.from('21.5'), Buffer.alloc(300, 1), Buffer.alloc(300_000, 2)];
        const received: Buffer[] = [];
        const all = new Promise<void>((resolve) => {
          client.on('message', (_topic, payload) => {
            if (received.push(payload) === payloads.length * 3) resolve();
          });
        });
        await client.subscribeAsync('plant/#', { qos: 2 });
        for (const payload of payloads) {
          for (const qos of [0, 1, 2] as const) await client.publishAsync('plant/temperature', payload, { qos });
        }
        await all;
        const sizes = received.map(({ length }) => length).toSorted((a, b) => a - b);
        assert.deepEqual(
          sizes,
          payloads.flatMap(({ length }) => [length, length, length]),
        );
      } finally {
        await client.endAsync();
      }
    }));
}

interface Closing {
  readonly code: number;
  readonly wasClean: boolean;
}

function closingOf(socket: WebSocket): Promise<Closing> {
  return new Promise((resolve) => {
    socket.addEventListener('close', ({ code, wasClean }) => resolve({ code, wasClean }));
  });
}

function openingOf(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.addEventListener('open', () => resolve());
    socket.addEventListener('error', () => reject(new Error('it did not open')));
  });
}

/** The next message, as bytes. */
function messageOf(socket: WebSocket): Promise<Buffer> {
  return new Promise((resolve) => {
    socket.addEventListener('message', ({ data }: { data: unknown }) => {
      assert.ok(data instanceof ArrayBuffer);
      resolve(Buffer.from(data));
    });
  });
}

async function openWebSocket(url: string): Promise<WebSocket> {
  const socket = new WebSocket(url, 'mqtt');
  socket.binaryType = 'arraybuffer';
  await openingOf(socket);
  assert.equal(socket.protocol, 'mqtt');
  return socket;
}

test('a browser: CONNECT in two frames, DISCONNECT, and a Close with 1000 [MQTT3-6.0.0-2] [MQTT5-6.0.0-2]', () =>
  withWebSockets([], async ({ url }) => {
    const socket = await openWebSocket(url);
    const connect = rawConnect();
    const message = messageOf(socket);
    socket.send(connect.slice(0, 5));
    socket.send(connect.slice(5));
    assert.equal((await message).toString('hex'), '20020000');
    const closing = closingOf(socket);
    socket.send(Uint8Array.of(0xe0, 0));
    assert.deepEqual(await closing, { code: 1000, wasClean: true });
  }));

test('a browser that sends text is closed with 1003 [MQTT3-6.0.0-1] [MQTT5-6.0.0-1]', () =>
  withWebSockets([], async ({ url }) => {
    const socket = await openWebSocket(url);
    const closing = closingOf(socket);
    socket.send('hello');
    assert.deepEqual(await closing, { code: 1003, wasClean: true });
  }));

test('a browser that closes is answered', () =>
  withWebSockets([], async ({ url, live }) => {
    const socket = await openWebSocket(url);
    const closing = closingOf(socket);
    socket.close(4000, 'enough');
    assert.deepEqual(await closing, { code: 4000, wasClean: true });
    while (live.broker.sizes().connections > 0) await new Promise((resolve) => setImmediate(resolve));
  }));

test('without a subprotocol that we speak, or from another origin, there is no WebSocket', () =>
  withWebSockets(['https://plant.example'], async ({ url }) => {
    for (const subprotocol of ['chat', 'mqtt']) {
      const socket = new WebSocket(url, subprotocol);
      await assert.rejects(openingOf(socket), /did not open/);
    }
  }));
