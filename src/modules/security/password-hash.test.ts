import assert from 'node:assert/strict';
import { argon2Sync, createHash, pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { isPasswordOf, memoryKibOf, type PasswordHash, parsePasswordHash } from './password-hash.ts';
import { bytesOf } from './security.fixture.ts';

const SALT = Buffer.alloc(64, 7);
const KEY64 = Buffer.alloc(64, 9).toString('base64');
const SALT64 = SALT.toString('base64');
const SECRET_LOOKING = 'aSecretThatMustNotShow';

function hashOf(text: string): PasswordHash {
  const hash = parsePasswordHash(text);
  assert.ok(hash.kind !== 'fault', `${text}: ${hash.kind === 'fault' ? hash.what : ''}`);
  return hash;
}

/** Kind, password and hash, made by other programs; how is said in the file. */
const fixtures = readFileSync(new URL('fixtures/password-hashes.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split('\t'));

test('there is a fixture of each kind', () => {
  assert.deepEqual([...new Set(fixtures.map(([kind]) => kind))].sort(), ['argon2id', 'pbkdf2', 'sha512']);
});

for (const [kind = '', password = '', text = ''] of fixtures) {
  test(`a ${kind} hash made elsewhere takes ${password} and nothing else`, async () => {
    const hash = hashOf(text);
    assert.equal(hash.kind, kind);
    assert.equal(await isPasswordOf(hash, bytesOf(password)), true);
    for (const wrong of ['', password.slice(1), `${password} `, password.toUpperCase(), `\0${password}`]) {
      assert.equal(await isPasswordOf(hash, bytesOf(wrong)), false, JSON.stringify(wrong));
    }
  });
}

test('argon2id with other parameters, with and without padding', async () => {
  const parameters = { message: 'test', nonce: SALT, memory: 256, passes: 3, parallelism: 2, tagLength: 32 };
  const key = argon2Sync('argon2id', parameters).toString('base64');
  for (const [salt, tag] of [
    [SALT64, key],
    [SALT64.replaceAll('=', ''), key.replaceAll('=', '')],
  ]) {
    const hash = hashOf(`$argon2id$v=19$m=256,t=3,p=2$${salt}$${tag}`);
    assert.equal(await isPasswordOf(hash, bytesOf('test')), true);
    assert.equal(await isPasswordOf(hash, bytesOf('Test')), false);
    assert.equal(memoryKibOf(hash), 256);
  }
});

test('salts of 12 and of 64 bytes, passwords of any bytes', async () => {
  for (const salt of [Buffer.alloc(12, 1), SALT]) {
    for (const password of [Buffer.of(), Buffer.of(0, 255, 128), Buffer.alloc(65_535, 0x61)]) {
      const sha512 = createHash('sha512').update(password).update(salt).digest('base64');
      const pbkdf2 = pbkdf2Sync(password, salt, 3, 64, 'sha512').toString('base64');
      const salt64 = salt.toString('base64');
      assert.equal(await isPasswordOf(hashOf(`$6$${salt64}$${sha512}`), password), true);
      assert.equal(await isPasswordOf(hashOf(`$7$3$${salt64}$${pbkdf2}`), password), true);
      assert.equal(await isPasswordOf(hashOf(`$7$4$${salt64}$${pbkdf2}`), password), false);
    }
  }
});

const PLAIN = 'Invalid password hash';
const TYPE = 'Invalid password hash type';
const ITERATIONS = 'Invalid hash iterations';
const SALT_WORDS = 'Unable to decode password salt';
const KEY_WORDS = 'Unable to decode password';
const ARGON2 = 'Invalid argon2id parameters';

/** Title, text, what is said. */
const FAULTS: readonly [string, string, string][] = [
  ['a plain password', SECRET_LOOKING, PLAIN],
  ['a plain password with $ inside', `a$6$${SECRET_LOOKING}`, PLAIN],
  ['nothing', '', PLAIN],
  ['bcrypt', `$2b$10$${SECRET_LOOKING}`, TYPE],
  ['argon2i', `$argon2i$v=19$m=256,t=1,p=1$${SALT64}$${KEY64}`, TYPE],
  ['a lone $', '$', TYPE],
  ['$6$ without a key', `$6$${SALT64}`, PLAIN],
  ['$6$ with a part too many', `$6$${SALT64}$${KEY64}$`, PLAIN],
  ['$6$ with an empty salt', `$6$$${KEY64}`, SALT_WORDS],
  ['$6$ with a salt that is no base64', `$6$a*b=$${KEY64}`, SALT_WORDS],
  ['$6$ with a key of 63 bytes', `$6$${SALT64}$${Buffer.alloc(63, 1).toString('base64')}`, KEY_WORDS],
  ['$6$ with a key that is no base64', `$6$${SALT64}$${KEY64.slice(0, -4)}!!==`, KEY_WORDS],
  ['$6$ with a space in its key', `$6$${SALT64}$${KEY64.slice(0, 10)} ${KEY64.slice(10)}`, KEY_WORDS],
  ['$6$ with a salt too long', `$6$${Buffer.alloc(1025, 1).toString('base64')}$${KEY64}`, SALT_WORDS],
  ['$7$ with a part missing', `$7$${SALT64}$${KEY64}`, PLAIN],
  ['$7$ with 0 iterations', `$7$0$${SALT64}$${KEY64}`, ITERATIONS],
  ['$7$ with -1 iterations', `$7$-1$${SALT64}$${KEY64}`, ITERATIONS],
  ['$7$ with 1e3 iterations', `$7$1e3$${SALT64}$${KEY64}`, ITERATIONS],
  ['$7$ with more iterations than a client waits for', `$7$10000001$${SALT64}$${KEY64}`, ITERATIONS],
  ['$7$ with a number too long', `$7$${'9'.repeat(400)}$${SALT64}$${KEY64}`, ITERATIONS],
  ['argon2id of another version', `$argon2id$v=16$m=256,t=1,p=1$${SALT64}$${KEY64}`, ARGON2],
  ['argon2id without a version', `$argon2id$m=256,t=1,p=1$${SALT64}$${KEY64}`, PLAIN],
  ['argon2id without passes', `$argon2id$v=19$m=256,p=1$${SALT64}$${KEY64}`, ARGON2],
  ['argon2id with 0 passes', `$argon2id$v=19$m=256,t=0,p=1$${SALT64}$${KEY64}`, ARGON2],
  ['argon2id with too little memory for its lanes', `$argon2id$v=19$m=15,t=1,p=2$${SALT64}$${KEY64}`, ARGON2],
  ['argon2id with more than 1 GiB', `$argon2id$v=19$m=1048577,t=1,p=1$${SALT64}$${KEY64}`, ARGON2],
  ['argon2id with too much work', `$argon2id$v=19$m=1048576,t=9,p=1$${SALT64}$${KEY64}`, ARGON2],
  ['argon2id with too many lanes', `$argon2id$v=19$m=1024,t=1,p=65$${SALT64}$${KEY64}`, ARGON2],
  ['argon2id with a short salt', `$argon2id$v=19$m=256,t=1,p=1$AAAA$${KEY64}`, SALT_WORDS],
  ['argon2id with a short key', `$argon2id$v=19$m=256,t=1,p=1$${SALT64}$AAAA`, KEY_WORDS],
];

for (const [title, text, what] of FAULTS) {
  test(`T11 T51 no hash: ${title}`, () => {
    const fault = parsePasswordHash(text);
    assert.ok(fault.kind === 'fault');
    assert.equal(fault.what, what);
    assert.ok(!`${fault.what}${fault.mend}`.includes(SECRET_LOOKING));
  });
}

test('a plain password is told how to become a hash', () => {
  const fault = parsePasswordHash('robot');
  assert.ok(fault.kind === 'fault');
  assert.match(fault.mend, /mosquitto_passwd -U FILE/);
});

test('T57 any text is a hash or a fault', () => {
  const piece = fc.constantFrom('$', '6', '7', 'argon2id', 'v=19', 'm=8,t=1,p=1', SALT64, KEY64, '1', '=', 'a');
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
      const hash = parsePasswordHash(pieces.join(''));
      assert.ok(hash.kind === 'fault' || (hash.salt.length > 0 && hash.key.length >= 16));
    }),
    { numRuns: 2000 },
  );
});
