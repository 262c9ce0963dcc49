/** What a SIGHUP changes for clients that are connected, for those that are away, and for those that come later. */
import assert from 'node:assert/strict';
import { pbkdf2Sync } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Transport } from '../../src/base/link.ts';
import { type ClosedReason, ConnectRefusedError } from '../../src/client/client-types.ts';
import { createNodeTransport } from '../../src/transport/node/node-transport.ts';
import { connectLoadClient } from '../fixtures/load-client.ts';
import { field, rawConnect } from '../fixtures/raw-packets.ts';
import { RawSocket } from '../fixtures/raw-socket.ts';
import { admission, Visitor } from '../options/visitor.ts';
import { passwordLine, ReloadHouse } from './reload-house.ts';

const limit = { timeout: 60_000 };

const NOT_AUTHORIZED = 0x87;
const ADMINISTRATIVE_ACTION = 0x98;

const OPEN = 'allow_anonymous true\nlistener {PORT} 127.0.0.1\n';

/** Ends with the reason that the broker gave. */
async function reasonOf(visitor: Visitor): Promise<number | ClosedReason> {
  const end = await visitor.client.closed;
  return end.kind === 'server-disconnect' ? end.reason : end;
}

/** It is connected and served: what it publishes on `own/ID` comes back to it. */
async function isServed(visitor: Visitor, topic: string): Promise<void> {
  await visitor.subscribe(topic);
  assert.equal(await visitor.publish(topic, 'served'), 0);
  assert.equal(await visitor.next(), 'served');
}

/** By name and password, of a house whose passwords are the names. */
function connectAs(house: ReloadHouse, userName: string, password = userName): Promise<Visitor> {
  return Visitor.connect(house.port(), { clientId: userName, userName, password });
}

const USERS = ['anna', 'ben', 'cleo'].map((name) => passwordLine(name, name)).join('');

test(
  'a password that changed and a user that is gone: their clients are disconnected, others stay',
  limit,
  async (t) => {
    const config = 'listener {PORT} 127.0.0.1\npassword_file {FOLDER}/passwords\n';
    const house = await ReloadHouse.start(t, { 'zanzara.conf': config, passwords: USERS });
    const [anna, ben, cleo] = [
      await connectAs(house, 'anna'),
      await connectAs(house, 'ben'),
      await connectAs(house, 'cleo'),
    ];
    const ben3 = await RawSocket.open(house.port());
    ben3.send(rawConnect({ flags: 0xc2, payload: ['\0\x04ben3', '\0\x03ben', '\0\x03ben'] }));
    assert.equal((await ben3.packets(1))[0]?.[3], 0);

    const lines = await house.reloadWell({ passwords: passwordLine('anna', 'new') + passwordLine('cleo', 'cleo') });
    assert.ok(lines.includes('3 connected clients were disconnected: the rules changed.'), lines.join('\n'));
    assert.equal(await reasonOf(anna), NOT_AUTHORIZED);
    assert.equal(await reasonOf(ben), NOT_AUTHORIZED);
    await ben3.closed;
    await isServed(cleo, 'a');
    assert.equal(await admission(house.port(), { userName: 'anna', password: 'anna' }), NOT_AUTHORIZED);
    assert.equal(await admission(house.port(), { userName: 'anna', password: 'new' }), 'in');
    assert.equal(await admission(house.port(), { userName: 'ben', password: 'ben' }), NOT_AUTHORIZED);
    await isServed(cleo, 'a');
  },
);

test('who is being checked while its user goes is not let in, or is out again at once', limit, async (t) => {
  const config = 'listener {PORT} 127.0.0.1\npassword_file {FOLDER}/passwords\n';
  const slow = slowPasswordLine('slow', 'slow');
  const house = await ReloadHouse.start(t, { 'zanzara.conf': config, passwords: slow });
  const others = passwordLine('anna', 'anna');
  for (let round = 0; round < 5; round += 1) {
    await house.reloadWell({ passwords: slow + others });
    const logins = [0, 1, 2].map((number) =>
      Visitor.connect(house.port(), { clientId: `slow${number}`, userName: 'slow', password: 'slow' }).catch(
        reasonOfRefusal,
      ),
    );
    // Most likely their CONNECTs have come by then; what holds for them holds in any case.
    assert.equal(await admission(house.port(), { userName: 'anna', password: 'anna' }), 'in');
    await house.reloadWell({ passwords: others });
    for (const login of await Promise.all(logins)) {
      assert.equal(login instanceof Visitor ? await reasonOf(login) : login, NOT_AUTHORIZED);
    }
  }
});

function reasonOfRefusal(error: unknown): number {
  if (error instanceof ConnectRefusedError) return error.reason;
  throw error;
}

/** A line whose check takes a while. */
function slowPasswordLine(user: string, password: string): string {
  const salt = Buffer.from('twelve bytes');
  const iterations = 60_000;
  const hash = pbkdf2Sync(password, salt, iterations, 64, 'sha512');
  return `${user}:$7$${iterations}$${salt.toString('base64')}$${hash.toString('base64')}\n`;
}

test('allow_anonymous true, then false: who has no name is disconnected, who has one stays', limit, async (t) => {
  const config = 'listener {PORT} 127.0.0.1\npassword_file {FOLDER}/passwords\nallow_anonymous true\n';
  const house = await ReloadHouse.start(t, { 'zanzara.conf': config, passwords: USERS });
  const anna = await connectAs(house, 'anna');
  const nobody = await Visitor.connect(house.port());
  await house.reloadWell({ 'zanzara.conf': config.replace('true', 'false') });
  assert.equal(await reasonOf(nobody), NOT_AUTHORIZED);
  assert.equal(await admission(house.port()), NOT_AUTHORIZED);
  await isServed(anna, 'a');
  await house.reloadWell({ 'zanzara.conf': config });
  assert.equal(await admission(house.port()), 'in');
});

test(
  'an ACL that changed holds at once for connected clients: what they publish and what they get',
  limit,
  async (t) => {
    const acl = 'topic readwrite all/#\ntopic readwrite some/#\n';
    const config = `${OPEN}acl_file {FOLDER}/acl\n`;
    const house = await ReloadHouse.start(t, { 'zanzara.conf': config, acl });
    const reader = await Visitor.connect(house.port(), { clientId: 'reader' });
    const writer = await Visitor.connect(house.port(), { clientId: 'writer' });
    await reader.subscribe('#');
    assert.equal(await writer.publish('some/a', 'before'), 0);
    assert.equal(await reader.next(), 'before');

    await house.reloadWell({ acl: 'topic readwrite all/#\ntopic write some/#\n' });
    assert.equal(await writer.publish('some/a', 'is not to be read'), 0);
    await house.reloadWell({ acl: 'topic readwrite all/#\ntopic read some/#\n' });
    assert.equal(await writer.publish('some/a', 'is not to be written'), NOT_AUTHORIZED);
    await house.reloadWell({ acl });
    assert.equal(await writer.publish('some/a', 'again'), 0);
    assert.equal(await reader.next(), 'again');
    // An ACL that was not there before, and one that is no more.
    await house.reloadWell({ 'zanzara.conf': OPEN });
    assert.equal(await writer.publish('more', 'without any rules'), 0);
    assert.equal(await reader.next(), 'without any rules');
    await house.reloadWell({ 'zanzara.conf': config });
    assert.equal(await writer.publish('more', 'with rules'), NOT_AUTHORIZED);
  },
);

test('an ACL that changed holds for what waits for a client that is away', limit, async (t) => {
  const acl = 'topic readwrite open/#\ntopic readwrite secret/#\n';
  const house = await ReloadHouse.start(t, { 'zanzara.conf': `${OPEN}acl_file {FOLDER}/acl\n`, acl });
  const stays = { clientId: 'away', properties: { sessionExpiryInterval: 1000 }, cleanStart: false };
  const away = await Visitor.connect(house.port(), stays);
  await away.subscribe('#');
  await away.leave();
  const writer = await Visitor.connect(house.port(), { clientId: 'writer' });
  for (const text of ['1', '2', '3']) {
    await writer.publish(`secret/${text}`, `secret ${text}`);
    await writer.publish(`open/${text}`, `open ${text}`);
  }
  await house.reloadWell({ acl: 'topic readwrite open/#\n' });
  const back = await Visitor.connect(house.port(), stays);
  await writer.publish('open/end', 'end');
  const seen: string[] = [];
  while (seen.at(-1) !== 'end') seen.push(await back.next());
  assert.deepEqual(seen, ['open 1', 'open 2', 'open 3', 'end']);
});

test('an ACL that changed holds for what waits behind the window of a client that is connected', limit, async (t) => {
  const acl = 'topic readwrite open/#\ntopic readwrite secret/#\n';
  const house = await ReloadHouse.start(t, { 'zanzara.conf': `${OPEN}acl_file {FOLDER}/acl\n`, acl });
  const seen: string[] = [];
  const [first, last] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const mayGoOn = Promise.withResolvers<void>();
  // One message at a time, and the first is not acknowledged for a while.
  const slow = await connectLoadClient(house.port(), {
    version: 5,
    clientId: 'slow',
    properties: { receiveMaximum: 1 },
    onMessage: ({ payload }) => {
      seen.push(Buffer.from(payload).toString());
      if (seen.length === 1) first.resolve();
      if (seen.at(-1) === 'end') last.resolve();
      return mayGoOn.promise;
    },
  });
  await slow.subscribe([{ filter: '#', qos: 1 }]);
  const writer = await Visitor.connect(house.port(), { clientId: 'writer' });
  for (const topic of ['open/1', 'secret/1', 'open/2', 'secret/2']) await writer.publish(topic, topic);
  await first.promise;
  await house.reloadWell({ acl: 'topic readwrite open/#\n' });
  await writer.publish('open/end', 'end');
  mayGoOn.resolve();
  await last.promise;
  assert.deepEqual(seen, ['open/1', 'open/2', 'end']);
  await slow.disconnect();
});

test('per_listener_settings turned on: each listener has its own rules from now on', limit, async (t) => {
  const lines = 'listener {PORT} 127.0.0.1\nlistener {PORT2} 127.0.0.1\nallow_anonymous true\n';
  const house = await ReloadHouse.start(t, { 'zanzara.conf': lines });
  const first = await Visitor.connect(house.port(), { clientId: 'first' });
  const second = await Visitor.connect(house.port(2), { clientId: 'second' });
  await house.reloadWell({ 'zanzara.conf': `per_listener_settings true\n${lines}` });
  assert.equal(await reasonOf(first), NOT_AUTHORIZED);
  assert.equal(await admission(house.port()), NOT_AUTHORIZED);
  await isServed(second, 'a');
});

test('a user whose rights on its will are gone: the will is not published', limit, async (t) => {
  const acl = 'topic readwrite #\n';
  const house = await ReloadHouse.start(t, { 'zanzara.conf': `${OPEN}acl_file {FOLDER}/acl\n`, acl });
  const reader = await Visitor.connect(house.port(), { clientId: 'reader' });
  await reader.subscribe('#');
  const dying = await Visitor.connect(house.port(), { clientId: 'dying', will: { topic: 'wills/x', payload: 'will' } });
  await house.reloadWell({ acl: 'topic readwrite open\ntopic read #\n' });
  const { mark } = house;
  dying.client.destroy();
  await house.sees("Denied will of dying on 'wills/x'.", mark);
  await reader.publish('open', 'nothing else');
  assert.equal(await reader.next(), 'nothing else');
});

test(
  'a listener that is added is open; one that is removed tells its clients; others notice nothing',
  limit,
  async (t) => {
    const second = 'listener {PORT2} 127.0.0.1\n';
    const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
    const stays = await Visitor.connect(house.port(), { clientId: 'stays' });
    await assert.rejects(Visitor.connect(house.port(2)), { code: 'ECONNREFUSED' });
    for (let round = 0; round < 3; round += 1) {
      const lines = await house.reloadWell({ 'zanzara.conf': OPEN + second });
      assert.ok(lines.includes(`Opening ipv4 listen socket on port ${house.port(2)}.`), lines.join('\n'));
      const moved = await Visitor.connect(house.port(2), { clientId: 'moved' });
      const old = await RawSocket.open(house.port(2));
      old.send(rawConnect());
      assert.equal((await old.packets(1))[0]?.[3], 0);
      await house.reloadWell({ 'zanzara.conf': OPEN });
      assert.equal(await reasonOf(moved), ADMINISTRATIVE_ACTION);
      await old.closed;
      await assert.rejects(Visitor.connect(house.port(2)), { code: 'ECONNREFUSED' });
    }
    await isServed(stays, 'a');
  },
);

/** Addresses, `host:port`, on which somebody listens; of IPv4. */
function openAddresses(port: number): readonly string[] {
  const rows = readFileSync('/proc/net/tcp', 'latin1').split('\n').slice(1);
  const wanted = port.toString(16).toUpperCase().padStart(4, '0');
  const isListening = (columns: readonly string[]) => columns[3] === '0A' && columns[1]?.endsWith(`:${wanted}`);
  const found = rows.map((row) => row.trim().split(/\s+/)).filter(isListening);
  return found.map(([, address = '']) => (address.startsWith('00000000') ? `every:${port}` : `one:${port}`));
}

test('all listener lines are gone: what everybody could reach does not become local-only mode', limit, async (t) => {
  const config = 'listener {PORT}\npassword_file {FOLDER}/passwords\n';
  const house = await ReloadHouse.start(t, { 'zanzara.conf': config, passwords: USERS }, ['-p', '{PORT}']);
  const port = house.port();
  // Local-only mode lets in everybody, because only this machine can reach it.
  const { isDone, lines } = await house.reload({ 'zanzara.conf': 'max_keepalive 60\n' });
  assert.ok(!isDone, lines.join('\n'));
  assert.match(lines.join('\n'), /The new configuration has no listener/);
  assert.equal(await admission(port), NOT_AUTHORIZED);
  assert.deepEqual(openAddresses(port), [`every:${port}`]);
});

for (const [what, text] of [
  ['empty', ''],
  ['only comments', '# being written\n'],
] as const) {
  test(`T03 a file that is ${what} for a moment opens no broker without users`, limit, async (t) => {
    const config = 'listener {PORT} 127.0.0.1\npassword_file {FOLDER}/passwords\n';
    const house = await ReloadHouse.start(t, { 'zanzara.conf': config, passwords: USERS }, ['-p', '{PORT2}']);
    const { isDone, lines } = await house.reload({ 'zanzara.conf': text });
    assert.ok(!isDone, lines.join('\n'));
    assert.equal(await admission(house.port()), NOT_AUTHORIZED);
    await assert.rejects(Visitor.connect(house.port(2)), { code: 'ECONNREFUSED' });
    await house.reloadWell({ 'zanzara.conf': config });
  });
}

const LATE: readonly (readonly [what: string, extra: string])[] = [
  ['a mount point', 'mount_point ten/\n'],
  ['versions', 'accept_protocol_versions 5\n'],
  ['the user name as client id', 'use_username_as_clientid true\n'],
  ['no empty client id', 'allow_zero_length_clientid false\n'],
];
for (const [what, extra] of LATE) {
  test(`T03 ${what}: who was accepted before and says CONNECT after the reload is not let in`, limit, async (t) => {
    const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
    const { mark } = house;
    const early = await RawSocket.open(house.port());
    await house.sees('New connection from', mark);
    await house.reloadWell({ 'zanzara.conf': OPEN + extra });
    early.send(rawConnect({ payload: [field('')] }));
    assert.equal((await early.received(1)).length, 0);
  });
}

test('a mount point that comes: the clients of the listener are told to come again, others stay', limit, async (t) => {
  const second = 'listener {PORT2} 127.0.0.1\n';
  const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN + second });
  const stays = await Visitor.connect(house.port(), { clientId: 'stays' });
  const moved = await Visitor.connect(house.port(2), { clientId: 'moved' });
  const lines = await house.reloadWell({ 'zanzara.conf': `${OPEN}${second}mount_point ten/\n` });
  assert.equal(await reasonOf(moved), ADMINISTRATIVE_ACTION);
  const port = house.port(2);
  assert.ok(lines.includes(`1 clients of listener ${port} were disconnected: mount_point changed.`), lines.join('\n'));
  await isServed(stays, 'a');
});

test('a listener that moves: the will and the queue of its sessions go by the rights they had', limit, async (t) => {
  const rest = 'allow_anonymous true\nacl_file {FOLDER}/all\nlistener {PORT} 127.0.0.1\n';
  const files = { all: 'topic readwrite #\n', 'zanzara.conf': `${rest}listener {PORT2} 127.0.0.1\n` };
  const house = await ReloadHouse.start(t, files);
  const stays = { clientId: 'away', properties: { sessionExpiryInterval: 1000 }, cleanStart: false };
  const away = await Visitor.connect(house.port(2), stays);
  await away.subscribe('q/#');
  await away.leave();
  await Visitor.connect(house.port(2), { clientId: 'dying', will: { topic: 'q/will', payload: 'gone', qos: 1 } });
  const writer = await Visitor.connect(house.port(), { clientId: 'writer' });
  await house.reloadWell({ 'zanzara.conf': `${rest}listener {PORT3} 127.0.0.1\n` });
  await writer.publish('q/later', 'later');
  const back = await Visitor.connect(house.port(3), stays);
  assert.deepEqual([await back.next(), await back.next()], ['gone', 'later']);
});

test(
  'the first listener line: local-only mode becomes what the line says, or the log says that it cannot',
  limit,
  async (t) => {
    const house = await ReloadHouse.start(t, { 'zanzara.conf': 'max_keepalive 60\n' }, ['-p', '{PORT}']);
    const port = house.port();
    const { isDone, lines } = await house.reload({ 'zanzara.conf': 'listener {PORT}\n' });
    assert.ok(!isDone, lines.join('\n'));
    assert.deepEqual(openAddresses(port), [`one:${port}`]);
    assert.equal(await admission(port), 'in');
    await house.reloadWell({ 'zanzara.conf': 'listener {PORT2}\n' });
    assert.deepEqual([openAddresses(port), openAddresses(house.port(2))], [[], [`every:${house.port(2)}`]]);
    assert.equal(await admission(house.port(2)), NOT_AUTHORIZED);
  },
);

test('a unix socket comes and goes with its listener', limit, async (t) => {
  const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
  const path = house.path('sock');
  await house.reloadWell({ 'zanzara.conf': `${OPEN}listener 0 {FOLDER}/sock\n` });
  const node = createNodeTransport();
  const transport: Pick<Transport, 'connect'> = { connect: (_to, accept) => node.connect({ path }, accept) };
  const local = await Visitor.connect(0, { clientId: 'local', transport });
  await isServed(local, 'a');
  await house.reloadWell({ 'zanzara.conf': OPEN });
  assert.equal(await reasonOf(local), ADMINISTRATIVE_ACTION);
  assert.ok(!existsSync(path));
  assert.equal(await admission(house.port()), 'in');
});

test(
  'a session that came through a listener that is gone: nothing but what its new listener allows',
  limit,
  async (t) => {
    const second = 'listener {PORT2} 127.0.0.1\nallow_anonymous true\nacl_file {FOLDER}/all\n';
    const first =
      'per_listener_settings true\nlistener {PORT} 127.0.0.1\nallow_anonymous true\nacl_file {FOLDER}/open\n';
    const files = { open: 'topic readwrite open/#\n', all: 'topic readwrite #\n' };
    const house = await ReloadHouse.start(t, { ...files, 'zanzara.conf': first + second });
    const stays = { clientId: 'away', properties: { sessionExpiryInterval: 1000 }, cleanStart: false };
    const away = await Visitor.connect(house.port(2), stays);
    await away.subscribe('#');
    await away.leave();
    const writer = await Visitor.connect(house.port(2), { clientId: 'writer' });
    const open = await Visitor.connect(house.port(), { clientId: 'open' });
    assert.equal(await writer.publish('secret/x', 'secret'), 0);
    assert.equal(await writer.publish('open/x', 'open'), 0);
    await house.reloadWell({ 'zanzara.conf': first });
    assert.equal(await reasonOf(writer), ADMINISTRATIVE_ACTION);
    await open.publish('open/x', 'while its listener is gone');
    const back = await Visitor.connect(house.port(), stays);
    await open.publish('open/end', 'end');
    const seen: string[] = [];
    while (seen.at(-1) !== 'end') seen.push(await back.next());
    assert.ok(!seen.includes('secret'), seen.join());
  },
);

test('http_dir: another folder is served from now on', limit, async (t) => {
  const config = (folder: string) =>
    `${OPEN}listener {PORT2} 127.0.0.1\nprotocol http_api\nhttp_dir {FOLDER}/${folder}\n`;
  const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
  house.write({ 'one/index.html': 'one', 'two/index.html': 'two' });
  const page = async () => await (await fetch(`http://127.0.0.1:${house.port(2)}/`)).text();
  await house.reloadWell({ 'zanzara.conf': config('one') });
  assert.equal(await page(), 'one');
  await house.reloadWell({ 'zanzara.conf': config('two') });
  assert.equal(await page(), 'two');
  await house.reloadWell({ 'zanzara.conf': OPEN });
  await assert.rejects(page());
});

test('options of a listener hold for new connections on the same port', limit, async (t) => {
  const house = await ReloadHouse.start(t, { 'zanzara.conf': OPEN });
  const port = house.port();
  const stays = await Visitor.connect(port, { clientId: 'stays' });

  await t.test('max_connections', async () => {
    const second = await Visitor.connect(port, { clientId: 'second' });
    await house.reloadWell({ 'zanzara.conf': `${OPEN}max_connections 2\n` });
    assert.equal(await admission(port), 'closed');
    await second.leave();
    await house.sees('second [', 0);
    await house.reloadWell({ 'zanzara.conf': `${OPEN}max_connections 1\n` });
    await isServed(stays, 'a');
    assert.equal(await admission(port), 'closed');
  });

  await t.test('protocol: mqtt, then websockets, then mqtt', async () => {
    await house.reloadWell({ 'zanzara.conf': `${OPEN}protocol websockets\n` });
    const socket = new WebSocket(`ws://127.0.0.1:${port}/mqtt`, 'mqtt');
    socket.binaryType = 'arraybuffer';
    await new Promise((resolve) => socket.addEventListener('open', resolve, { once: true }));
    const answer = new Promise<ArrayBuffer>((resolve) => {
      socket.addEventListener('message', ({ data }) => data instanceof ArrayBuffer && resolve(data), { once: true });
    });
    socket.send(rawConnect());
    assert.deepEqual([...new Uint8Array(await answer)], [0x20, 2, 0, 0]);
    assert.equal(await admission(port), 'closed');
    await house.reloadWell({ 'zanzara.conf': OPEN });
    assert.equal(await admission(port), 'in');
    // Who came by the old rules goes on.
    const pong = new Promise<ArrayBuffer>((resolve) => {
      socket.addEventListener('message', ({ data }) => data instanceof ArrayBuffer && resolve(data), { once: true });
    });
    socket.send(Uint8Array.of(0xc0, 0));
    assert.deepEqual([...new Uint8Array(await pong)], [0xd0, 0]);
    const closed = new Promise((resolve) => socket.addEventListener('close', resolve, { once: true }));
    socket.close();
    await closed;
  });

  await t.test('enable_proxy_protocol', async () => {
    await house.reloadWell({ 'zanzara.conf': `${OPEN}enable_proxy_protocol 1\n` });
    const { mark } = house;
    const raw = await RawSocket.open(port);
    raw.send(Buffer.from('PROXY TCP4 192.0.2.7 192.0.2.1 56324 1883\r\n'));
    raw.send(rawConnect());
    assert.equal((await raw.packets(1))[0]?.[3], 0);
    await house.sees('New client connected from 192.0.2.7:56324', mark);
    raw.destroy();
    assert.equal(await admission(port), 'closed');
  });
  await stays.leave();
});
