import assert from 'node:assert/strict';
import { test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { parsePasswordFile } from './password-file.ts';
import { bytesOf, errorLinesOf } from './security.fixture.ts';
import { SecurityFileError } from './security-file-error.ts';

const PATH = '/etc/zanzara/passwords';
const SALT = Buffer.alloc(12, 7).toString('base64');
const KEY = Buffer.alloc(64, 9).toString('base64');
const HASH = `$6$${SALT}$${KEY}`;

function tableOf(text: string) {
  return parsePasswordFile(bytesOf(text), PATH).table;
}

/** Title, file, users that are in it. */
const FORMS: readonly [string, string, readonly string[]][] = [
  ['one line', `robot:${HASH}`, ['robot']],
  ['comments and empty lines', `# robot:x\n\n   \nrobot:${HASH}\n#`, ['robot']],
  ['CRLF', `a:${HASH}\r\nb:${HASH}\r\n`, ['a', 'b']],
  ['blanks around name and hash', ` a : ${HASH} \t\n`, ['a']],
  ['names with spaces and in other scripts', `Line 1:${HASH}\nGröße:${HASH}`, ['Line 1', 'Größe']],
  ['names that objects have from birth', `__proto__:${HASH}\nconstructor:${HASH}`, ['__proto__', 'constructor']],
  ['a name with a wildcard', `a+/#:${HASH}`, ['a+/#']],
  ['something behind a second colon', `a:${HASH}:secret-word`, ['a']],
  ['nothing', '', []],
];

for (const [title, text, users] of FORMS) {
  test(`password file: ${title}`, () => {
    const table = tableOf(text);
    assert.equal(table.size, users.length);
    for (const user of users) assert.ok(table.find(user) !== undefined, user);
    for (const other of ['', 'A', 'toString', 'robot ', '#']) assert.equal(table.find(other), undefined, other);
  });
}

/** Title, file, line, what is said. */
const FAULTS: readonly [string, string, number, string][] = [
  ['an empty user', `a:${HASH}\n:${HASH}`, 2, `Error: Empty username in password file "${PATH}".`],
  ['a user of blanks', `  :${HASH}`, 1, `Error: Empty username in password file "${PATH}".`],
  ['a user twice', `a:${HASH}\nb:${HASH}\na:${HASH}`, 3, `Error: Duplicate user a in password file "${PATH}".`],
  ['a user twice, with blanks', `a:${HASH}\n a :${HASH}`, 2, `Error: Duplicate user a in password file "${PATH}".`],
  ['no hash', 'a:', 1, 'Error: Missing password hash for user a.'],
  ['a plain password', 'a:secret-word', 1, 'Error: Invalid password hash for user a.'],
  ['a hash of an unknown type', 'a:$2b$10$secret-word', 1, 'Error: Invalid password hash type for user a.'],
  ['a cut hash', `a:${HASH.slice(0, -5)}`, 1, 'Error: Unable to decode password for user a.'],
  ['a plain password with a colon', 'a:secret-word:b', 1, 'Error: Invalid password hash for user a.'],
  [
    'a control character in a name',
    `a\u0001b:${HASH}`,
    1,
    `Error: Invalid username in password file "${PATH}": a\u0001b.`,
  ],
];

for (const [title, text, line, what] of FAULTS) {
  test(`T11 T51 a password file is refused for ${title}, without showing a hash`, () => {
    const lines = errorLinesOf(() => tableOf(text));
    assert.equal(lines[0], what);
    assert.equal(lines[1], `Error found at ${PATH}:${line}.`);
    assert.equal(lines.length, 3);
    assert.ok(!/secret-word|\$6\$AQ/.test(lines.join('\n')));
    assert.ok(!lines.join('\n').includes(KEY.slice(0, 20)));
  });
}

test('T51 a line without a colon lets nobody in and is warned of, without showing it', () => {
  const { table, warnings } = parsePasswordFile(bytesOf(`secret-word\na:${HASH}`), PATH);
  assert.equal(table.size, 1);
  assert.deepEqual(warnings, [`Warning: Invalid line in password file '${PATH}': line 1 has no ':' and is skipped.`]);
});

test('T51 what follows a second colon is warned of, without showing it', () => {
  const { warnings } = parsePasswordFile(bytesOf(`a:${HASH}:secret-word`), PATH);
  assert.equal(warnings.length, 1);
  assert.ok(!warnings.join().includes('secret-word'));
});

test('T04 a name that is not UTF-8 is refused', () => {
  const source = Uint8Array.from([0x61, 0xff, ...bytesOf(`:${HASH}`)]);
  assert.equal(errorLinesOf(() => parsePasswordFile(source, PATH))[0], 'Error: Malformed UTF-8.');
});

test('an entry is the same while its hash is', () => {
  const [first, second, third] = [HASH, HASH, `$6$${SALT}$${Buffer.alloc(64, 8).toString('base64')}`].map((hash) =>
    tableOf(`a:${hash}`).find('a'),
  );
  assert.ok(first !== undefined && second !== undefined && third !== undefined);
  assert.ok(first.isSame(second));
  assert.ok(!first.isSame(third));
});

test('T51 an entry does not show its hash', () => {
  const entry = tableOf(`a:${HASH}`).find('a');
  for (const text of [inspect(entry, { depth: 9, showHidden: true }), JSON.stringify({ entry }), String(entry)]) {
    assert.ok(!text.includes(KEY.slice(0, 8)) && !text.includes('9, 9'), text);
  }
});

test('a user who is not there has the work of one who is, the same each time, and not all the same', () => {
  const users = Array.from({ length: 8 }, (_, n) => `u${n}:$7$${n + 1}$${SALT}$${KEY}`);
  const table = tableOf(users.join('\n'));
  const secret = Buffer.alloc(32, 1);
  const first = table.standInFor('nobody', secret);
  assert.ok(first !== undefined);
  assert.equal(table.standInFor('nobody', secret), first);
  const standIns = (key: Uint8Array) => Array.from({ length: 200 }, (_, n) => table.standInFor(`nobody${n}`, key));
  const all = standIns(secret);
  assert.ok(new Set(all).size > 4);
  const withOtherSecret = standIns(Buffer.alloc(32, 2));
  assert.ok(withOtherSecret.some((entry, n) => entry !== all[n]));
  assert.equal(tableOf('').standInFor('nobody', secret), undefined);
});

test('T57 any bytes are users or a SecurityFileError', () => {
  const word = fc.constantFrom('a', ':', '\n', '#', HASH, ' ', '$6$', '\r\n', '$7$1$', ':$');
  const text = fc.array(word, { maxLength: 20 }).map((words) => bytesOf(words.join('')));
  fc.assert(
    fc.property(fc.oneof(text, fc.uint8Array({ maxLength: 200 })), (source) => {
      try {
        parsePasswordFile(source, PATH);
      } catch (error) {
        assert.ok(error instanceof SecurityFileError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});
