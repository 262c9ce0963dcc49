import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readAuthorization } from './basic-auth.ts';

function basic(text: string | Uint8Array): string {
  return `Basic ${Buffer.from(text).toString('base64')}`;
}

function read(header: string): readonly [userName: string, password: string] | string {
  const found = readAuthorization(header);
  return found.kind === 'basic'
    ? [found.credentials.userName, Buffer.from(found.credentials.password).toString()]
    : found.kind;
}

const HEADERS: readonly (readonly [name: string, header: string, expected: ReturnType<typeof read>])[] = [
  ['user and password', basic('ada:secret'), ['ada', 'secret']],
  ['the scheme in any case', basic('ada:x').replace('Basic', 'bAsIc'), ['ada', 'x']],
  ['blanks around', `Basic   ${Buffer.from('ada:x').toString('base64')}  `, ['ada', 'x']],
  ['colons belong to the password', basic('ada:a:b:'), ['ada', 'a:b:']],
  ['an empty password', basic('ada:'), ['ada', '']],
  ['an empty user name', basic(':x'), ['', 'x']],
  ['UTF-8', basic('Jürgen:ß'), ['Jürgen', 'ß']],
  ['without padding', basic('ada:x1').replaceAll('=', ''), ['ada', 'x1']],
  ['no colon', basic('ada'), 'malformed'],
  ['nothing', 'Basic ', 'malformed'],
  ['only the scheme', 'Basic', 'malformed'],
  ['no base64', 'Basic ada:secret', 'malformed'],
  ['base64 with something behind it', `${basic('ada:x')} x`, 'malformed'],
  ['base64 for addresses', 'Basic YWRhOnk_', 'malformed'],
  ['a user name that is no UTF-8', basic(Buffer.from([0x61, 0xff, 0x3a, 0x62])), 'malformed'],
  ['NUL in the user name', basic('a\0b:x'), 'malformed'],
  ['another scheme', 'Bearer abc', 'none'],
  ['an empty header', '', 'none'],
];

for (const [name, header, expected] of HEADERS) {
  test(`T41 basic authentication: ${name}`, () => assert.deepEqual(read(header), expected));
}

test('basic authentication: no header, no credentials', () => {
  assert.equal(readAuthorization(undefined).kind, 'none');
});

test('basic authentication: every name without colon and NUL and every password come back as they were', () => {
  const name = fc.string({ unit: 'grapheme' }).filter((text) => !/[:\0]/.test(text));
  fc.assert(
    fc.property(name, fc.uint8Array({ maxLength: 100 }), (userName, password) => {
      const found = readAuthorization(basic(Buffer.concat([Buffer.from(`${userName}:`), password])));
      assert(found.kind === 'basic');
      assert.equal(found.credentials.userName, userName);
      assert.deepEqual(Uint8Array.from(found.credentials.password), password);
    }),
  );
});

test('basic authentication: no header makes it throw', () => {
  fc.assert(fc.property(fc.string(), (text) => void readAuthorization(`Basic ${text}`)));
});
