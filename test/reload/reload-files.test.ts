/** SIGHUP itself: files that are broken, signals that come too early or too often, the log, what takes a restart. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { test } from 'node:test';
import { loadLibc } from '../../src/app/process/libc.ts';
import { cannotReceiveDatagrams } from '../fixtures/datagram-receiver.ts';
import { admission, Visitor } from '../options/visitor.ts';
import { type Files, passwordLine, REFUSED, RELOADED, ReloadHouse } from './reload-house.ts';

const limit = { timeout: 60_000 };

/** How often a client comes to see whether something has changed. */
const VISITS_MAX = 1000;

const OPEN = 'allow_anonymous true\nlistener {PORT} 127.0.0.1\n';

const GOOD: Files = {
  'conf.d/one.conf': 'max_keepalive 60\n',
  'zanzara.conf': `include_dir {FOLDER}/conf.d
listener {PORT} 127.0.0.1
password_file {FOLDER}/passwords
acl_file {FOLDER}/acl
listener {PORT2} 127.0.0.1
psk_hint plant
psk_file {FOLDER}/keys
`,
  passwords: passwordLine('anna', 'anna'),
  acl: 'user anna\ntopic readwrite open/#\n',
  keys: 'pump7:deadbeef\n',
};

/** What is broken, and what the log says of it. Each would let more or others in if a part of it were taken over. */
const BROKEN: readonly { readonly what: string; readonly files: Files; readonly says: RegExp }[] = [
  {
    what: 'a line of the configuration',
    files: { 'zanzara.conf': 'allow_anonymous true\nmax_quued_messages 7\nlistener {PORT} 127.0.0.1\n' },
    says: /Unknown configuration variable .max_quued_messages.*zanzara\.conf:2/s,
  },
  {
    what: 'a value of the configuration',
    files: { 'zanzara.conf': 'listener {PORT} 127.0.0.1\nallow_anonymous perhaps\n' },
    says: /allow_anonymous.*zanzara\.conf:2/s,
  },
  {
    what: 'a file of include_dir',
    files: { 'conf.d/one.conf': '\nallow_anonymous true\nmax_keepalive long\n' },
    says: /max_keepalive.*conf\.d\/one\.conf:3/s,
  },
  {
    what: 'the password file',
    files: { passwords: `${passwordLine('ben', 'ben')}anna:$7$half a hash\n` },
    says: /passwords.*anna|anna.*passwords/s,
  },
  { what: 'the ACL file', files: { acl: 'topic readwrite #\ntropic read x\n' }, says: /acl.*2|2.*acl/s },
  { what: 'the PSK file', files: { keys: 'pump7:deadbeef\npump8:no hex\n' }, says: /psk.*pump8/ },
  {
    what: 'a file that is gone',
    files: { 'zanzara.conf': String(GOOD['zanzara.conf']).replace('/acl', '/gone') },
    says: /gone/,
  },
  {
    what: 'the address of a listener',
    files: { 'zanzara.conf': `allow_anonymous true\nlistener {PORT} 127.0.0.1\nlistener {PORT3} 192.0.2.1\n` },
    says: /192\.0\.2\.1|Cannot assign requested address/,
  },
  {
    what: 'a name that nobody can have',
    files: { 'zanzara.conf': `allow_anonymous true\nlistener {PORT} 127.0.0.1\nlistener {PORT3} ${'x'.repeat(64)}\n` },
    says: /Name or service not known.*'x{64}'/s,
  },
  {
    what: 'a certificate that is not there',
    files: {
      'zanzara.conf':
        'allow_anonymous true\nlistener {PORT} 127.0.0.1\nlistener {PORT3} 127.0.0.1\n' +
        'certfile {FOLDER}/none.crt\nkeyfile {FOLDER}/none.key\n',
    },
    says: /Unable to load server certificate/,
  },
  {
    what: 'a listener that changes its kind',
    files: { 'zanzara.conf': 'allow_anonymous true\nlistener {PORT} 127.0.0.1\nprotocol http_api\n' },
    says: /changes between plain, TLS and http_api.*restart/s,
  },
  {
    what: 'the folder of a log file',
    files: { 'zanzara.conf': `allow_anonymous true\n${GOOD['zanzara.conf']}log_dest file {FOLDER}/none/x.log\n` },
    says: /none\/x\.log/,
  },
  {
    what: 'a listener twice',
    files: { 'zanzara.conf': `${OPEN}listener {PORT} 127.0.0.1\n` },
    says: /zanzara\.conf:3/,
  },
  {
    what: 'a listener that changes its address on the same port',
    files: { 'zanzara.conf': 'allow_anonymous true\nlistener {PORT} 0.0.0.0\n' },
    says: /changes its address, and the port is in use by this broker/,
  },
  {
    what: 'a bridge, which is not there yet',
    files: { 'zanzara.conf': `${OPEN}connection b\naddress 127.0.0.1\ntopic # both\n` },
    says: /Bridge 'b' is configured/,
  },
];

test('what is broken changes nothing and says so, twice in a row; then what is good works', limit, async (t) => {
  const house = await ReloadHouse.start(t, GOOD);
  const port = house.port();
  const anna = await Visitor.connect(port, { clientId: 'anna', userName: 'anna', password: 'anna' });
  await anna.subscribe('#');
  for (const { what, files, says } of BROKEN) {
    await t.test(what, async () => {
      for (let count = 0; count < 2; count += 1) {
        const { isDone, lines } = await house.reload({ ...GOOD, ...files });
        assert.ok(!isDone, lines.join('\n'));
        assert.match(lines.join('\n'), says);
        assert.ok(lines.includes('Reloading config.'), lines.join('\n'));
      }
      assert.equal(await admission(port), 0x87);
      assert.equal(await admission(port, { userName: 'ben', password: 'ben' }), 0x87);
      assert.equal(await anna.publish('closed', 'x'), 0x87);
      assert.equal(await anna.publish('open/x', what), 0);
      assert.equal(await anna.next(), what);
      await assert.rejects(Visitor.connect(house.port(3)), { code: 'ECONNREFUSED' });
    });
  }
  await t.test('a good one', async () => {
    await house.reloadWell({ ...GOOD, acl: 'user anna\ntopic readwrite #\n' });
    assert.equal(await anna.publish('closed', 'by the new rules'), 0);
    assert.equal(await anna.next(), 'by the new rules');
  });
});

test('a configuration file that is gone for a while changes nothing', limit, async (t) => {
  const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
  const file = house.path('zanzara.conf');
  renameSync(file, `${file}.away`);
  const { isDone, lines } = await house.reload();
  assert.ok(!isDone);
  assert.match(lines.join('\n'), /Error: Unable to open config file/);
  assert.equal(await admission(house.port()), 'in');
  renameSync(`${file}.away`, file);
  await house.reloadWell();
});

test('reloads, good and broken, leave nothing open behind them', limit, async (t) => {
  const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
  const { pid } = house.broker.child;
  const openFiles = () => readdirSync(`/proc/${pid}/fd`).length;
  const more = (round: number) =>
    `${OPEN}listener {PORT2} 127.0.0.1\nlistener 0 {FOLDER}/sock\nlistener {PORT3} 127.0.0.1\nprotocol http_api\n` +
    `log_dest stderr\nlog_dest file {FOLDER}/${round}.log\n`;
  // The first of each kind loads code.
  await house.reloadWell({ 'zanzara.conf': more(0) });
  await house.reloadWell({ 'zanzara.conf': OPEN });
  const before = openFiles();
  for (let round = 1; round <= 20; round += 1) {
    await house.reloadWell({ 'zanzara.conf': more(round) });
    const broken = `${OPEN}listener {PORT4} 127.0.0.1\nlistener {PORT5} 192.0.2.1\n`;
    assert.ok(!(await house.reload({ 'zanzara.conf': broken })).isDone);
    await house.reloadWell({ 'zanzara.conf': OPEN });
  }
  assert.ok(openFiles() < before + 10, `${before} open files, then ${openFiles()}`);
});

test('signals one upon the other: the last files are those in force', limit, async (t) => {
  const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
  const { child } = house.broker;
  const strict = OPEN.replace('true', 'false');
  for (let round = 0; round < 5; round += 1) {
    const { mark } = house;
    child.kill('SIGHUP');
    child.kill('SIGHUP');
    await house.sees('Reloading config.', mark);
    house.write({ 'zanzara.conf': round % 2 === 0 ? strict : OPEN });
    child.kill('SIGHUP');
    const wanted = round % 2 === 0 ? 0x87 : 'in';
    // How many reloads come of it is open; the last of them has read the last files.
    for (let count = 0; (await admission(house.port())) !== wanted; count += 1) assert.ok(count < VISITS_MAX);
  }
});

test('SIGHUP during the start: the broker starts, then reads everything again', limit, async (t) => {
  // So many rules that the start takes a while, and a name, whose look-up lets signals in.
  const acl = `${Array.from({ length: 60_000 }, (_, index) => `topic read a/${index}/#\n`).join('')}topic write b\n`;
  const config = `${OPEN.replace('127.0.0.1', 'localhost')}acl_file {FOLDER}/acl\n`;
  const house = await ReloadHouse.begin(t, { 'zanzara.conf': config, acl });
  await house.sees(' starting');
  house.broker.child.kill('SIGHUP');
  await house.sees([RELOADED, REFUSED]);
  const lines = house.linesSince(0);
  const begun = lines.indexOf('Reloading config.');
  assert.ok(begun > lines.findIndex((line) => line.endsWith(' running')), lines.join('\n'));
  assert.ok(lines.at(-1)?.startsWith(RELOADED), lines.join('\n'));
  assert.equal(await admission(house.port()), 'in');
});

test('SIGHUP and SIGTERM at once: the broker ends, cleanly', limit, async (t) => {
  for (const signals of [['SIGHUP', 'SIGTERM'] as const, ['SIGTERM', 'SIGHUP'] as const]) {
    const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
    await Visitor.connect(house.port());
    for (const signal of signals) house.broker.child.kill(signal);
    assert.deepEqual(await house.broker.ended, { code: 0, signal: null });
    assert.doesNotMatch(house.broker.stderr, /defect|Error/);
  }
});

test('the log goes to another file after a reload; SIGRTMIN opens it again', limit, async (t) => {
  const withLog = (name: string) => `${OPEN}log_dest stderr\nlog_dest file {FOLDER}/${name}\n`;
  const house = await ReloadHouse.start(t, { 'zanzara.conf': withLog('one.log') });
  const read = (name: string) => (existsSync(house.path(name)) ? readFileSync(house.path(name), 'utf8') : '');
  await visitUntil(house, 'first', () => read('one.log').includes(' as first'));
  await house.reloadWell({ 'zanzara.conf': withLog('two.log') });
  await visitUntil(house, 'second', () => read('two.log').includes(' as second'));
  assert.doesNotMatch(read('one.log'), / as second/);
  assert.doesNotMatch(read('two.log'), / as first/);

  await t.test('SIGRTMIN', { skip: cannotReceiveDatagrams }, async () => {
    renameSync(house.path('two.log'), house.path('two.log.1'));
    const { pid } = house.broker.child;
    assert.ok(pid !== undefined);
    process.kill(pid, loadLibc().realTimeSignal());
    await visitUntil(house, 'third', () => read('two.log').includes(' as third'));
    assert.match(read('two.log.1'), / as second/);
  });

  await t.test('SIGHUP with a broken configuration opens it again too', async () => {
    renameSync(house.path('two.log'), house.path('two.log.2'));
    const { isDone } = await house.reload({ 'zanzara.conf': 'nonsense\n' });
    assert.ok(!isDone);
    await visitUntil(house, 'fourth', () => read('two.log').includes(' as fourth'));
    assert.match(read('two.log'), /Unknown configuration variable/);
  });

  await t.test('log_type', async () => {
    const strict = withLog('two.log').replace('true', 'false');
    house.write({ 'zanzara.conf': `${strict}log_type error\nlog_type warning\n` });
    const before = house.mark;
    house.broker.child.kill('SIGHUP');
    // The log has its own way to us: what it says of this reload may come after the effect.
    await house.sees('Reloading config.', before);
    // That it was read again is not logged any more.
    for (let count = 0; (await admission(house.port())) === 'in'; count += 1) assert.ok(count < VISITS_MAX);
    const { mark } = house;
    assert.equal(await admission(house.port(), { clientId: 'unseen' }), 0x87);
    const { lines } = await house.reload({ 'zanzara.conf': 'nonsense\n' });
    assert.doesNotMatch([...house.linesSince(mark), ...lines].join('\n'), /unseen|Reloading config/);
  });
});

test('log_dest topic comes and goes with a reload', limit, async (t) => {
  const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
  const watcher = await Visitor.connect(house.port(), { clientId: 'watcher' });
  await watcher.subscribe('$SYS/broker/log/#');
  await house.reloadWell({ 'zanzara.conf': `${OPEN}log_dest stderr\nlog_dest topic\n` });
  assert.match(await watcher.next(), /Configuration reloaded from/);
  const { mark } = house;
  await house.reloadWell({ 'zanzara.conf': OPEN });
  await (await Visitor.connect(house.port(), { clientId: 'unseen' })).leave();
  await house.sees('Client unseen [', mark);
  await watcher.subscribe('own');
  await watcher.publish('own', 'end');
  const seen: string[] = [];
  while (seen.at(-1) !== 'end') seen.push(await watcher.next());
  assert.doesNotMatch(seen.join('\n'), /unseen/);
});

/** What the broker logs is in the file a turn later: comes and goes until it is. */
async function visitUntil(house: ReloadHouse, clientId: string, isDone: () => boolean): Promise<void> {
  for (let count = 0; !isDone(); count += 1) {
    assert.ok(count < VISITS_MAX, house.broker.stderr);
    assert.equal(await admission(house.port(), { clientId }), 'in');
  }
}

test('sys_interval: 0 publishes nothing, another one publishes from now on', limit, async (t) => {
  const house = await ReloadHouse.start(t, { 'zanzara.conf': `${OPEN}sys_interval 0\n` });
  const watcher = await Visitor.connect(house.port(), { clientId: 'watcher' });
  await watcher.subscribe('$SYS/broker/uptime');
  await watcher.subscribe('own');
  await watcher.publish('own', 'nothing before this');
  assert.equal(await watcher.next(), 'nothing before this');
  await house.reloadWell({ 'zanzara.conf': `${OPEN}sys_interval 1\n` });
  assert.match(await watcher.next(), /^\d+ seconds$/);
});

test('what takes a restart is named, and the old value stays', limit, async (t) => {
  const config = `${OPEN}pid_file {FOLDER}/one.pid\n`;
  const house = await ReloadHouse.start(t, { 'zanzara.conf': config });
  const warning = "Warning: 'pid_file' has changed. That takes a restart: the old value stays.";
  const changed = config.replace('one', 'two');
  assert.ok((await house.reloadWell({ 'zanzara.conf': changed })).includes(warning));
  // For as long as the file says something else than what is in force.
  assert.ok((await house.reloadWell()).includes(warning));
  assert.ok(!(await house.reloadWell({ 'zanzara.conf': config })).includes(warning));
  assert.ok(existsSync(house.path('one.pid')));
  assert.ok(!existsSync(house.path('two.pid')));
});

test('the value of a limit is that of the last file, for who is connected and who comes', limit, async (t) => {
  const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
  const port = house.port();
  const keepAlive = async () =>
    (await Visitor.connect(port, { clientId: 'k' })).client.connack.properties.serverKeepAlive;
  assert.equal(await keepAlive(), null);
  await house.reloadWell({ 'zanzara.conf': `${OPEN}max_keepalive 20\n` });
  assert.equal(await keepAlive(), 20);
  await house.reloadWell({ 'zanzara.conf': OPEN });
  assert.equal(await keepAlive(), null);
});

test('local-only mode: the HTTP API is there after a reload as before', limit, async (t) => {
  // Its port is fixed: another broker on this machine may have it.
  const house = await ReloadHouse.start(t, { 'zanzara.conf': 'sys_interval 5\n' }, ['-p', '{PORT}']);
  await house.reloadWell();
  assert.equal(await admission(house.port()), 'in');
});
