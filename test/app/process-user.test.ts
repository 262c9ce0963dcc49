import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { runScript, sourceUrl } from './script-process.ts';

const isRoot = process.geteuid?.() === 0;
const asRoot = { timeout: 30_000, skip: !isRoot && 'only root can change its user' };
const limit = { timeout: 30_000 };

const RUN = `
  import { switchUser } from '${sourceUrl('app/process/switch-user.ts')}';
  import { applyUmask } from '${sourceUrl('app/process/umask.ts')}';
  try {
    applyUmask(process.env);
    const warnings = switchUser({ user: process.env.TEST_USER, environment: process.env });
    const [uid, euid, gid, egid] = [process.getuid(), process.geteuid(), process.getgid(), process.getegid()];
    let canReturn = true;
    try { process.setuid(0); } catch { canReturn = false; }
    const groups = process.getgroups();
    console.log(JSON.stringify({ warnings, uid, euid, gid, egid, groups, canReturn, umask: process.umask() }));
  } catch (error) {
    console.log(JSON.stringify({ failure: error.lines ?? String(error) }));
  }
`;

/** Becomes \`user\` in a process of its own and tells what that process is then. */
function become(user: string, env: NodeJS.ProcessEnv = {}) {
  const { stdout, stderr } = runScript(RUN, { PUID: '', PGID: '', UMASK_SET: '', TEST_USER: user, ...env });
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

function idOf(user: string, flag: '-u' | '-g' | '-G'): number[] {
  const { stdout, status } = spawnSync('id', [flag, user], { encoding: 'utf8' });
  return status === 0 ? stdout.trim().split(' ').map(Number) : [];
}

for (const user of ['nobody', 'daemon']) {
  test(`root becomes ${user}, with the groups of that user and no way back`, asRoot, () => {
    const [uid] = idOf(user, '-u');
    const [gid] = idOf(user, '-g');
    const groups = idOf(user, '-G');
    const became = become(user);
    assert.deepEqual(
      { ...became, groups: became.groups.toSorted() },
      {
        warnings: [],
        uid,
        euid: uid,
        gid,
        egid: gid,
        groups: groups.toSorted(),
        canReturn: false,
        umask: process.umask(),
      },
    );
  });
}

test('where there is no mosquitto, nobody serves', asRoot, () => {
  const [uid] = idOf('mosquitto', '-u').concat(idOf('nobody', '-u'));
  assert.equal(become('mosquitto').uid, uid);
});

test('user root stays root, with a warning', asRoot, () => {
  const { uid, warnings } = become('root');
  assert.equal(uid, 0);
  assert.deepEqual(warnings, ['Warning: Zanzara should not be run as root/administrator.']);
});

const IDS: readonly (readonly [env: NodeJS.ProcessEnv, uid: number, gid: number])[] = [
  [{ PUID: '4711', PGID: '4712' }, 4711, 4712],
  [{ PUID: '4711' }, 4711, 4711],
  [{ PUID: '0' }, 0, 0],
  [{ PUID: '0', PGID: '4712' }, 0, 4712],
];
for (const [env, uid, gid] of IDS) {
  test(`${JSON.stringify(env)} stands above the configuration`, asRoot, () => {
    const became = become('no-such-user', env);
    assert.deepEqual([became.uid, became.euid, became.gid, became.egid], [uid, uid, gid, gid]);
    if (uid !== 0) assert.deepEqual(became.groups, [gid]);
  });
}

test('PUID of an account brings its group, PGID alone only the group', asRoot, () => {
  const [uid] = idOf('nobody', '-u');
  const [gid] = idOf('nobody', '-g');
  const byId = become('no-such-user', { PUID: `${uid}` });
  assert.deepEqual([byId.uid, byId.gid], [uid, gid]);
  const byGroup = become('nobody', { PGID: '4712' });
  assert.deepEqual([byGroup.uid, byGroup.gid], [uid, 4712]);
});

test('a user that does not exist', asRoot, () => {
  assert.deepEqual(become('no-such-user').failure, [
    "Error: Unable to drop privileges to 'no-such-user' because this user does not exist.",
    "Create the account, name another one with 'user', or set PUID and PGID in the environment.",
  ]);
});

test('numbers in the environment that are none', asRoot, () => {
  for (const [name, text] of [
    ['PUID', '-1'],
    ['PGID', '4294967295'],
    ['PUID', 'root'],
  ] as const) {
    const { failure } = become('nobody', { [name]: text });
    assert.deepEqual(failure, [
      `Error: Invalid ${name} '${text}' in the environment. It is a number from 0 to 4294967294.`,
    ]);
  }
});

test('who is not root stays who it is', { ...limit, skip: isRoot && 'for other users' }, () => {
  const { uid, warnings } = become('no-such-user', { PUID: '4711' });
  assert.equal(uid, process.getuid?.());
  assert.deepEqual(warnings, []);
});

test('UMASK_SET', limit, () => {
  assert.equal(become('root', { UMASK_SET: '027' }).umask, 0o027);
  for (const text of ['8', '1000', 'x', '-1']) {
    assert.deepEqual(become('root', { UMASK_SET: text }).failure, [
      `Error: Invalid UMASK_SET '${text}' in the environment. It is an octal number from 0 to 777, such as 027.`,
    ]);
  }
});
