import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { IncomingMessage } from '../client/client-types.ts';
import { EMPTY_PROPERTIES } from '../protocol/packets.ts';
import { createFormatPrinter } from './message-format.ts';

const MESSAGE: IncomingMessage = {
  topic: 'r/f',
  payload: Buffer.from('{"a":1}'),
  qos: 1,
  retain: true,
  dup: false,
  packetId: 12,
  properties: {
    ...EMPTY_PROPERTIES,
    contentType: 'text',
    userProperties: [
      { name: 'k', value: 'v' },
      { name: 'k2', value: 'v2' },
    ],
    responseTopic: 're/x',
    correlationData: Buffer.from('cd'),
    messageExpiryInterval: 300,
    payloadFormatIndicator: 1,
    subscriptionIdentifiers: [7],
  },
};
const PLAIN: IncomingMessage = { ...MESSAGE, qos: 0, packetId: 0, properties: EMPTY_PROPERTIES };
/** A Tuesday, in the second half of the day. */
const AT_MS = new Date(2026, 10, 24, 19, 9, 5, 123).getTime();

function show(format: string, message = MESSAGE, more: { isPretty?: boolean; complaints?: string[] } = {}): string {
  const printer = createFormatPrinter(format, {
    hasLineEnds: false,
    isPretty: more.isPretty ?? false,
    wallMs: () => AT_MS,
    onNoJson: (topic) => more.complaints?.push(topic),
  });
  return Buffer.from(printer(message) ?? []).toString('latin1');
}

const SHOWN: readonly (readonly [string, string])[] = [
  ['%t %p', 'r/f {"a":1}'],
  ['%%|%A|%C|%D|%E|%F', '%||text|cd|300|1'],
  ['%l|%m|%q|%r|%R|%S|%P', '7|12|1|1|re/x|7|k:v k2:v2'],
  ['%x|%X', '7b2261223a317d|7B2261223A317D'],
  ['%.4:x|%.2 X', '7b22:6122:3a31:7d|7B 22 61 22 3A 31 7D'],
  ['%10t|%-10t|%020t|%.2t|%6.2t|', '       r/f|r/f       |                 r/f|r/|    r/|'],
  ['%5l|%05l|%-5l|', '    7|00007|7    |'],
  ['%10p|%-10p|%010p|%.3p|', '   {"a":1}|{"a":1}   |000{"a":1}|{"a":1}|'],
  ['\\\\|\\n|\\t|\\e|\\0|', '\\|\n|\t|\x1b|\0|'],
  [
    '@Y-@m-@d @H:@M:@S.@N @@ @a @A @b @B @p @I @j @u @y @e',
    '2026-11-24 19:09:05.123000000 @ Tue Tuesday Nov November PM 07 328 2 26 24',
  ],
  ['@F @T @D @R @V @G @U @W @C @q @n|@t|', '2026-11-24 19:09:05 11/24/26 19:09 48 2026 47 47 20 %q \n|\t|'],
  ['', ''],
];

const WRONG: readonly (readonly [string, string])[] = [
  ['%z', "Invalid format specifier 'z'."],
  ['%', 'Incomplete format specifier.'],
  ['%5', 'Incomplete format specifier.'],
  ['@', 'Incomplete format specifier.'],
  ['\\', 'Incomplete escape specifier.'],
  ['\\x', "Invalid escape specifier 'x'."],
  ['%d', "format '%d' is not supported by zanzara sub yet."],
];

describe('-F', () => {
  for (const [format, shown] of SHOWN) it(`shows ${JSON.stringify(format)}`, () => assert.equal(show(format), shown));
  for (const [format, message] of WRONG) {
    it(`refuses ${format}`, () => assert.throws(() => show(format), { name: 'ArgumentError', message }));
  }

  it('ends with a line feed, unless -N was given', () => {
    const options = { isPretty: false, wallMs: () => AT_MS, onNoJson() {} };
    const bytes = createFormatPrinter('%t', { ...options, hasLineEnds: true })(MESSAGE);
    assert.equal(Buffer.from(bytes ?? []).toString(), 'r/f\n');
  });

  it('leaves the bytes of a payload as they are', () => {
    assert.equal(show('%p', { ...MESSAGE, payload: Uint8Array.of(0xff, 0) }), '\xff\0');
  });

  it('%I and %U show the time', () => {
    assert.match(show('%I'), /^2026-11-24T19:09:05[+-]\d{4}$/);
    assert.equal(show('%U'), `${Math.floor(AT_MS / 1000)}.123000000`);
  });

  it('%j shows everything, with the payload as text', () => {
    const { tst, ...rest } = JSON.parse(show('%j'));
    assert.match(tst, /^2026-11-24T19:09:05\.123000[+-]\d{4}$/);
    assert.deepEqual(rest, {
      topic: 'r/f',
      qos: 1,
      retain: true,
      payloadlen: 7,
      mid: 12,
      properties: {
        'user-properties': [{ k: 'v' }, { k2: 'v2' }],
        'content-type': 'text',
        'response-topic': 're/x',
        'correlation-data': 'cd',
        'payload-format-indicator': 1,
        'message-expiry-interval': 300,
        'subscription-identifier': 7,
      },
      payload: '{"a":1}',
    });
  });

  it('%j leaves out what is not there', () => {
    const { tst, ...rest } = JSON.parse(show('%j', { ...PLAIN, payload: new Uint8Array(0) }));
    assert.ok(tst);
    assert.deepEqual(rest, { topic: 'r/f', qos: 0, retain: true, payloadlen: 0, payload: null });
  });

  it('%J takes the payload as JSON, and complains when it is none', () => {
    assert.deepEqual(JSON.parse(show('%J')).payload, { a: 1 });
    const complaints: string[] = [];
    assert.equal(show('%J', { ...MESSAGE, payload: Buffer.from('no') }, { complaints }), '');
    const deep = Buffer.from('['.repeat(100_000));
    assert.equal(show('%J', { ...MESSAGE, payload: deep }, { complaints }), '');
    assert.deepEqual(complaints, ['r/f', 'r/f']);
  });

  it('--pretty shows JSON on several lines', () => {
    assert.ok(show('%J', PLAIN, { isPretty: true }).split('\n').length > 6);
  });
});
