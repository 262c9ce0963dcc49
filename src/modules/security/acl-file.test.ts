import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAclFile } from './acl-file.ts';
import type { AclVerdict } from './acl-rules.ts';
import { AclAccess } from './rule-tree.ts';
import { bytesOf, errorLinesOf, naiveAllows, type PlainRule, textOfRules, topicOf } from './security.fixture.ts';
import { SecurityFileError } from './security-file-error.ts';

const PATH = '/etc/zanzara/rights.acl';

/** What a client may do with a topic: 'rw', 'r', 'w' or '-'. */
function rightsOf(acl: string, topic: string, userName: string | null = null, clientId = 'robot5'): string {
  const { rules } = parseAclFile(bytesOf(acl), PATH);
  const ask = (right: number): boolean => rules.judge({ clientId, userName }, topicOf(topic), right) === 'allowed';
  const rights = `${ask(AclAccess.Read) ? 'r' : ''}${ask(AclAccess.Write) ? 'w' : ''}`;
  return rights === '' ? '-' : rights;
}

function verdictOf(acl: string, topic: string, clientId: string, userName: string | null = null): AclVerdict {
  return parseAclFile(bytesOf(acl), PATH).rules.judge({ clientId, userName }, topicOf(topic), AclAccess.Write);
}

/** Title, file, then: topic, user name, rights. */
const FORMS: readonly [string, string, readonly (readonly [string, string | null, string])[]][] = [
  ['topic without a word is readwrite', 'topic a', [['a', null, 'rw']]],
  ['topic read', 'topic read a', [['a', null, 'r']]],
  ['topic write', 'topic write a', [['a', null, 'w']]],
  ['topic readwrite', 'topic readwrite a', [['a', null, 'rw']]],
  ['topic deny alone', 'topic deny a', [['a', null, '-']]],
  ['a topic with spaces behind its word', 'topic read Plant 1/Line 2', [['Plant 1/Line 2', null, 'r']]],
  ['a topic that is an access word', 'topic read', [['read', null, 'rw']]],
  ['an access word and the topic of that name', 'topic write read', [['read', null, 'w']]],
  ['spaces in front and between', '   topic    read    a', [['a', null, 'r']]],
  [
    'spaces inside stay',
    'topic read a  b',
    [
      ['a  b', null, 'r'],
      ['a b', null, '-'],
    ],
  ],
  ['blanks at the end do not count', 'topic read a \t ', [['a', null, 'r']]],
  [
    'CRLF',
    'topic read a\r\nuser u\r\ntopic b\r\n',
    [
      ['a', null, 'r'],
      ['b', 'u', 'rw'],
    ],
  ],
  ['a byte order mark', '\ufefftopic a', [['a', null, 'rw']]],
  ['the last line without an end', '# c\n\ntopic a', [['a', null, 'rw']]],
  [
    'wildcards',
    'topic read a/#\ntopic write +/b',
    [
      ['a/b', null, 'rw'],
      ['a', null, 'r'],
      ['c/b', null, 'w'],
    ],
  ],
  ['topics that are not ASCII', 'topic read Größe/温度', [['Größe/温度', null, 'r']]],
  [
    'rules before the first user are for anonymous clients only',
    'topic a\nuser u\ntopic b',
    [
      ['a', null, 'rw'],
      ['a', 'u', '-'],
      ['b', 'u', 'rw'],
      ['b', null, '-'],
      ['b', 'v', '-'],
    ],
  ],
  [
    'a user name with spaces',
    'user Line 1\ntopic a',
    [
      ['a', 'Line 1', 'rw'],
      ['a', 'Line', '-'],
    ],
  ],
  [
    'a user twice',
    'user u\ntopic a\nuser v\ntopic b\nuser u\ntopic c',
    [
      ['a', 'u', 'rw'],
      ['c', 'u', 'rw'],
      ['b', 'u', '-'],
    ],
  ],
  [
    'a user without rules',
    'user u\npattern p/%c',
    [
      ['p/robot5', 'u', 'rw'],
      ['a', 'u', '-'],
    ],
  ],
  [
    'deny after the grant',
    'topic a/#\ntopic deny a/b',
    [
      ['a/b', null, '-'],
      ['a/c', null, 'rw'],
    ],
  ],
  [
    'deny before the grant',
    'topic deny a/b\ntopic a/#',
    [
      ['a/b', null, '-'],
      ['a/c', null, 'rw'],
    ],
  ],
  ['deny of a wider filter', 'topic a/b\ntopic deny a/#', [['a/b', null, '-']]],
  ['the same filter twice adds up', 'topic read a\ntopic write a', [['a', null, 'rw']]],
  [
    'patterns are for everybody',
    'user u\ntopic a\npattern read p',
    [
      ['p', null, 'r'],
      ['p', 'u', 'r'],
      ['p', 'v', 'r'],
    ],
  ],
  [
    'patterns come after the rules of the user',
    'user u\ntopic p/a\npattern deny p/#',
    [
      ['p/a', 'u', 'rw'],
      ['p/b', 'u', '-'],
    ],
  ],
  [
    'deny of a user beats a pattern',
    'user u\ntopic deny p/a\npattern p/#',
    [
      ['p/a', 'u', '-'],
      ['p/b', 'u', 'rw'],
      ['p/a', null, 'rw'],
    ],
  ],
  [
    'deny among patterns comes first',
    'pattern p/#\npattern deny p/%c',
    [
      ['p/robot5', null, '-'],
      ['p/x', null, 'rw'],
    ],
  ],
  [
    '%c and %u',
    'pattern write d/%c/%u',
    [
      ['d/robot5/u', 'u', 'w'],
      ['d/robot5/v', 'u', '-'],
    ],
  ],
  [
    'patterns with %u are not for anonymous clients',
    'pattern d/%u',
    [
      ['d/%u', null, '-'],
      ['d/', null, '-'],
      ['d/u', 'u', 'rw'],
    ],
  ],
  ['a pattern with spaces', 'pattern read Line 1/%c/#', [['Line 1/robot5/a', null, 'r']]],
  [
    '$ topics are named',
    'topic #\ntopic read $SYS/#',
    [
      ['a', null, 'rw'],
      ['$SYS/a', null, 'r'],
      ['$x', null, '-'],
    ],
  ],
  [
    '$ topics are not in +/#',
    'topic +/#',
    [
      ['$SYS/a', null, '-'],
      ['a/b', null, 'rw'],
    ],
  ],
  [
    'nothing that is not named',
    'topic a',
    [
      ['b', null, '-'],
      ['a/b', null, '-'],
      ['A', null, '-'],
    ],
  ],
];

for (const [title, acl, asks] of FORMS) {
  test(`ACL: ${title}`, () => {
    for (const [topic, userName, expected] of asks) {
      assert.equal(rightsOf(acl, topic, userName), expected, `${topic} for ${userName ?? 'anonymous'}`);
    }
  });
}

for (const [title, text] of [
  ['empty', ''],
  ['of comments only', '# topic a\n#pattern #\n\n'],
  ['of users only', 'user u\n'],
] as const) {
  test(`T10 a file that is ${title} allows nothing`, () => {
    for (const userName of [null, 'u']) {
      for (const topic of ['a', 'x/y', '$SYS/a']) assert.equal(rightsOf(text, topic, userName), '-');
    }
  });
}

test('a comment may hold any bytes', () => {
  const source = Uint8Array.from([...bytesOf('# caf'), 0xe9, 0x0a, ...bytesOf('topic a')]);
  assert.equal(parseAclFile(source, PATH).rules.ruleCount, 1);
});

/** Title, file, the line that is wrong, what is said. */
const FAULTS: readonly [string, string, number, RegExp][] = [
  ['an unknown word', 'topic a\nallow b', 2, /^Error: Invalid line in acl_file ".*": allow b\.$/],
  ['a word in capitals', 'Topic a', 1, /Invalid line in acl_file/],
  ['a comment that does not begin its line', 'topic a\n  # b', 2, /Invalid line in acl_file/],
  ['a tab for a space', 'topic\ta', 1, /Invalid line in acl_file/],
  ['a tab behind the access word', 'topic read\ta', 1, /Invalid ACL topic/],
  ['no topic', 'topic', 1, /Empty topic in acl_file ".*"\./],
  ['no pattern', 'pattern   ', 1, /Empty topic in acl_file/],
  ['an unknown access', 'topic rw a', 1, /Invalid topic access type "rw" in acl_file ".*"\./],
  ['a topic with spaces without its word', 'topic Plant 1/a', 1, /Invalid topic access type "Plant"/],
  ['a user without a name', 'user  ', 1, /Missing username in acl_file ".*"\./],
  ['a user name with a tab inside', 'user a\tb', 1, /Invalid username in acl_file/],
  ['# in the middle', 'topic a/#/b', 1, /Invalid ACL topic "a\/#\/b" in acl_file ".*"\./],
  ['# within a level', 'topic read a#', 1, /Invalid ACL topic "a#"/],
  ['+ within a level', 'topic read a/b+', 1, /Invalid ACL topic "a\/b\+"/],
  ['a wildcard beside %c', 'pattern dev/%c+', 1, /Invalid ACL topic/],
  ['a NUL', 'topic a\0b', 1, /Invalid ACL topic/],
  ['T15 a filter of 65535 levels', `topic ${'/'.repeat(65_534)}`, 1, /Invalid ACL topic/],
  ['T15 a filter of 201 levels', `topic ${'a/'.repeat(200)}#`, 1, /Invalid ACL topic/],
];

for (const [title, text, line, expected] of FAULTS) {
  test(`an ACL file is refused for ${title}`, () => {
    const [what = '', place = '', mend = '', ...rest] = errorLinesOf(() => parseAclFile(bytesOf(text), PATH));
    assert.match(what, expected);
    assert.equal(place, `Error found at ${PATH}:${line}.`);
    assert.ok(mend.length > 10, mend);
    assert.deepEqual(rest, []);
    assert.ok(what.length < 400, 'a long line is cut');
  });
}

test('T04 a rule that is not UTF-8 is refused: it would never match', () => {
  const source = Uint8Array.from([...bytesOf('topic a\ntopic deny Gr'), 0xf6, ...bytesOf('sse/#')]);
  const [what, place] = errorLinesOf(() => parseAclFile(source, PATH));
  assert.equal(what, 'Error: Malformed UTF-8.');
  assert.equal(place, `Error found at ${PATH}:2.`);
});

test('too many rules are refused', () => {
  const lines = errorLinesOf(() => parseAclFile(bytesOf('topic a\n'.repeat(250_001)), PATH));
  assert.match(lines[0] ?? '', /Too many rules/);
});

test('what is odd is warned of, a few times', () => {
  const { warnings } = parseAclFile(bytesOf('topic a/%u\npattern b\npattern c/%c'), PATH);
  assert.equal(warnings.length, 2);
  assert.match(warnings[0] ?? '', /^Warning: ACL topic 'a\/%u' \(.*:1\)/);
  assert.match(warnings[1] ?? '', /^Warning: ACL pattern 'b' does not contain '%c' or '%u'\./);
  const many = parseAclFile(bytesOf('pattern b\n'.repeat(1000)), PATH).warnings;
  assert.equal(many.length, 21);
  assert.match(many.at(-1) ?? '', /980 more/);
});

/** File, client id, user name, topic, verdict: names that could be taken for a part of a pattern. */
const DANGERS: readonly [string, string, string | null, string, AclVerdict][] = [
  ['pattern d/%c/#', 'a+', null, 'd/a/b', 'dangerous-client-id'],
  ['pattern d/%c/#', '#', null, 'd/a/b', 'dangerous-client-id'],
  ['pattern d/%u/#', 'a', 'b#', 'd/b/c', 'dangerous-user-name'],
  ['pattern d/%u/#', 'a', '+', 'd/b/c', 'dangerous-user-name'],
  ['pattern x/#', 'a+', null, 'x/a', 'dangerous-client-id'],
  ['pattern d/%c/#', 'a/b', null, 'd/a/b/c', 'dangerous-client-id'],
  ['pattern d/%u/#', 'a', 'a/b', 'd/a/b/c', 'dangerous-user-name'],
  ['pattern d/%c/#', 'a', 'a/b', 'd/a/c', 'allowed'],
  ['pattern d/%u/#', 'a/b', 'u', 'd/u/c', 'allowed'],
  ['pattern x/#', 'a/b', 'c/d', 'x/a', 'allowed'],
  ['pattern x/#\npattern deny x/%c/#', 'a/b', null, 'x/y', 'dangerous-client-id'],
  ['pattern x/#\npattern deny x/%u/#', 'a', 'a/b', 'x/y', 'dangerous-user-name'],
  ['pattern x/#\npattern deny x/%u/#', 'a', null, 'x/y', 'allowed'],
  ['topic x\npattern d/%c/#', 'a+', null, 'x', 'allowed'],
  ['user b#\ntopic x\npattern d/%u/#', 'a/b', 'b#', 'x', 'allowed'],
  ['user b\ntopic x', 'a+', 'b', 'y', 'denied'],
  ['pattern %u/#', 'a', '$SYS', '$SYS/broker/connection/a/state', 'denied'],
];

for (const [acl, clientId, userName, topic, expected] of DANGERS) {
  test(`T01 ${acl.replaceAll('\n', ', ')} for client id ${clientId}, user ${userName}: ${topic} is ${expected}`, () => {
    assert.equal(verdictOf(acl, topic, clientId, userName), expected);
  });
}

const filterLevels = fc.constantFrom('a', 'b', 'c', '', '$x', '+', 'a b');
const patternLevels = fc.constantFrom('a', 'b', '$x', '+', '%c', '%u', 'p-%c');
const access = fc.constantFrom('read', 'write', 'readwrite', 'deny');
const cleanName = fc.constantFrom('a', 'b', '$x', 'u v', '%u', '%c');

function filterOf(level: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(level, { minLength: 1, maxLength: 3 }), fc.boolean())
    .map(([parts, isOpen]) => (isOpen ? [...parts, '#'] : parts).join('/'))
    .filter((filter) => filter !== '');
}

const rule: fc.Arbitrary<PlainRule> = fc.oneof(
  fc.record({
    kind: fc.constant('topic' as const),
    user: fc.option(cleanName),
    access,
    filter: filterOf(filterLevels),
  }),
  fc.record({
    kind: fc.constant('pattern' as const),
    user: fc.constant(null),
    access,
    filter: filterOf(patternLevels),
  }),
);
const topicText = fc
  .array(fc.constantFrom('a', 'b', 'c', '', '$x', 'a b', 'p-a', '%u'), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join('/'))
  .filter((topic) => topic !== '');

test('any rules say what the plainest reading of them says', () => {
  const client = fc.record({ clientId: cleanName, userName: fc.option(cleanName) });
  fc.assert(
    fc.property(fc.array(rule, { maxLength: 10 }), client, topicText, (rules, names, topic) => {
      const parsed = parseAclFile(bytesOf(textOfRules(rules)), PATH).rules;
      for (const [word, right] of [
        ['read', AclAccess.Read],
        ['write', AclAccess.Write],
      ] as const) {
        const isAllowed = parsed.judge(names, topicOf(topic), right) === 'allowed';
        assert.equal(isAllowed, naiveAllows(rules, names, topic, word), `${word} ${topic}`);
      }
    }),
    { numRuns: 3000 },
  );
});

test('T01 no name gets by patterns what their plainest reading does not give', () => {
  const anyName = fc.string({ maxLength: 5, unit: fc.constantFrom('a', 'b', '/', '+', '#', '%', 'c', 'u', '$', 'x') });
  const client = fc.record({ clientId: anyName, userName: fc.option(anyName) });
  const patterns = fc.array(
    rule.filter(({ kind }) => kind === 'pattern'),
    { minLength: 1, maxLength: 8 },
  );
  fc.assert(
    fc.property(patterns, client, topicText, (rules, names, topic) => {
      const parsed = parseAclFile(bytesOf(textOfRules(rules)), PATH).rules;
      const isAllowed = parsed.judge(names, topicOf(topic), AclAccess.Read) === 'allowed';
      if (isAllowed) assert.ok(naiveAllows(rules, names, topic, 'read'), `${topic} for ${JSON.stringify(names)}`);
      if (/[+#]/.test(`${names.clientId}${names.userName}`)) assert.ok(!isAllowed);
    }),
    { numRuns: 3000 },
  );
});

test('T57 any bytes are rules or a SecurityFileError', () => {
  const word = fc.constantFrom(
    'topic',
    'pattern',
    'user',
    'read',
    'deny',
    'write',
    ' ',
    '\n',
    '#',
    '+/',
    'a',
    '%c',
    '\t',
    '\r\n',
  );
  const text = fc.array(word, { maxLength: 30 }).map((words) => bytesOf(words.join('')));
  fc.assert(
    fc.property(fc.oneof(text, fc.uint8Array({ maxLength: 200 })), (source) => {
      try {
        parseAclFile(source, PATH);
      } catch (error) {
        assert.ok(error instanceof SecurityFileError, String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

/** Files of ten thousand rules: title, line number n, topic asked in turn n, user. */
const LARGE: readonly [string, (n: number) => string, (n: number) => string, string | null][] = [
  [
    'of one user, exact',
    (n) => `topic read Plant/Line${n % 100}/Cell${n}/state`,
    (n) => `Plant/Line${n % 100}/Cell${n}/state`,
    null,
  ],
  ['of one user, with wildcards', (n) => `topic Plant/+/Cell${n}/#`, (n) => `Plant/Line1/Cell${n}/a/b`, null],
  ['of ten thousand users', (n) => `user u${n}\ntopic Plant/u${n}/#`, (n) => `Plant/u77/${n}`, 'u77'],
  ['of patterns', (n) => `pattern Area${n}/%c/%u/+/x`, (n) => `Area${n}/robot5/u/1/x`, 'u'],
  ['that deny', (n) => `topic deny Plant/Cell${n}/secret`, (n) => `Plant/Cell${n}/open`, null],
];

for (const [title, line, topic, userName] of LARGE) {
  test(`ten thousand rules ${title}: a new topic costs a few comparisons`, () => {
    const text = Array.from({ length: 10_000 }, (_, n) => line(n)).join('\n');
    const { rules } = parseAclFile(bytesOf(text), PATH);
    assert.equal(rules.ruleCount, 10_000);
    const before = rules.comparisonCount;
    for (let n = 0; n < 1000; n++) rules.judge({ clientId: 'robot5', userName }, topicOf(topic(n * 7)), AclAccess.Read);
    const perTopic = (rules.comparisonCount - before) / 1000;
    assert.ok(perTopic > 0 && perTopic <= 30, `${perTopic} comparisons`);
  });
}
