/** An HTTP API on a real socket with a clock of the test's, and a client that speaks to it. */
import assert from 'node:assert/strict';
import { type IncomingHttpHeaders, type RequestOptions, request } from 'node:http';
import type { TestContext } from 'node:test';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import { RawSocket } from '../../../test/fixtures/raw-socket.ts';
import { createNodeTransport } from '../../transport/node/node-transport.ts';
import { createHttpApi, type HttpApi, type HttpApiOptions } from './http-api.ts';
import type { HttpRequest } from './request-answers.ts';

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface HttpHouse {
  readonly api: HttpApi;
  readonly port: number;
  readonly clock: FakeClock;
  readonly log: MemoryLog;
  readonly faults: Error[];
  /** What `authorise` was asked. */
  readonly asked: HttpRequest[];
  /** GET with a connection of its own, unless `options` say otherwise. */
  get(path: string, options?: RequestOptions): Promise<Answer>;
  /** Sends bytes as they are and returns everything that comes until the connection ends. */
  raw(text: string): Promise<string>;
  socket(): Promise<RawSocket>;
}

/** Everybody may read everything, unless `options` say otherwise. It is closed after the test. */
export async function startHttpApi(t: TestContext, options: Partial<HttpApiOptions> = {}): Promise<HttpHouse> {
  const clock = new FakeClock();
  const log = new MemoryLog();
  const faults: Error[] = [];
  const asked: HttpRequest[] = [];
  const { authorise = () => true } = options;
  const api = createHttpApi({
    listeners: () => [],
    systree: () => new Map([['$SYS/broker/clients/connected', 1]]),
    version: '2.1.3',
    httpDir: null,
    tls: null,
    log,
    clock,
    onFault: (error) => faults.push(error),
    ...options,
    authorise: (asking) => {
      asked.push(asking);
      return authorise(asking);
    },
  });
  const transport = createNodeTransport({ isInputSpoiled: true, onFault: (error) => faults.push(error) });
  const listening = await transport.listen({ host: '127.0.0.1', port: 0, isIpv6Only: false }, api.accept);
  t.after(async () => {
    await listening.close();
    api.close();
  });
  const { port } = listening;
  const socket = (): Promise<RawSocket> => RawSocket.open(port);
  return {
    api,
    port,
    clock,
    log,
    faults,
    asked,
    socket,
    get: (path, more = {}) => get({ host: '127.0.0.1', port, path, agent: false, ...more }),
    raw: async (text) => {
      const client = await socket();
      client.send(Buffer.from(text, 'latin1'));
      return await everything(client);
    },
  };
}

/** All that comes until the connection ends. */
export async function everything(socket: RawSocket): Promise<string> {
  return (await socket.received(Number.MAX_SAFE_INTEGER)).toString('latin1');
}

/** All that comes until it contains `part`. */
export async function receivedPart(socket: RawSocket, part: string): Promise<string> {
  for (let count = 1; ; ) {
    const text = (await socket.received(count)).toString('latin1');
    if (text.includes(part)) return text;
    assert(!socket.isEnded, `the connection ended before '${part}' came: ${text}`);
    count = text.length + 1;
  }
}

export function get(options: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request(options, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () => {
        const { statusCode = 0, headers } = response;
        resolve({ status: statusCode, headers, text: Buffer.concat(chunks).toString() });
      });
    });
    asking.on('error', reject);
    asking.end();
  });
}
