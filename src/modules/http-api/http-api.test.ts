import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { everything, get, receivedPart, startHttpApi } from './http-api.fixture.ts';
import { createHttpApi } from './http-api.ts';

const base = mkdtempSync(join(tmpdir(), 'zanzara-http-api-'));
after(() => rmSync(base, { recursive: true }));
const httpDir = join(base, 'www');
const BIG = Buffer.alloc(3_000_000, 'big ');

mkdirSync(httpDir);
writeFileSync(join(httpDir, 'index.html'), '<script src="app.js"></script>');
writeFileSync(join(httpDir, 'app.js'), 'fetch("/api/v1/systree")');
writeFileSync(join(httpDir, 'empty.txt'), '');
writeFileSync(join(httpDir, 'big.bin'), BIG);
writeFileSync(join(base, 'secret.txt'), 'secret');
symlinkSync('../secret.txt', join(httpDir, 'link.txt'));

/** Each open connection has its deadline on the clock. */
async function allClosed(clock: FakeClock): Promise<void> {
  while (clock.waitingCount > 0) await new Promise(setImmediate);
}

const GET_VERSION = 'GET /api/v1/version HTTP/1.1\r\nHost: x\r\n\r\n';

// ---------------------------------------------------------------------------------------------------------- answers

test('HTTP API: systree, listeners and version, for pages of every origin', async (t) => {
  const { get, faults } = await startHttpApi(t);
  const systree = await get('/api/v1/systree');
  assert.equal(systree.status, 200);
  assert.equal(systree.headers['content-type'], 'application/json');
  assert.equal(systree.headers['access-control-allow-origin'], '*');
  assert.deepEqual(JSON.parse(systree.text), { '$SYS/broker/clients/connected': 1 });
  const listeners = await get('/api/v1/listeners');
  assert.deepEqual(JSON.parse(listeners.text), { listeners: [] });
  const version = await get('/api/v1/version?x=1');
  assert.equal(version.headers['content-type'], 'text/plain');
  assert.equal(version.headers['access-control-allow-origin'], '*');
  assert.equal(version.text, '2.1.3');
  assert.deepEqual(faults, []);
});

test('HTTP API: a dashboard as the real one: its page, its script, then it polls on one connection', async (t) => {
  let connected = 0;
  const { port, faults } = await startHttpApi(t, {
    httpDir,
    systree: () => new Map([['$SYS/broker/clients/connected', connected]]),
  });
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const poll = (path: string) => get({ host: '127.0.0.1', port, path, agent });
  const page = await poll('/');
  assert.equal(page.headers['content-type'], 'text/html; charset=utf-8');
  assert.equal(page.text, '<script src="app.js"></script>');
  assert.equal((await poll('/app.js')).text, 'fetch("/api/v1/systree")');
  for (connected = 0; connected < 20; connected += 1) {
    const answer = await poll('/api/v1/systree');
    assert.equal(answer.headers.connection, 'keep-alive');
    assert.deepEqual(JSON.parse(answer.text), { '$SYS/broker/clients/connected': connected });
    assert.equal((await poll('/api/v1/listeners')).status, 200);
  }
  assert.deepEqual(faults, []);
});

test('HTTP API: files, large ones and empty ones; what is missing is Not found.', async (t) => {
  const { get, faults } = await startHttpApi(t, { httpDir });
  const big = await get('/big.bin');
  assert.equal(big.headers['content-length'], String(BIG.length));
  assert.equal(big.headers['x-content-type-options'], 'nosniff');
  assert.equal(big.headers['access-control-allow-origin'], undefined);
  assert(Buffer.from(big.text).equals(BIG));
  assert.deepEqual([(await get('/empty.txt')).status, (await get('/empty.txt')).text], [200, '']);
  for (const path of [
    '/missing',
    '/link.txt',
    '/api/v1/other',
    '/../secret.txt',
    '/%2e%2e/secret.txt',
    '/a%00',
    '/%zz',
  ]) {
    const answer = await get(path);
    assert.deepEqual([answer.status, answer.text], [404, 'Not found.'], path);
  }
  assert.deepEqual(faults, []);
});

test('HTTP API: a file that gets shorter while it is sent ends the connection, it is not waited for', async (t) => {
  const { socket, faults } = await startHttpApi(t, { httpDir });
  const file = join(httpDir, 'shrinking.bin');
  const byteCount = 200_000_000;
  writeFileSync(file, '');
  truncateSync(file, byteCount);
  const reader = await socket();
  reader.send(Buffer.from('GET /shrinking.bin HTTP/1.1\r\nHost: x\r\n\r\n'));
  await reader.received(1);
  reader.pause();
  truncateSync(file, 1000);
  reader.resume();
  await reader.closed;
  assert(reader.byteCount < byteCount);
  assert.deepEqual(faults, []);
});

test('HTTP API: without http_dir there are no files', async (t) => {
  const { get } = await startHttpApi(t);
  for (const path of ['/', '/index.html', '/etc/passwd']) assert.equal((await get(path)).status, 404, path);
});

test('HTTP API: other methods are refused before anybody is asked', async (t) => {
  const { get, asked } = await startHttpApi(t, { httpDir });
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE', 'HEAD']) {
    const answer = await get('/api/v1/systree', { method });
    assert.equal(answer.status, 405, method);
    assert.equal(answer.headers.allow, 'GET', method);
    assert.equal(answer.text, method === 'HEAD' ? '' : 'Invalid HTTP Method', method);
  }
  assert.deepEqual(asked, []);
});

// ----------------------------------------------------------------------------------------------------------- rights

test('T41 HTTP API: who asks for what is passed on as it came, and no means 401', async (t) => {
  const { get, asked } = await startHttpApi(t, { httpDir, authorise: async ({ userName }) => userName === 'ada' });
  const anonymous = await get('/api/v1/systree');
  assert.equal(anonymous.status, 401);
  assert.equal(anonymous.text, 'Not authorised');
  assert.equal(anonymous.headers['www-authenticate'], 'Basic realm="Mosquitto API"');
  assert.equal((await get('/index.html?x=1', { auth: 'ada:pass:word' })).status, 200);
  assert.equal((await get('/missing', { auth: 'bob:x' })).status, 401, 'whether it is there is not for everybody');
  assert.equal((await get('/missing', { auth: 'ada:x' })).status, 404);
  assert.deepEqual(
    asked.map(({ userName, password, path }) => [userName, password && Buffer.from(password).toString(), path]),
    [
      [null, null, '/api/v1/systree'],
      ['ada', 'pass:word', '/index.html'],
      ['bob', 'x', '/missing'],
      ['ada', 'x', '/missing'],
    ],
  );
  assert(asked.every(({ remoteAddress }) => remoteAddress === '127.0.0.1'));
});

test('T41 HTTP API: a Basic header that cannot be read is never anonymous', async (t) => {
  const { get, asked } = await startHttpApi(t);
  for (const authorization of ['Basic', 'Basic !!!!', 'Basic YWRh']) {
    assert.equal((await get('/api/v1/version', { headers: { authorization } })).status, 401, authorization);
  }
  assert.deepEqual(asked, []);
});

test('T51 T54 HTTP API: the log names address and path of who gave a wrong password, and not the password', async (t) => {
  const { get, log } = await startHttpApi(t, { authorise: () => false });
  await get('/api/v1/systree');
  assert.deepEqual(log.lines, []);
  assert.equal((await get('/x%0aError:%20forged', { auth: 'ada:hunter2' })).status, 404);
  await get('/x%20y', { auth: 'ada:hunter2' });
  await get('/x', { headers: { authorization: 'Basic aHVudGVyMg' } });
  const lines = log.texts('notice');
  assert.equal(lines.length, 2);
  assert.equal(lines[0], "HTTP API: 127.0.0.1 is not authorised to read '/x y'.");
  assert(lines.every((line) => !/hunter2|aHVudGVyMg|forged/.test(line)));
});

test('HTTP API: a defect behind a request is a 500, reported, and the next request is served', async (t) => {
  let isBroken = true;
  const { get, faults } = await startHttpApi(t, {
    systree: () => {
      if (isBroken) throw new Error('broken');
      return new Map();
    },
    authorise: ({ userName }) => (userName === 'eve' ? Promise.reject(new Error('no rules')) : true),
  });
  const answer = await get('/api/v1/systree');
  assert.deepEqual([answer.status, answer.text], [500, 'Internal error.']);
  assert.equal((await get('/api/v1/version', { auth: 'eve:x' })).status, 500);
  assert.deepEqual(
    faults.map(({ message }) => message),
    ['broken', 'no rules'],
  );
  isBroken = false;
  assert.equal((await get('/api/v1/systree')).status, 200);
});

// -------------------------------------------------------------------------------------------------- hostile clients

const MALFORMED: readonly (readonly [what: string, request: string, status: string])[] = [
  ['no HTTP', 'hello\r\n\r\n', '400'],
  ['an MQTT CONNECT', '\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00', '400'],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', '400'],
  ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', '400'],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', '400'],
  ['a header without a colon', 'GET / HTTP/1.1\r\nHost: x\r\nnothing\r\n\r\n', '400'],
  ['a blank before the colon', 'GET / HTTP/1.1\r\nHost : x\r\n\r\n', '400'],
  ['NUL in a header', 'GET / HTTP/1.1\r\nHost: x\r\nA: \0\r\n\r\n', '400'],
  ['two lengths', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab', '400'],
  ['length and chunks', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n', '400'],
  ['a negative length', 'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n', '400'],
  ['an unknown method', 'FETCH / HTTP/1.1\r\nHost: x\r\n\r\n', '400'],
  ['a head of more than 8 KiB', `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(9000)}\r\n\r\n`, '431'],
  ['many headers', `GET / HTTP/1.1\r\nHost: x\r\n${'A: b\r\n'.repeat(3000)}\r\n`, '431'],
  ['a tunnel', 'CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n', '405'],
  ['a line that never ends', `GET /${'a'.repeat(100_000)}`, '431'],
];

for (const [what, request, status] of MALFORMED) {
  test(`T37 T39 HTTP API: ${what} is answered with ${status} and the end of that connection only`, async (t) => {
    const { raw, get, faults } = await startHttpApi(t);
    const answer = await raw(request);
    assert(answer.startsWith(`HTTP/1.1 ${status} `), JSON.stringify(answer.slice(0, 100)));
    assert.equal(answer.split('HTTP/1.1').length, 2, 'one answer');
    assert.equal((await get('/api/v1/version')).status, 200);
    assert.deepEqual(faults, []);
  });
}

test('HTTP API: a body is not read: the answer comes at once and ends the connection', async (t) => {
  const { raw, get } = await startHttpApi(t);
  const withBody = await raw('GET /api/v1/version HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\nabc');
  assert.match(withBody, /^HTTP\/1.1 200 .*\r\nConnection: close\r\n.*2\.1\.3$/s);
  const chunked = await raw('POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\nabc');
  assert.match(chunked, /^HTTP\/1.1 405 .*Invalid HTTP Method$/s);
  const asking = await raw('POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n');
  assert.match(asking, /^HTTP\/1.1 405 /);
  assert.equal((await get('/api/v1/version')).status, 200);
});

test('HTTP API: requests in one go are answered in their order, one after the other', async (t) => {
  const order: string[] = [];
  const { raw } = await startHttpApi(t, {
    authorise: async ({ path }) => {
      order.push(`${path} begins`);
      await new Promise(setImmediate);
      order.push(`${path} ends`);
      return true;
    },
  });
  const lines = ['/one', '/two', '/three'].map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  const answers = await raw(`${lines.join('')}GET /api/v1/version HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`);
  assert.deepEqual(answers.match(/HTTP\/1.1 \d+/g), [...Array(3).fill('HTTP/1.1 404'), 'HTTP/1.1 200']);
  assert.deepEqual(
    order,
    ['/one', '/two', '/three', '/api/v1/version'].flatMap((path) => [`${path} begins`, `${path} ends`]),
  );
});

test('T40 HTTP API: too many requests in one go end the connection, and rights are asked one at a time', async (t) => {
  let asking = 0;
  let most = 0;
  const { raw, get } = await startHttpApi(t, {
    authorise: async () => {
      asking += 1;
      most = Math.max(most, asking);
      await new Promise(setImmediate);
      asking -= 1;
      return true;
    },
  });
  const allowed = await raw(`${GET_VERSION.repeat(10)}GET / HTTP/1.0\r\n\r\n`);
  assert.equal(allowed.match(/HTTP\/1.1 /g)?.length, 11);
  assert.equal(await raw(GET_VERSION.repeat(500)), '');
  assert.equal(most, 1);
  assert.equal((await get('/api/v1/version')).status, 200);
});

test('T39 HTTP API: a request that comes too slowly ends its connection, however its bytes are spread', async (t) => {
  const { socket, clock, get } = await startHttpApi(t);
  const silent = await socket();
  const slow = await socket();
  const afterAnswer = await socket();
  afterAnswer.send(Buffer.from(GET_VERSION));
  await receivedPart(afterAnswer, '2.1.3');
  for (const part of ['GET / HT', 'TP/1.1\r\n', 'A: b\r\n']) {
    slow.send(Buffer.from(part));
    await get('/api/v1/version');
    clock.advance(4_900);
  }
  assert(clock.waitingCount >= 3, 'none of them has used up its time');
  clock.advance(400);
  for (const one of [silent, slow, afterAnswer]) await one.closed;
  await allClosed(clock);
});

test('T39 HTTP API: an answer that nobody takes, or that does not come, ends its connection', async (t) => {
  const never = new Promise<boolean>(() => undefined);
  const { socket, clock, asked } = await startHttpApi(t, {
    httpDir,
    authorise: ({ path }) => (path === '/big.bin' ? true : never),
  });
  const stuck = await socket();
  stuck.send(Buffer.from(GET_VERSION));
  const reader = await socket();
  reader.pause();
  reader.send(Buffer.from('GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n'));
  while (asked.length < 2) await new Promise(setImmediate);
  clock.advance(59_000);
  assert.equal(clock.waitingCount, 2, 'neither has used up its time');
  clock.advance(1_000);
  await stuck.closed;
  reader.resume();
  await reader.closed;
  assert(reader.byteCount < BIG.length);
  await allClosed(clock);
});

test('T40 HTTP API: the 65th connection is told to come again, which the log says once', async (t) => {
  const { socket, raw, get, log, clock } = await startHttpApi(t);
  const open = await Promise.all(Array.from({ length: 64 }, socket));
  for (let round = 0; round < 3; round += 1) assert.match(await raw(GET_VERSION), /^HTTP\/1.1 503 /);
  assert.equal(log.texts('warning').length, 1);
  for (const one of open) one.send(Buffer.from('GET / HTTP/1.0\r\n\r\n'));
  for (const one of open) assert.match(await everything(one), /^HTTP\/1.1 404 /);
  await allClosed(clock);
  assert.equal((await get('/api/v1/version')).status, 200);
});

test('T37 HTTP API: clients that go away at any point leave nothing behind', async (t) => {
  const { socket, get, clock, faults } = await startHttpApi(t, { httpDir });
  const request = 'GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n';
  for (const end of [1, 10, 30, request.length]) {
    for (const how of ['end', 'destroy'] as const) {
      const one = await socket();
      one.send(Buffer.from(request.slice(0, end)));
      if (end === request.length) await one.received(1);
      one[how]();
      await one.closed;
    }
  }
  assert.equal((await get('/api/v1/version')).status, 200);
  await allClosed(clock);
  assert.deepEqual(faults, []);
});

// ------------------------------------------------------------------------------------------------------------ sockets

test('HTTP API: listen opens a socket of its own; closed, it ends all connections and takes no more', async (t) => {
  const { log, clock } = await startHttpApi(t);
  const api = createHttpApi({
    listeners: () => [],
    systree: () => new Map(),
    version: '1',
    authorise: () => true,
    httpDir: null,
    tls: null,
    log,
    clock,
    onFault: (error) => assert.fail(error),
  });
  const listening = await api.listen({ host: '127.0.0.1', port: 0, isIpv6Only: false });
  const { port } = listening;
  const agent = new Agent({ keepAlive: true });
  assert.equal((await get({ host: '127.0.0.1', port, path: '/api/v1/version', agent })).text, '1');
  await listening.close();
  await assert.rejects(get({ host: '127.0.0.1', port, path: '/api/v1/version' }), /ECONNREFUSED/);
  assert.equal(clock.waitingCount, 0);
  agent.destroy();
});
