import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { MemoryLog } from '../../../test/fixtures/memory-log.ts';
import type { PeerSecurity } from '../../base/link.ts';
import type { AuthenticateAnswer, Identity } from '../../core/ports.ts';
import { parseTopicFilter } from '../../protocol/topic.ts';
import { createSecurity, type ListenerSecurity, type Security } from './index.ts';
import { bytesOf, errorLinesOf, identityOf, requestOf, Shelf, topicOf } from './security.fixture.ts';

const REFUSED: AuthenticateAnswer = { kind: 'refused', reason: 0x87 };

function hashed(password: string, saltByte = 7): string {
  const salt = Buffer.alloc(12, saltByte);
  return `$6$${salt.toString('base64')}$${createHash('sha512').update(password).update(salt).digest('base64')}`;
}

function listenerOf(listener: Partial<ListenerSecurity> = {}): ListenerSecurity {
  return { listenerId: 1, allowAnonymous: false, passwordFile: null, aclFile: null, pskFile: null, ...listener };
}

const PASSWORDS = listenerOf({ passwordFile: 'passwords' });
const RIGHTS = listenerOf({ allowAnonymous: true, aclFile: 'rights' });

interface Setting {
  readonly security: Security;
  readonly shelf: Shelf;
  readonly log: MemoryLog;
}

function settingOf(listeners: readonly ListenerSecurity[], files: Readonly<Record<string, string>> = {}): Setting {
  const shelf = new Shelf();
  for (const [path, text] of Object.entries(files)) shelf.texts.set(path, text);
  const log = new MemoryLog();
  return { security: createSecurity({ log, listeners, readFile: shelf.readFile }), shelf, log };
}

async function comesIn(security: Security, userName: string | null, password: string | null, listenerId = 1) {
  const request = requestOf({ userName, password: password === null ? null : bytesOf(password), listenerId });
  return await security.gatekeeper.authenticate(request);
}

/** The identity of a user who came in with a password. */
async function identityIn(security: Security, userName: string, password: string): Promise<Identity> {
  const answer = await comesIn(security, userName, password);
  assert.ok(answer.kind === 'allowed', `${userName} comes in`);
  return identityOf({ userName, proof: answer.proof });
}

async function anonymousIn(security: Security, userName: string | null = null): Promise<Identity> {
  const answer = await comesIn(security, userName, null);
  assert.ok(answer.kind === 'allowed');
  return identityOf({ userName, proof: answer.proof });
}

function mayPublish(security: Security, topic: string, identity: Partial<Identity> = {}): boolean {
  const answer = security.gatekeeper.mayPublish(identityOf(identity), topicOf(topic));
  assert.ok(typeof answer === 'boolean', 'files answer at once');
  return answer;
}

function certificateOf(commonName: string | null, subject: string | null = null): PeerSecurity {
  return { version: 'TLSv1.3', cipher: '', certificate: { commonName, subject }, pskIdentity: null };
}

const PSK: PeerSecurity = { version: 'TLSv1.2', cipher: '', certificate: null, pskIdentity: 'robot5' };

/** User, password, and who comes in: with allow_anonymous alone, with a password file, with both, with neither. */
const COMING: readonly [string | null, string | null, readonly [boolean, boolean, boolean, boolean]][] = [
  [null, null, [true, false, true, false]],
  [null, 'test', [true, false, true, false]],
  ['robot', 'test', [true, true, true, false]],
  ['robot', 'Test', [true, false, false, false]],
  ['robot', '', [true, false, false, false]],
  ['robot', null, [true, false, false, false]],
  ['blank', '', [true, true, true, false]],
  ['nobody', 'test', [true, false, false, false]],
  ['nobody', null, [true, false, false, false]],
  ['', 'test', [true, false, false, false]],
  ['', null, [true, false, false, false]],
];

describe('who comes in', () => {
  const files = { passwords: `robot:${hashed('test')}\nblank:${hashed('')}` };
  const ways = [
    ['allow_anonymous', listenerOf({ allowAnonymous: true })],
    ['a password file', PASSWORDS],
    ['allow_anonymous and a password file', { ...PASSWORDS, allowAnonymous: true }],
    ['nothing', listenerOf()],
  ] as const;
  for (const [index, [title, listener]] of ways.entries()) {
    for (const [userName, password, expected] of COMING) {
      const isIn = expected[index] === true;
      test(`T41 ${title}: user ${userName}, password ${password}: ${isIn ? 'in' : 'refused'}`, async () => {
        const { security } = settingOf([listener], files);
        const answer = await comesIn(security, userName, password);
        assert.equal(answer.kind, isIn ? 'allowed' : 'refused');
        if (!isIn) assert.deepEqual(answer, REFUSED);
      });
    }
  }
});

test('each listener has its own users, rights and keys', async () => {
  const first = listenerOf({ passwordFile: 'passwords', aclFile: 'rights', pskFile: 'keys' });
  const second = listenerOf({ listenerId: 2, passwordFile: 'others', aclFile: 'other-rights', pskFile: 'other-keys' });
  const third = listenerOf({ listenerId: 3, allowAnonymous: true });
  const { security } = settingOf([first, second, third], {
    passwords: `a:${hashed('one')}`,
    others: `a:${hashed('two')}`,
    rights: 'topic x',
    'other-rights': 'topic y',
    keys: 'k:01',
    'other-keys': 'k:02',
  });
  assert.equal((await comesIn(security, 'a', 'one', 1)).kind, 'allowed');
  assert.equal((await comesIn(security, 'a', 'one', 2)).kind, 'refused');
  assert.equal((await comesIn(security, 'a', 'two', 2)).kind, 'allowed');
  assert.equal((await comesIn(security, 'a', 'two', 3)).kind, 'allowed');
  assert.deepEqual(
    [1, 2, 3].map((listenerId) => mayPublish(security, 'x', { listenerId })),
    [true, false, true],
  );
  assert.deepEqual(
    [1, 2, 3].map((listenerId) => mayPublish(security, 'y', { listenerId })),
    [false, true, true],
  );
  assert.deepEqual(
    [1, 2, 3].map((id) => security.pskKeyOf(id, 'k')),
    [Uint8Array.of(1), Uint8Array.of(2), null],
  );
  assert.equal(security.pskKeyOf(1, 'K'), null);
});

test('a file of several listeners is read once', () => {
  const files = { passwords: `a:${hashed('one')}`, rights: 'topic x', keys: 'k:01' };
  const both = { passwordFile: 'passwords', aclFile: 'rights', pskFile: 'keys' };
  const { shelf } = settingOf([listenerOf(both), listenerOf({ ...both, listenerId: 2 })], files);
  assert.deepEqual(shelf.reads, ['passwords', 'rights', 'keys']);
});

test('the core need not ask while no listener has an ACL', () => {
  assert.equal(settingOf([PASSWORDS], { passwords: '' }).security.gatekeeper.hasRules, false);
  assert.equal(settingOf([listenerOf({ listenerId: 2 }), RIGHTS], { rights: '' }).security.gatekeeper.hasRules, true);
});

test('read, write and subscribe', () => {
  const { security } = settingOf([RIGHTS], { rights: 'topic read r\ntopic write w' });
  const { gatekeeper } = security;
  const filter = parseTopicFilter('#');
  assert.ok(filter !== null);
  assert.equal(gatekeeper.maySubscribe(identityOf(), filter), true);
  assert.equal(gatekeeper.maySubscribe(identityOf({ listenerId: 9 }), filter), false);
  assert.equal(gatekeeper.mayReceive(identityOf(), topicOf('r')), true);
  assert.equal(gatekeeper.mayReceive(identityOf(), topicOf('w')), false);
  assert.equal(mayPublish(security, 'w'), true);
  assert.equal(mayPublish(security, 'r'), false);
});

test('T09 what was retained through a listener that is not known any more is handed out', () => {
  const { security } = settingOf([listenerOf({ aclFile: 'rights' })], { rights: 'user ann\ntopic read #\n' });
  const publisher = { clientId: 'c', userName: 'ann', listenerId: 1 };
  assert.equal(security.gatekeeper.mayHavePublished(publisher, topicOf('a')), false);
  assert.equal(security.gatekeeper.mayHavePublished({ ...publisher, listenerId: 9 }, topicOf('a')), true);
});

test('no enhanced authentication is offered', () => {
  const { gatekeeper } = settingOf([PASSWORDS], { passwords: '' }).security;
  assert.equal(gatekeeper.startEnhanced('SCRAM-SHA-256', requestOf()), null);
});

test('T01 T54 a name that patterns do not take is told once for each client', () => {
  const { security, log } = settingOf([RIGHTS], { rights: 'topic x\npattern d/%c/#' });
  const identity = identityOf({ clientId: 'a/b' });
  for (const topic of ['d/a/b/1', 'd/a/b/2']) {
    assert.equal(security.gatekeeper.mayReceive(identity, topicOf(topic)), false);
  }
  assert.equal(security.gatekeeper.mayReceive(identity, topicOf('x')), true);
  assert.equal(log.texts('notice')[0], 'ACL denying access to client with dangerous client id "a/b"');
  assert.equal(log.lines.length, 2);
});

describe('files that cannot be used', () => {
  /** Option, listener, file, its text (null: missing), first line of the error. */
  const cases: readonly [Partial<ListenerSecurity>, string, string | null, RegExp][] = [
    [{ passwordFile: 'f' }, 'f', null, /^Error opening password file "f"\.$/],
    [{ aclFile: 'f' }, 'f', null, /^Error: Unable to open acl_file "f"\.$/],
    [{ pskFile: 'f' }, 'f', null, /^Error opening psk file "f"\.$/],
    [{ passwordFile: 'f' }, 'f', 'a:plain', /^Error: Invalid password hash for user a\.$/],
    [{ aclFile: 'f' }, 'f', 'allow all', /^Error: Invalid line in acl_file "f": allow all\.$/],
    [{ pskFile: 'f' }, 'f', 'a:', /^Error: Empty psk for identity "a"\.$/],
  ];
  for (const [options, path, text, expected] of cases) {
    const state = text === null ? 'missing' : 'wrong';
    const files = text === null ? {} : { [path]: text };

    test(`T11 T35 T46 ${Object.keys(options).join()} ${state}: the start fails`, () => {
      const lines = errorLinesOf(() => settingOf([listenerOf(options)], files));
      assert.match(lines[0] ?? '', expected);
      assert.equal(lines.length, 3);
    });

    test(`T03 T11 ${Object.keys(options).join()} ${state} at a reload: all rules in force stay`, async () => {
      const { security, shelf } = settingOf([{ ...PASSWORDS, aclFile: 'rights', pskFile: 'keys' }], {
        passwords: `robot:${hashed('test')}`,
        rights: 'user robot\ntopic x',
        keys: 'k:01',
      });
      const before = security.gatekeeper.rulesVersion;
      const identity = await identityIn(security, 'robot', 'test');
      if (text !== null) shelf.texts.set(path, text);
      for (const rest of [{}, { allowAnonymous: true }]) {
        errorLinesOf(() => security.prepare([listenerOf(), listenerOf({ listenerId: 2, ...options, ...rest })]));
      }
      assert.equal(security.gatekeeper.rulesVersion, before);
      assert.equal(security.gatekeeper.hasRules, true);
      assert.deepEqual(await comesIn(security, null, null), REFUSED);
      assert.equal((await comesIn(security, 'robot', 'test')).kind, 'allowed');
      assert.equal(mayPublish(security, 'x', { userName: 'robot' }), true);
      assert.equal(mayPublish(security, 'y', { userName: 'robot' }), false);
      assert.deepEqual(security.pskKeyOf(1, 'k'), Uint8Array.of(1));
      assert.equal(security.gatekeeper.isStillWelcome(identity, null), true);
    });
  }

  test('T03 the system says why a file cannot be read, and we say what to do', () => {
    for (const [code, mend] of [
      ['EMFILE', /open files/],
      ['EACCES', /must be able to read/],
      ['EISDIR', /folder/],
      ['ELOOP', /./],
    ] as const) {
      const readFile = (): Uint8Array => {
        throw Object.assign(new Error(`${code}: no`), { code });
      };
      const listeners = [listenerOf({ aclFile: 'f' })];
      const lines = errorLinesOf(() => createSecurity({ log: new MemoryLog(), listeners, readFile }));
      assert.deepEqual(lines.slice(0, 2), ['Error: Unable to open acl_file "f".', `${code}: no`]);
      assert.match(lines[2] ?? '', mend);
    }
  });
});

describe('a reload', () => {
  test('T24 prepare changes nothing, apply changes all and the version', async () => {
    const { security, shelf, log } = settingOf([RIGHTS], { rights: 'topic a' });
    const { rulesVersion } = security.gatekeeper;
    shelf.texts.set('rights', 'topic b\npattern c');
    const prepared = security.prepare([RIGHTS]);
    assert.equal(mayPublish(security, 'a'), true);
    assert.equal(security.gatekeeper.rulesVersion, rulesVersion);
    assert.deepEqual(log.lines, []);
    security.apply(prepared);
    assert.equal(security.gatekeeper.rulesVersion, rulesVersion + 1);
    assert.deepEqual([mayPublish(security, 'a'), mayPublish(security, 'b')], [false, true]);
    assert.equal(log.texts('warning').length, 1);
  });

  test('T22 T47 sessions of a listener that has gone keep the rights they had, and nobody comes in by it', () => {
    const { security } = settingOf([RIGHTS, listenerOf({ listenerId: 2 })], { rights: 'topic a' });
    const identity = identityOf();
    assert.equal(mayPublish(security, 'a', identity), true);
    security.apply(security.prepare([listenerOf({ listenerId: 2 })]));
    assert.equal(security.gatekeeper.hasRules, true, 'they are still asked about');
    assert.deepEqual([mayPublish(security, 'a', identity), mayPublish(security, 'b', identity)], [true, false]);
    assert.equal(security.gatekeeper.mayReceive(identity, topicOf('b')), false);
    assert.equal(security.gatekeeper.isStillWelcome(identity, null), false);
    assert.equal(mayPublish(security, 'a', { listenerId: 2 }), true);
    security.apply(security.prepare([listenerOf({ listenerId: 2 })]));
    assert.equal(security.gatekeeper.hasRules, true);
  });

  test('T22 the rules of very many listeners that have gone are not kept: the first ones have no rights', () => {
    const { security } = settingOf([RIGHTS], { rights: 'topic a' });
    for (let listenerId = 2; listenerId < 70; listenerId++) {
      security.apply(security.prepare([listenerOf({ listenerId, aclFile: 'rights' })]));
    }
    assert.equal(mayPublish(security, 'a', identityOf()), false);
    assert.equal(mayPublish(security, 'a', { listenerId: 60 }), true);
    security.apply(security.prepare([listenerOf({ listenerId: 80 })]));
    assert.equal(mayPublish(security, 'a', identityOf()), false);
  });

  test('a listener whose ACL is taken away allows everything', () => {
    const { security } = settingOf([RIGHTS], { rights: '' });
    security.apply(security.prepare([listenerOf({ allowAnonymous: true })]));
    assert.equal(security.gatekeeper.hasRules, false);
    assert.equal(mayPublish(security, 'a'), true);
  });

  test('T47 a password that is set anew while it is checked does not let the old one in', async () => {
    const { security, shelf } = settingOf([PASSWORDS], { passwords: `a:${hashed('one')}` });
    const answer = comesIn(security, 'a', 'one');
    shelf.texts.set('passwords', `a:${hashed('two')}`);
    security.apply(security.prepare([PASSWORDS]));
    assert.deepEqual(await answer, REFUSED);
  });
});

describe('who stays after a reload', () => {
  /** The change of the file or the listener, and whether user `a` stays. */
  const changes: readonly [string, string, Partial<ListenerSecurity>, boolean][] = [
    ['nothing', `a:${hashed('one')}`, {}, true],
    ['another user comes', `b:${hashed('x')}\na:${hashed('one')}`, {}, true],
    ['the password changes', `a:${hashed('two')}`, {}, false],
    ['the same password is set anew', `a:${hashed('one', 8)}`, {}, false],
    ['the user is deleted', `b:${hashed('one')}`, {}, false],
    ['the user is deleted and anonymous clients may come', `b:${hashed('one')}`, { allowAnonymous: true }, false],
    ['the password file is taken away', '', { passwordFile: null }, false],
    ['the password file is taken away and all may come', '', { passwordFile: null, allowAnonymous: true }, true],
  ];
  for (const [title, text, change, stays] of changes) {
    test(`T47 ${title}: a user ${stays ? 'stays' : 'goes'}`, async () => {
      const { security, shelf } = settingOf([PASSWORDS], { passwords: `a:${hashed('one')}` });
      const identity = await identityIn(security, 'a', 'one');
      shelf.texts.set('passwords', text);
      security.apply(security.prepare([{ ...PASSWORDS, ...change }]));
      assert.equal(security.gatekeeper.isStillWelcome(identity, null), stays);
    });
  }

  test('T47 anonymous clients go when allow_anonymous goes', async () => {
    const open = listenerOf({ allowAnonymous: true });
    const { security } = settingOf([open]);
    const identities = [await anonymousIn(security), await anonymousIn(security, 'unchecked')];
    const areWelcome = () => identities.map((identity) => security.gatekeeper.isStillWelcome(identity, null));
    assert.deepEqual(areWelcome(), [true, true]);
    security.apply(security.prepare([listenerOf()]));
    assert.deepEqual(areWelcome(), [false, false]);
  });

  test('T47 a name that nobody checked goes when there is a password file', async () => {
    const { security } = settingOf([listenerOf({ allowAnonymous: true })], { passwords: `robot5:${hashed('one')}` });
    const identities = [await anonymousIn(security), await anonymousIn(security, 'robot5')];
    security.apply(security.prepare([{ ...PASSWORDS, allowAnonymous: true }]));
    const areWelcome = identities.map((one) => security.gatekeeper.isStillWelcome(one, certificateOf('robot5')));
    assert.deepEqual(areWelcome, [true, false]);
  });

  test('names out of certificates stay', () => {
    const { security } = settingOf([PASSWORDS], { passwords: '' });
    const { gatekeeper } = security;
    assert.equal(gatekeeper.isStillWelcome(identityOf({ userName: 'robot5' }), certificateOf('robot5')), true);
    const subject = 'CN=robot5,O=Plant';
    assert.equal(gatekeeper.isStillWelcome(identityOf({ userName: subject }), certificateOf('robot5', subject)), true);
    assert.equal(gatekeeper.isStillWelcome(identityOf({ userName: 'other' }), certificateOf('robot5')), false);
    assert.equal(gatekeeper.isStillWelcome(identityOf({ userName: 'robot5' }), null), false);
  });

  test('T47 a PSK identity stays while it has a key', () => {
    const listener = listenerOf({ pskFile: 'keys' });
    const { security, shelf } = settingOf([listener], { keys: 'robot5:01' });
    const identity = identityOf({ userName: 'robot5' });
    assert.equal(security.gatekeeper.isStillWelcome(identity, PSK), true);
    shelf.texts.set('keys', 'robot6:01');
    security.apply(security.prepare([listener]));
    assert.equal(security.gatekeeper.isStillWelcome(identity, PSK), false);
    assert.equal(security.gatekeeper.isStillWelcome({ ...identity, userName: null }, PSK), false);
  });
});
