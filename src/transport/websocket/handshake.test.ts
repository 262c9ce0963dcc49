import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { cpuMsOf } from '../../../test/fixtures/cpu-time.ts';
import { REPLY, REQUEST_LINES, requestOf, requestText, requestWithout } from './client-frame.fixture.ts';
import { Handshake, type HandshakeAnswer, type WebSocketOptions } from './handshake.ts';

const OPTIONS: WebSocketOptions = { origins: [], headerBytesMax: 4096 };

/** The answer to chunks that lie in a memory of their own; null when none came. */
function answerTo(chunks: readonly Uint8Array[], options: Partial<WebSocketOptions> = {}): HandshakeAnswer | null {
  const handshake = new Handshake({ ...OPTIONS, ...options });
  for (const chunk of chunks) {
    const memory = Buffer.concat([Buffer.alloc(7), chunk, Buffer.alloc(3)]);
    const answer = handshake.read(memory, 7, 7 + chunk.length);
    memory.fill(0xaa);
    if (answer !== null) return answer;
  }
  return null;
}

function statusOf(answer: HandshakeAnswer | null): number {
  return Number(/^HTTP\/1\.1 (\d+) /.exec(answer?.reply.toString('latin1') ?? '')?.[1] ?? 0);
}

const bytewise = (bytes: Uint8Array) => [...bytes].map((byte) => Uint8Array.of(byte));

interface Row {
  readonly name: string;
  readonly request: Uint8Array;
  readonly options?: Partial<WebSocketOptions>;
  readonly status: number;
  readonly refusal?: RegExp;
}

const line = (text: string) => requestOf(text);
const origin = (value: string) => requestOf(`Origin: ${value}`);
const withFirst = (first: string) => requestText([first, ...REQUEST_LINES.slice(1)]);
const raw = (text: string) => Buffer.from(text, 'latin1');
const GOOD = raw(REQUEST_LINES.join('\r\n'));
const ONE_ORIGIN = { origins: ['https://plant.example'] };

const ROWS: readonly Row[] = [
  { name: 'a browser', request: requestOf('Origin: null', 'Accept-Encoding: gzip', 'Cookie: a=b'), status: 101 },
  { name: 'any path', request: withFirst('GET /any/path?with=query HTTP/1.1'), status: 101 },
  { name: 'without Host', request: requestWithout('Host'), status: 101 },
  {
    name: 'names and tokens in any case',
    request: raw(`${GOOD.toString().replace(/^[A-Z].*:/gm, (name) => name.toUpperCase())}\r\n\r\n`),
    status: 101,
  },
  {
    name: 'no blank behind a colon, or many',
    request: requestOf('Upgrade:websocket', 'Connection: \t Upgrade \t '),
    status: 101,
  },
  { name: 'lists', request: requestOf('Upgrade: h2c, WebSocket', 'Connection: keep-alive, Upgrade'), status: 101 },
  { name: 'a list in two lines', request: raw(`${GOOD}\r\nConnection: keep-alive\r\n\r\n`), status: 101 },
  {
    name: 'a compression that we do not speak',
    request: line('Sec-WebSocket-Extensions: permessage-deflate'),
    status: 101,
  },
  { name: 'X-Forwarded-For', request: line('X-Forwarded-For: 192.0.2.1'), status: 101 },
  { name: 'the right origin', request: origin('https://plant.example'), options: ONE_ORIGIN, status: 101 },
  {
    name: 'the second of two origins',
    request: origin('null'),
    options: { origins: ['https://a', 'null'] },
    status: 101,
  },

  {
    name: 'a wrong origin',
    request: origin('https://evil.example'),
    options: ONE_ORIGIN,
    status: 403,
    refusal: /evil\.example/,
  },
  { name: 'an origin in other letters', request: origin('https://Plant.example'), options: ONE_ORIGIN, status: 403 },
  {
    name: 'an origin that begins like the right one',
    request: origin('https://plant.example.evil'),
    options: ONE_ORIGIN,
    status: 403,
  },
  { name: 'an origin with a port', request: origin('https://plant.example:443'), options: ONE_ORIGIN, status: 403 },
  { name: 'no origin', request: requestOf(), options: ONE_ORIGIN, status: 403, refusal: /none was sent/ },
  {
    name: 'two origins',
    request: requestOf('Origin: https://plant.example', 'origin: https://evil.example'),
    options: ONE_ORIGIN,
    status: 400,
    refusal: /origin is there twice/,
  },
  {
    name: 'the same origin twice',
    request: raw(`${GOOD}\r\nOrigin: https://plant.example\r\nOrigin: https://plant.example\r\n\r\n`),
    options: ONE_ORIGIN,
    status: 400,
  },

  { name: 'POST', request: withFirst('POST / HTTP/1.1'), status: 405, refusal: /GET, got POST/ },
  { name: 'get', request: withFirst('get / HTTP/1.1'), status: 405 },
  { name: 'HTTP/1.0', request: withFirst('GET / HTTP/1.0'), status: 400, refusal: /HTTP\/1\.1 is needed/ },
  { name: 'HTTP/2', request: raw('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), status: 400 },
  { name: 'no version', request: withFirst('GET /'), status: 400, refusal: /request line/ },
  { name: 'two blanks in the request line', request: withFirst('GET  / HTTP/1.1'), status: 400 },
  { name: 'a blank in the path', request: withFirst('GET /a b HTTP/1.1'), status: 400 },
  { name: 'an empty line first', request: raw(`\r\n${GOOD}\r\n\r\n`), status: 400 },
  { name: 'nothing but an empty line', request: raw('\r\n\r\n'), status: 400 },

  { name: 'a page is asked for', request: requestWithout('Upgrade'), status: 426, refusal: /WebSocket is spoken here/ },
  { name: 'another protocol', request: line('Upgrade: h2c'), status: 426 },
  { name: 'without Connection', request: requestWithout('Connection'), status: 400, refusal: /Connection/ },
  { name: 'Connection without upgrade', request: line('Connection: keep-alive, upgraded'), status: 400 },
  { name: 'version 8', request: line('Sec-WebSocket-Version: 8'), status: 426, refusal: /must be 13, got '8'/ },
  { name: 'without a version', request: requestWithout('Sec-WebSocket-Version'), status: 426 },
  { name: 'a list of versions', request: line('Sec-WebSocket-Version: 13, 8'), status: 426 },
  { name: 'without a key', request: requestWithout('Sec-WebSocket-Key'), status: 400, refusal: /16 bytes in base64/ },
  { name: 'a key of 15 bytes', request: line('Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAA'), status: 400 },
  { name: 'a key of 17 bytes', request: line('Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAAA='), status: 400 },
  { name: 'a key that is not base64', request: line('Sec-WebSocket-Key: !GhlIHNhbXBsZSBub25jZQ=='), status: 400 },
  {
    name: 'two keys',
    request: raw(`${GOOD}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`),
    status: 400,
    refusal: /twice/,
  },
  { name: 'two versions', request: raw(`${GOOD}\r\nSec-WebSocket-Version: 13\r\n\r\n`), status: 400, refusal: /twice/ },
  { name: 'two hosts', request: raw(`${GOOD}\r\nHost: other\r\n\r\n`), status: 400, refusal: /twice/ },
  {
    name: 'no subprotocol',
    request: requestWithout('Sec-WebSocket-Protocol'),
    status: 400,
    refusal: /must offer mqtt/,
  },
  {
    name: 'subprotocols that we do not speak',
    request: line('Sec-WebSocket-Protocol: MQTT, mqttv5, chat'),
    status: 400,
  },

  { name: 'bytes behind the request', request: raw(`${GOOD}\r\n\r\n\x82`), status: 400, refusal: /before the answer/ },
  { name: 'a header line without a colon', request: line('Cookie'), status: 400, refusal: /without a name/ },
  { name: 'a blank before a colon', request: line('Cookie : a'), status: 400 },
  { name: 'an empty name', request: raw(`${GOOD}\r\n: a\r\n\r\n`), status: 400 },
  { name: 'a folded line', request: raw(`${GOOD}\r\nCookie: a\r\n b\r\n\r\n`), status: 400, refusal: /folded/ },
  { name: 'a folded line of a tab', request: raw(`${GOOD}\r\n\t\r\n\r\n`), status: 400, refusal: /folded/ },
  { name: 'LF without CR', request: raw(`${GOOD}\nCookie: a\r\n\r\n`), status: 400, refusal: /LF without CR/ },
  { name: 'an empty line of LF alone', request: raw(`${GOOD}\r\n\n`), status: 400, refusal: /LF without CR/ },
  { name: 'CR without LF', request: raw(`${GOOD}\r\nCookie: a\rb\r\n\r\n`), status: 400, refusal: /CR without LF/ },
  { name: 'an empty line of CR alone', request: raw(`${GOOD}\r\n\rx`), status: 400, refusal: /CR without LF/ },
  { name: 'NUL', request: raw(`${GOOD}\r\nCookie: \0\r\n\r\n`), status: 400, refusal: /control character/ },
  {
    name: 'MQTT without a WebSocket',
    request: Buffer.from('100c00044d5154540402', 'hex'),
    status: 400,
    refusal: /control character/,
  },
  { name: 'TLS', request: Buffer.from('1603010200010001fc0303', 'hex'), status: 400, refusal: /control character/ },
  {
    name: 'T39 a header that is too long',
    request: line(`Cookie: ${'a'.repeat(4096)}`),
    status: 431,
    refusal: /4096 bytes/,
  },
  { name: 'T39 a request line that is too long', request: raw(`GET /${'a'.repeat(5000)}`), status: 431 },
];

describe('the handshake of a WebSocket', () => {
  for (const { name, request, options = {}, status, refusal } of ROWS) {
    test(`${name}: ${status}`, () => {
      const whole = answerTo([request], options);
      assert.equal(statusOf(whole), status);
      if (status === 101) assert.equal(whole?.refusal, null);
      else assert.match(whole?.refusal ?? '', refusal ?? /./);
      // What comes behind the request was not there in time when it comes in a chunk of its own.
      const isEarly = /before the answer/.test(whole?.refusal ?? '');
      if (!isEarly) assert.deepEqual(answerTo(bytewise(request), options), whole);
    });
  }

  test('the answer, line by line as Mosquitto has them [MQTT5-6.0.0-4] [MQTT3-6.0.0-4]', () => {
    assert.equal(answerTo([requestOf()])?.reply.toString('latin1'), REPLY);
  });

  const offers: readonly (readonly [offer: string, chosen: string])[] = [
    ['mqtt', 'mqtt'],
    ['mqttv3.1', 'mqttv3.1'],
    ['chat, mqtt', 'mqtt'],
    ['chat,mqttv3.1 ,mqtt', 'mqttv3.1'],
    [`${'x,'.repeat(1000)}mqtt`, 'mqtt'],
  ];
  for (const [offer, chosen] of offers) {
    test(`of '${offer.slice(0, 30)}' it takes ${chosen}`, () => {
      const reply = answerTo([line(`Sec-WebSocket-Protocol: ${offer}`)])?.reply.toString('latin1') ?? '';
      assert.match(reply, new RegExp(`^Sec-WebSocket-Protocol: ${chosen.replaceAll('.', '\\.')}\r$`, 'm'));
    });
  }

  test('a refusal says what was wrong, in text that ends with the connection', () => {
    const reply = answerTo([requestWithout('Upgrade')])?.reply.toString('latin1') ?? '';
    const [head = '', body = ''] = reply.split('\r\n\r\n');
    assert.deepEqual(head.split('\r\n'), [
      'HTTP/1.1 426 Upgrade Required',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      'Content-Type: text/plain; charset=iso-8859-1',
      `Content-Length: ${body.length}`,
      'Connection: close, Upgrade',
    ]);
    assert.match(body, /^MQTT over WebSocket is spoken here.*\n$/);
  });

  test('T39 a header of exactly the limit is read, one byte more is not', () => {
    const request = requestOf();
    assert.equal(statusOf(answerTo([request], { headerBytesMax: request.length })), 101);
    assert.equal(statusOf(answerTo([request], { headerBytesMax: request.length - 1 })), 431);
    assert.equal(statusOf(answerTo(bytewise(request), { headerBytesMax: request.length - 1 })), 431);
  });

  test('T39 a header of blanks and commas costs time in proportion to its length', () => {
    const timeOf = (byteCount: number) => {
      const filler = ' \t,'.repeat(byteCount / 3);
      const request = requestOf(`Sec-WebSocket-Protocol: ${filler}x${filler}mqtt`, `Cookie:${' '.repeat(byteCount)}x`);
      return cpuMsOf(() => assert.equal(statusOf(answerTo([request], { headerBytesMax: 65_535 })), 101));
    };
    timeOf(300);
    // The square of 20,000 would be seconds.
    assert.ok(timeOf(21_000) < 250);
  });

  test('T57 random text (fuzz): no exception, and never more is kept than the limit', () => {
    const piece = fc.constantFrom(
      '\r\n',
      'GET / HTTP/1.1',
      ': ',
      'Upgrade: websocket',
      '\r\n\r\n',
      '\0',
      'x',
      ' ',
      'é',
    );
    const property = fc.property(fc.array(fc.array(piece, { maxLength: 20 })), (parts) => {
      const answer = answerTo(
        parts.map((part) => raw(part.join(''))),
        { headerBytesMax: 300 },
      );
      const byteCount = parts.flat().join('').length;
      assert.ok(answer !== null || byteCount < 300);
    });
    fc.assert(property, { numRuns: 1000 });
  });
});
