import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parsePskFile } from './psk-file.ts';
import { bytesOf, errorLinesOf } from './security.fixture.ts';
import { SecurityFileError } from './security-file-error.ts';

const PATH = '/etc/zanzara/keys.psk';

/** Title, file, identity and key (hex) pairs. */
const FORMS: readonly [string, string, readonly (readonly [string, string])[]][] = [
  ['one line', 'robot5:0123abCD', [['robot5', '0123abcd']]],
  [
    'comments, empty lines, CRLF',
    '# x:12\r\n\r\na:12\r\nb:34\r\n',
    [
      ['a', '12'],
      ['b', '34'],
    ],
  ],
  ['blanks around', ' a : 12 \n', [['a', '12']]],
  ['identities with spaces and colon-free signs', 'Line 1/robot+#:ff', [['Line 1/robot+#', 'ff']]],
  [
    'zero bytes stay',
    'a:0000ab\nb:00',
    [
      ['a', '0000ab'],
      ['b', '00'],
    ],
  ],
  [
    'an odd number of digits',
    'a:abc\nb:0ab\nc:00abc\nd:000ab',
    [
      ['a', '0abc'],
      ['b', 'ab'],
      ['c', '000abc'],
      ['d', '00ab'],
    ],
  ],
  ['names that objects have from birth', '__proto__:01', [['__proto__', '01']]],
];

for (const [title, text, pairs] of FORMS) {
  test(`PSK file: ${title}`, () => {
    const { keys } = parsePskFile(bytesOf(text), PATH);
    const read = [...keys].map(([identity, key]) => [identity, Buffer.from(key).toString('hex')]);
    assert.deepEqual(read, pairs);
  });
}

/** Title, file, line, what is said. */
const FAULTS: readonly [string, string, number, string][] = [
  ['no identity', 'a:12\n:34', 2, `Error: Empty identity in psk file "${PATH}".`],
  ['an identity twice', 'a:12\na:34', 2, `Error: Duplicate identity "a" in psk file "${PATH}".`],
  ['no key', 'a:', 1, 'Error: Empty psk for identity "a".'],
  [
    'digits that are not hexadecimal',
    'a:5ec3et',
    1,
    'Error: psk for identity "a" contains non-hexadecimal characters.',
  ],
  ['0x in front', 'a:0x12', 1, 'Error: psk for identity "a" contains non-hexadecimal characters.'],
  ['a third part', 'a:12:34', 1, 'Error: psk for identity "a" contains non-hexadecimal characters.'],
  ['a key that is one zero digit', 'a:0', 1, 'Error: Invalid length of psk for identity "a".'],
  ['a key too long', `a:${'ab'.repeat(513)}`, 1, 'Error: Invalid length of psk for identity "a".'],
  [
    'an identity too long',
    `${'a'.repeat(257)}:12`,
    1,
    `Error: Invalid identity in psk file "${PATH}": ${'a'.repeat(200)}....`,
  ],
  ['a control character', 'a\u0007:12', 1, `Error: Invalid identity in psk file "${PATH}": a\u0007.`],
];

for (const [title, text, line, what] of FAULTS) {
  test(`T51 a PSK file is refused for ${title}, without showing a key`, () => {
    const lines = errorLinesOf(() => parsePskFile(bytesOf(text), PATH));
    assert.equal(lines[0], what);
    assert.equal(lines[1], `Error found at ${PATH}:${line}.`);
    assert.ok(!/5ec3et|abab/.test(lines.join('\n')));
  });
}

test('T51 a line without a colon is skipped with a warning that does not show it', () => {
  const { keys, warnings } = parsePskFile(bytesOf('0123456789abcdef\na:12'), PATH);
  assert.equal(keys.size, 1);
  assert.deepEqual(warnings, [`Warning: Invalid line in psk file '${PATH}': line 1 has no ':' and is skipped.`]);
});

test('T57 any bytes are keys or a SecurityFileError', () => {
  const word = fc.constantFrom('a', ':', '\n', '#', '12', '0', ' ', 'x', '\r\n');
  const text = fc.array(word, { maxLength: 20 }).map((words) => bytesOf(words.join('')));
  fc.assert(
    fc.property(fc.oneof(text, fc.uint8Array({ maxLength: 200 })), (source) => {
      try {
        for (const key of parsePskFile(source, PATH).keys.values()) assert.ok(key.length > 0);
      } catch (error) {
        assert.ok(error instanceof SecurityFileError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
