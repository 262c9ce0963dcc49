/** The broker as a process and behind others: its log, its end, reading its files again, a proxy, old forms of the configuration. */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { frame, rawConnect, rawPublish } from '../../fixtures/raw-packets.ts';
import { RawSocket } from '../../fixtures/raw-socket.ts';
import { Guest, type GuestOptions, visit } from './guest.ts';
import { PASSWORDS, writePasswords } from './scenarios.ts';
import type { Place, Scenario } from './two-brokers.ts';
import { openWebProxy } from './web-proxy.ts';

const V5 = { protocolVersion: 5 } as const;
const OPERATOR = { username: PASSWORDS[0][0], password: PASSWORDS[0][1] } as const;
const SENSOR = { username: PASSWORDS[1][0], password: PASSWORDS[1][1] } as const;

const stop: Scenario = {
  name: 'start, clients come and go, a clean stop',
  ports: ['PORT'],
  files: { 'mosquitto.conf': 'listener {PORT} 127.0.0.1\nallow_anonymous true\nconnection_messages true\n' },
  async script(place) {
    const polite = await visit(place, { clientId: 'polite', username: 'ann', keepalive: 30 });
    await polite.leave();
    await place.sees(/Client polite .*disconnected/);
    const stays = await visit(place, {
      clientId: 'stays',
      ...V5,
      clean: false,
      properties: { sessionExpiryInterval: 60 },
    });
    const thief = await visit(place, {
      clientId: 'stays',
      ...V5,
      clean: false,
      properties: { sessionExpiryInterval: 60 },
    });
    await stays.farewell;
    const exit = await place.stop('SIGTERM');
    const lines = place.lines().filter((line) => !/^(New connection|Client <unknown>)/.test(line));
    return [`${exit}, the client: ${await thief.farewell}`, ...lines];
  },
};

const localOnly: Scenario = {
  name: 'no configuration',
  // 2.0.11 does not come up with two of them.
  ports: ['PORT'],
  files: {},
  args: ['-p', '{PORT}'],
  async script(place) {
    const [first, second] = [await visit(place, { clientId: 'first' }), await visit(place, { clientId: 'second' })];
    await first.subscribe('x', { qos: 1 });
    const lines = [`publish: ${await second.publish('x', 'text', { qos: 1 })}`, await first.until(1)];
    const other = Object.values(networkInterfaces()).flatMap((all) => all ?? []);
    const outside = other.find(({ internal, family }) => !internal && family === 'IPv4')?.address;
    if (outside !== undefined) {
      const guest = new Guest(`mqtt://${outside}:${place.ports.PORT}`, { clientId: 'outside' });
      lines.push(`from outside: ${await guest.greeting}`);
    }
    lines.push(await place.stop('SIGTERM'));
    return [...lines, ...place.lines().filter((line) => /^(BROKER|Using|Starting|Opening ipv)/.test(line))];
  },
};

const interrupt: Scenario = {
  name: 'a stop by SIGINT, without connection messages',
  ports: ['PORT'],
  files: { 'mosquitto.conf': 'listener {PORT} 127.0.0.1\nallow_anonymous true\nconnection_messages false\n' },
  async script(place) {
    const polite = await visit(place, { clientId: 'polite' });
    await polite.leave();
    return [await place.stop('SIGINT'), ...place.lines()];
  },
};

/** Lines about one client, as the topics of the log show them. */
const logTopics: Scenario = {
  name: 'the log on topics',
  ports: ['PORT'],
  files: {
    'mosquitto.conf': [
      'listener {PORT} 127.0.0.1',
      'allow_anonymous true',
      'log_dest topic',
      'log_dest stderr',
      'log_type error',
      'log_type warning',
      'log_type notice',
      'log_type information',
      'log_type subscribe',
      'log_type unsubscribe',
      '',
    ].join('\n'),
  },
  async script(place) {
    const watcher = await visit(place, { clientId: 'watcher' });
    await watcher.subscribe('$SYS/broker/log/#', { qos: 0 });
    const visitor = await visit(place, { clientId: 'visitor' });
    await visitor.subscribe('a/b', { qos: 1 });
    await visitor.unsubscribe('a/b');
    await visitor.leave();
    while (!watcher.messages.some((line) => /visitor.*disconnected/.test(line)))
      await watcher.until(watcher.messages.length + 1);
    const about = watcher.messages.filter((line) => line.includes('visitor'));
    return place.lines(about.map((line) => line.replace(/ \d{10}: /, ' TIME: ')).join('\n'));
  },
};

const everyLine: Scenario = {
  name: 'every line of the log about a client',
  ports: ['PORT'],
  files: {
    'mosquitto.conf': 'listener {PORT} 127.0.0.1\nallow_anonymous true\nacl_file {FOLDER}/acl\nlog_type all\n',
    acl: 'topic readwrite l/#\ntopic deny l/secret\n',
  },
  async script(place) {
    for (const [name, version] of [
      ['three', {}],
      ['five', V5],
    ] as const) {
      const will = { topic: 'l/will', payload: Buffer.from('gone'), qos: 1, retain: true } as const;
      const guest = await visit(place, { clientId: name, ...version, will, keepalive: 120 });
      await guest.subscribe('l/+', { qos: 2 });
      for (const qos of [0, 1, 2] as const) await guest.publish(`l/${qos}`, 'text', { qos, retain: qos === 1 });
      await guest.until(3);
      await guest.publish('other', 'text', { qos: 1 });
      await guest.publish('l/secret', 'text', { qos: 2 });
      await guest.unsubscribe('l/+');
      await guest.leave();
      await place.sees(new RegExp(`Client ${name} .*disconnected`));
    }
    const lines = place.lines();
    const mine = lines
      .slice(lines.findIndex((line) => line.includes('as three')))
      .filter((line) => !line.includes('<unknown>'));
    // The order of what is read and what is sent is nobody's promise; MQTT.js begins with any packet id.
    return mine.map((line) => line.replaceAll('\t', '> ').replace(/\b(m|Mid: )[1-9]\d*/, '$1ID')).sort();
  },
};

const reload: Scenario = {
  name: 'a reload of users and rights',
  ports: ['PORT'],
  files: {
    'mosquitto.conf': 'listener {PORT} 127.0.0.1\npassword_file {FOLDER}/passwords\nacl_file {FOLDER}/acl\n',
    acl: 'user operator\ntopic readwrite #\nuser sensor1\ntopic write plant/a\n',
  },
  prepare: writePasswords,
  async script(place) {
    const lines: string[] = [];
    const operator = await visit(place, { clientId: 'operator', ...OPERATOR });
    const sensor = await visit(place, { clientId: 'sensor', ...SENSOR, ...V5 });
    await operator.subscribe('plant/#', { qos: 1 });
    let round = 0;
    const say = async (what: string) => {
      round += 1;
      const acks = [];
      for (const topic of ['plant/a', 'plant/b']) acks.push(await sensor.publish(topic, String(round), { qos: 1 }));
      await operator.publish('plant/end', String(round), { qos: 1 });
      while (!operator.messages.some((line) => line.startsWith(`plant/end ${round} `)))
        await operator.until(operator.messages.length + 1);
      const seen = operator.messages.filter((line) => line.includes(` ${round} `));
      lines.push(`${what}: ${acks.join()}: ${seen.join(' / ')}`);
    };
    const login = async (options: GuestOptions) => {
      const guest = await visit(place, { clientId: 'login', ...V5, ...options });
      const greeting = (await guest.greeting).replace(/ \{.*/, '');
      await guest.drop().catch(() => undefined);
      return greeting;
    };
    await say('before');
    await place.reloadWith({ acl: 'user operator\ntopic readwrite #\nuser sensor1\ntopic write plant/b\n' });
    await say('other rights');
    const ann = { username: 'ann', password: 'pump-8' };
    lines.push(`ann: ${await login(ann)}`);
    execFileSync('mosquitto_passwd', ['-b', join(place.folder, 'passwords'), 'ann', 'pump-8'], { stdio: 'ignore' });
    execFileSync('chmod', ['644', join(place.folder, 'passwords')]);
    lines.push(`ann, not read yet: ${await login(ann)}`);
    await place.reloadWith({});
    lines.push(`ann, read: ${await login(ann)}`);
    await say('the others stay');
    execFileSync('mosquitto_passwd', ['-D', join(place.folder, 'passwords'), 'sensor1'], { stdio: 'ignore' });
    execFileSync('chmod', ['644', join(place.folder, 'passwords')]);
    await place.reloadWith({});
    lines.push(`sensor1 is gone: ${await sensor.farewell}, again: ${await login(SENSOR)}`);
    lines.push(`anonymous: ${await login({})}`);
    const open = 'allow_anonymous true\nlistener {PORT} 127.0.0.1\n';
    await place.reloadWith({ 'mosquitto.conf': open });
    lines.push(`everybody is welcome: ${await login({})}`);
    await operator.publish('plant/last', 'x', { qos: 1 });
    lines.push(await place.stop('SIGTERM'));
    return lines;
  },
};

const oldForms: Scenario = {
  name: 'old forms, and a folder of files',
  ports: ['PORT', 'PORT2'],
  files: {
    'mosquitto.conf': [
      '# as they are found on machines that nobody has touched for years',
      'port {PORT}',
      'bind_address 127.0.0.1',
      'max_inflight_messages 5',
      'retry_interval 20',
      'include_dir {FOLDER}/conf.d',
      '',
    ].join('\r\n'),
    'conf.d/20-second.conf': 'listener {PORT2} 127.0.0.1\nmaximum_qos 1\n',
    'conf.d/10-first.conf': 'allow_anonymous true\nmessage_size_limit 100\n',
    'conf.d/notes.txt': 'this is no configuration\n',
    'conf.d/README.conf.old': 'nor is this\n',
  },
  async script(place) {
    const first = await visit(place, { clientId: 'first', ...V5 });
    const second = await visit(place, { clientId: 'second', ...V5 }, 'PORT2');
    const lines = [`first: ${await first.greeting}`, `second: ${await second.greeting}`];
    await first.subscribe('o/#', { qos: 2 });
    lines.push(`small: ${await second.publish('o/1', 'x', { qos: 1 })}`);
    // MQTT.js gives up over a code that the standard does not have there.
    const raw = await RawSocket.open(place.ports.PORT ?? 0);
    const large = rawPublish('o/2', { flags: 2, packetId: 1, properties: Uint8Array.of(0), payload: 'x'.repeat(101) });
    for (const packet of [rawConnect({ level: 5, keepAlive: 60 }), large, frame(0xe0)]) raw.send(packet);
    await raw.closed;
    lines.push(`large: ${(await raw.received(0)).toString('hex')}`);
    lines.push(`as large as it may be: ${await second.publish('o/3', 'x'.repeat(100), { qos: 1 })}`);
    lines.push(`seen: ${(await first.until(2)).replaceAll(/x{100}/g, 'X')}`);
    await place.stop('SIGTERM');
    const said = place.lines().filter((line) => /deprecated|no longer|Opening|Unknown/.test(line));
    // 2.0 and 2.1 have other words behind the name, and quote it or not.
    const names = said.map((line) => line.replaceAll("'", '').replace(/(deprecated|available).*/, '$1'));
    return [...lines, ...names.sort()];
  },
};

const PAYLOAD = 'x'.repeat(70_000);

const webSockets: Scenario = {
  name: 'WebSockets behind a proxy',
  ports: ['PORT', 'PORT2'],
  files: {
    'mosquitto.conf': [
      'password_file {FOLDER}/passwords',
      'listener {PORT} 127.0.0.1',
      'listener {PORT2} 127.0.0.1',
      'protocol websockets',
      '',
    ].join('\n'),
  },
  prepare: writePasswords,
  async script(place) {
    const proxy = await openWebProxy(place.ports.PORT2 ?? 0);
    try {
      return await throughProxy(place, proxy.port);
    } finally {
      await proxy.close();
    }
  },
};

async function throughProxy(place: Place, port: number): Promise<readonly string[]> {
  const lines: string[] = [];
  const plain = await visit(place, { clientId: 'plain', ...OPERATOR });
  await plain.subscribe('will/#', { qos: 1 });
  for (const [name, version] of [
    ['3.1.1', {}],
    ['5', V5],
  ] as const) {
    const headers = { origin: 'https://plant.example' };
    const meet = async (options: GuestOptions) => {
      const guest = new Guest(`ws://127.0.0.1:${port}/some/mqtt?token=1`, {
        ...version,
        wsOptions: { headers },
        ...options,
      });
      lines.push(`${name} ${options.clientId}: ${(await guest.greeting).replace('maximumPacketSize=2000000 ', '')}`);
      return guest;
    };
    await meet({ clientId: `nobody${name}` });
    const will = { topic: `will/${name}`, payload: Buffer.from('gone'), qos: 1, retain: false } as const;
    const browser = await meet({ clientId: `browser${name}`, ...OPERATOR, will });
    lines.push(await browser.subscribe('w/#', { qos: 2 }));
    await plain.publish(`w/${name}`, 'to the browser', { qos: 2 });
    await browser.until(1);
    lines.push(await browser.publish('w/large', PAYLOAD, { qos: 2 }));
    lines.push((await browser.until(2)).replace(PAYLOAD, 'PAYLOAD'));
    const count = plain.messages.length;
    await browser.drop();
    lines.push(await plain.until(count + 1));
  }
  for (const protocols of [[], ['chat'], ['mqttv3.1'], ['chat', 'mqtt']]) lines.push(await handshake(port, protocols));
  await place.sees(/as browser5 .*\n/);
  lines.push(...place.lines().filter((line) => /as (browser|nobody)/.test(line)));
  return lines;
}

/** Which of the subprotocols a WebSocket gets. */
async function handshake(port: number, protocols: string[]): Promise<string> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, protocols);
  const { promise, resolve } = Promise.withResolvers<string>();
  socket.addEventListener('open', () => resolve(`open: ${socket.protocol}`));
  socket.addEventListener('error', () => resolve('refused'));
  const result = await promise;
  if (result !== 'refused') {
    const closed = once(socket, 'close');
    socket.close();
    await closed;
  }
  return `protocols ${protocols.join()}: ${result}`;
}

const fileLog: Scenario = {
  name: 'a log in a file that is moved away',
  ports: ['PORT'],
  files: {
    'mosquitto.conf': [
      'user root',
      'allow_anonymous true',
      'listener {PORT} 127.0.0.1',
      'log_dest file {FOLDER}/broker.log',
      'log_dest stderr',
      'log_type all',
      'log_timestamp false',
      '',
    ].join('\n'),
  },
  async script(place) {
    const file = join(place.folder, 'broker.log');
    const guest = await visit(place, { clientId: 'before' });
    await guest.leave();
    await place.sees(/Client before .*disconnected/);
    execFileSync('mv', [file, `${file}.1`]);
    await place.reloadWith({});
    const after = await visit(place, { clientId: 'after' });
    await after.leave();
    await place.sees(/Client after .*disconnected/);
    const exit = await place.stop('SIGTERM');
    const about = (name: string) => place.lines(readFileSync(name, 'utf8')).filter((line) => /before|after/.test(line));
    return [exit, 'old:', ...about(`${file}.1`), 'new:', ...about(file)];
  },
};

export const PROCESS_SCENARIOS: readonly Scenario[] = [
  stop,
  localOnly,
  interrupt,
  everyLine,
  logTopics,
  fileLog,
  reload,
  oldForms,
  webSockets,
];
