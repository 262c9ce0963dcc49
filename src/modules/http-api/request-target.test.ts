import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { pathOf } from './request-target.ts';

const PATHS: readonly (readonly [target: string, path: string])[] = [
  ['/', '/'],
  ['/api/v1/systree', '/api/v1/systree'],
  ['/api/v1/systree?at=1&b=/../x', '/api/v1/systree'],
  ['/index.html#part', '/index.html'],
  ['/?', '/'],
  ['/a%20b/c.txt', '/a b/c.txt'],
  ['/%C3%A4.png', '/ä.png'],
  ['/...', '/...'],
  ['/.well-known/x', '/.well-known/x'],
  ['/a..b', '/a..b'],
  ['http://host:9883/api/v1/version', '/api/v1/version'],
  ['HTTPS://host/a', '/a'],
  ['http://host', '/'],
  ['http://host?x=/y', '/'],
];

for (const [target, path] of PATHS) {
  test(`request target: ${target} is ${path}`, () => assert.equal(pathOf(target), path));
}

const REFUSED: readonly string[] = [
  '',
  '*',
  'api',
  'host:443',
  'ftp://host/a',
  '//',
  '//host/a',
  '/a//b',
  '/a/',
  '/..',
  '/../etc/passwd',
  '/a/../../etc/passwd',
  '/a/./b',
  '/%2e%2e/etc/passwd',
  '/%2E%2E%2Fetc%2Fpasswd',
  '/..%2f..%2fetc/passwd',
  '/a%00.html',
  '/a\0.html',
  '/a\\b',
  '/..%5c..%5cetc',
  '/%',
  '/%4',
  '/%zz',
  '/%ff',
  '/%c0%ae%c0%ae/etc/passwd',
  '/%ed%a0%80',
  '/ä',
  '/a b',
  '/a\tb',
  '/a+b',
  '/%23',
  '/+/x',
  `/${'a'.repeat(3000)}`,
  '/a'.repeat(300),
];

for (const target of REFUSED) {
  test(`request target: ${JSON.stringify(target.slice(0, 40))} has no path`, () => assert.equal(pathOf(target), null));
}

test('request target: whatever is sent, a path has only parts that are names', () => {
  const piece = fc.constantFrom(
    '/',
    '.',
    '..',
    '%2e',
    '%2F',
    '%5c',
    '%00',
    '%25',
    'a',
    '?',
    '#',
    '\\',
    '%c3%a4',
    ':',
    '//',
  );
  const target = fc.oneof(
    fc.array(piece, { maxLength: 12 }).map((pieces) => `/${pieces.join('')}`),
    fc.string({ unit: 'binary', maxLength: 40 }),
  );
  fc.assert(
    fc.property(target, (text) => {
      const path = pathOf(text);
      if (path === null || path === '/') return;
      const [first, ...names] = path.split('/');
      assert.equal(first, '');
      for (const name of names)
        assert(!['', '.', '..'].includes(name) && !/[\\#+]/.test(name) && !name.includes('\0'), path);
    }),
    { numRuns: 300 },
  );
});
