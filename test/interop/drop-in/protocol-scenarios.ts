/** What single packets lead to: codes, properties, rights, limits, and the bytes that broken clients are told. */
import { field, frame, rawAck, rawConnect, rawPublish, rawSubscribe } from '../../fixtures/raw-packets.ts';
import { RawSocket } from '../../fixtures/raw-socket.ts';
import { type GuestOptions, visit } from './guest.ts';
import type { Scenario } from './two-brokers.ts';

const OPEN = 'listener {PORT} 127.0.0.1\nallow_anonymous true\n';
/** A message that tells a client that nothing else comes before it. */
const END = 'end';

const V5 = { protocolVersion: 5 } as const;

const version5: Scenario = {
  name: 'version 5: codes and properties',
  ports: ['PORT'],
  files: { 'mosquitto.conf': `${OPEN}max_topic_alias 5\nmax_packet_size 5000\nmax_keepalive 120\n` },
  async script(place) {
    const a = await visit(place, {
      clientId: 'a',
      ...V5,
      keepalive: 600,
      properties: { receiveMaximum: 50, topicAliasMaximum: 0 },
    });
    const unnamed = await visit(place, { clientId: '', ...V5 });
    const lines = [`a: ${await a.greeting}`, `unnamed: ${await unnamed.greeting}`];
    const say = async (what: string, done: Promise<string>) => lines.push(`${what}: ${await done}`);
    await say('nobody listens', a.publish('v/1', 'x', { qos: 1 }));
    await say('nobody listens, 2', a.publish('v/1', 'x', { qos: 2 }));
    await say('subscribe', a.subscribe('v/#', { qos: 1, properties: { subscriptionIdentifier: 7 } }));
    await say('no local', a.subscribe('n/#', { qos: 2, nl: true }));
    await say('own, no local', a.publish('n/1', 'own', { qos: 1 }));
    await say('of another', unnamed.publish('n/1', 'other', { qos: 2 }));
    const properties = {
      contentType: 'application/json',
      responseTopic: 'v/answer',
      correlationData: Buffer.from('42'),
      payloadFormatIndicator: true,
      userProperties: { line: '7', cell: 'b' },
    };
    await say('properties', unnamed.publish('v/2', '{}', { qos: 1, properties }));
    await say('alias', unnamed.publish('v/3', 'named', { qos: 1, properties: { topicAlias: 5 } }));
    await say('alias alone', unnamed.publish('', 'by alias', { qos: 1, properties: { topicAlias: 5 } }));
    // A QoS 2 message is handed out at PUBREL, which later ones may overtake.
    await say(
      'received',
      a.until(4).then((all) => all.split(' / ').toSorted().join(' / ')),
    );
    await say('unsubscribe', a.unsubscribe('v/#'));
    await say('unsubscribe again', a.unsubscribe('v/#'));
    await say('$SYS', a.publish('$SYS/broker/x', 'x', { qos: 1 }));
    const shared = [await visit(place, { clientId: 's1', ...V5 }), await visit(place, { clientId: 's2', ...V5 })];
    for (const member of shared) await member.subscribe('$share/g/jobs/+', { qos: 1 });
    for (let index = 0; index < 6; index++) await unnamed.publish(`jobs/${index}`, 'job', { qos: 1 });
    for (const member of shared) await say('share', member.until(3));
    return lines;
  },
};

const denied: Scenario = {
  name: 'who may read what: subscriptions, retained messages, $SYS',
  ports: ['PORT'],
  files: {
    'mosquitto.conf': `${OPEN}acl_file {FOLDER}/acl\nsys_interval 1\n`,
    acl: [
      'topic readwrite open/#',
      'topic write in/#',
      'topic read $SYS/broker/version',
      'topic deny open/+/secret',
      'user ann',
      'topic readwrite #',
      'topic deny open/denied to ann/#',
      'pattern read only/%c/%u',
      'pattern deny open/no/%c',
      '',
    ].join('\n'),
  },
  async script(place) {
    const lines: string[] = [];
    // The topics of $SYS come a moment after the start.
    const early = await visit(place, { clientId: 'early' });
    await early.subscribe('$SYS/broker/version');
    await early.until(1);
    await early.leave();
    const ann = await visit(place, { clientId: 'ann1', username: 'ann' });
    const topics = [
      'open/a',
      'open/a/secret',
      'in/1',
      'only/dev/x',
      'only/dev/ann',
      'open/denied to ann/1',
      'open/no/dev',
      '$own/1',
    ];
    for (const topic of topics) await ann.publish(topic, `retained ${topic}`, { qos: 1, retain: true });
    const versions = [
      ['3.1', { protocolId: 'MQIsdp', protocolVersion: 3 }],
      ['3.1.1', {}],
      ['5', V5],
    ] as const;
    for (const [name, version] of versions) {
      const dev = await visit(place, { clientId: 'dev', ...version });
      const say = async (what: string, done: Promise<string>) => lines.push(`${name} ${what}: ${await done}`);
      await say('everything', dev.subscribe('#', { qos: 1 }));
      await say('what is denied', dev.subscribe('open/a/secret', { qos: 1 }));
      await say('what is only written', dev.subscribe('in/#', { qos: 1 }));
      await say('$SYS', dev.subscribe('$SYS/#', { qos: 0 }));
      await say('$own', dev.subscribe('$own/#', { qos: 0 }));
      await say('publish', dev.publish('open/b', 'live', { qos: 1 }));
      await say('publish, denied', dev.publish('open/b/secret', 'live', { qos: 1 }));
      await say('publish, by pattern', dev.publish('open/no/dev', 'live', { qos: 1 }));
      await ann.publish('open/end', END, { qos: 1 });
      while (!dev.messages.some((line) => line.startsWith('open/end'))) await dev.until(dev.messages.length + 1);
      const seen = dev.messages.map((line) => line.replace(/mosquitto version [\d.]+/, 'VERSION'));
      lines.push(...seen.sort().map((line) => `${name} sees ${line}`));
      await say('unsubscribe', dev.unsubscribe('open/a/secret'));
      await dev.leave();
    }
    return lines;
  },
};

const delivery: Scenario = {
  name: 'options of delivery, and the tree of subscriptions',
  ports: ['PORT'],
  files: {
    'mosquitto.conf': [
      OPEN.trim(),
      'queue_qos0_messages true',
      'upgrade_outgoing_qos true',
      'allow_duplicate_messages false',
      'max_queued_messages 100',
      'max_queued_bytes 60',
      'persistent_client_expiration 1h',
      '',
    ].join('\n'),
  },
  async script(place) {
    const pub = await visit(place, { clientId: 'pub' });
    const lines: string[] = [];
    const both = await visit(place, { clientId: 'both' });
    await both.subscribe('d/#', { qos: 2 });
    await both.subscribe('d/+', { qos: 1 });
    await both.subscribe('end', { qos: 0 });
    await pub.publish('d/1', 'to two filters', { qos: 0 });
    await pub.publish('d/end', END, { qos: 0 });
    await both.until(2);
    await pub.publish('end', END);
    lines.push(`overlap: ${await both.until(3)}`);
    await both.leave();
    const stay = { clientId: 'stay', clean: false } as const;
    const first = await visit(place, stay);
    await first.subscribe('q/#', { qos: 1 });
    await first.leave();
    await place.sees(/Client stay .*disconnected/);
    for (let index = 0; index < 9; index++) await pub.publish(`q/${index}`, '0123456789', { qos: index === 0 ? 0 : 1 });
    const again = await visit(place, stay);
    await again.subscribe('end', { qos: 0 });
    await pub.publish('end', END);
    while (!again.messages.some((line) => line.includes(END))) await again.until(again.messages.length + 1);
    lines.push(`queue: ${again.messages.join(' / ')}`);
    place.broker.kill('SIGUSR1');
    place.broker.kill('SIGUSR2');
    // Both have been handled when a new client is.
    await visit(place, { clientId: 'late' });
    const start = place.lines().findIndex((line) => line.includes('as both'));
    await place.stop('SIGTERM');
    // Mosquitto shows levels in which nobody is, too.
    const tree = place
      .lines()
      .slice(start)
      .filter((line) => /^\s+#? ?.*\(\w+, \d\)|^end \(/.test(line));
    return [...lines, ...tree.map((line) => `subscribed: ${line.trim()}`)];
  },
};

const V5_CONNECT = rawConnect({ level: 5, keepAlive: 60 });
const V3_CONNECT = rawConnect();
/** What a broken client sends, by name. */
const WRONG: readonly (readonly [name: string, ...packets: readonly Uint8Array[]])[] = [
  ['not MQTT', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['PINGREQ first', frame(0xc0)],
  ['an unknown version', rawConnect({ level: 9 })],
  ['another protocol', rawConnect({ name: 'MQTX' })],
  ['3.1', rawConnect({ name: 'MQIsdp', level: 3 }), frame(0xe0)],
  ['no id, session to stay', rawConnect({ flags: 0, payload: [field('')] })],
  ['CONNECT again', V3_CONNECT, V3_CONNECT],
  ['CONNECT again, 5', V5_CONNECT, V5_CONNECT],
  ['QoS 3', V3_CONNECT, rawPublish('a', { flags: 6, packetId: 1 })],
  ['QoS 3, 5', V5_CONNECT, rawPublish('a', { flags: 6, packetId: 1, properties: Uint8Array.of(0) })],
  ['a wildcard in a topic', V3_CONNECT, rawPublish('a/#')],
  ['an empty topic', V3_CONNECT, rawPublish('')],
  ['packet id 0', V3_CONNECT, rawPublish('a', { flags: 2, packetId: 0 })],
  ['a bad filter', V3_CONNECT, rawSubscribe([['a#', 0]])],
  ['no filter', V3_CONNECT, rawSubscribe([])],
  ['alias too high, 5', V5_CONNECT, rawPublish('a', { properties: Uint8Array.of(3, 0x23, 0, 6) })],
  ['alias unknown, 5', V5_CONNECT, rawPublish('', { properties: Uint8Array.of(3, 0x23, 0, 5) })],
  ['too large', V3_CONNECT, rawPublish('a', { payload: 'x'.repeat(6000) })],
  ['too large, 5', V5_CONNECT, rawPublish('a', { properties: Uint8Array.of(0), payload: 'x'.repeat(6000) })],
  ['PUBACK of nothing', V3_CONNECT, rawAck(0x40, 9), frame(0xe0)],
  ['PUBREL of nothing', V3_CONNECT, rawAck(0x62, 9), frame(0xe0)],
  ['a reserved packet type', V3_CONNECT, frame(0xf0)],
  ['DISCONNECT, 5', V5_CONNECT, frame(0xe0)],
];

const wrong: Scenario = {
  name: 'clients that are broken: the bytes they are told',
  ports: ['PORT'],
  files: { 'mosquitto.conf': `${OPEN}max_topic_alias 5\nmax_packet_size 5000\n` },
  async script(place) {
    const lines: string[] = [];
    for (const [name, ...packets] of WRONG) {
      const socket = await RawSocket.open(place.ports.PORT ?? 0);
      for (const packet of packets) socket.send(packet);
      await socket.closed;
      lines.push(`${name}: ${(await socket.received(0)).toString('hex')}`);
    }
    return lines;
  },
};

const tooMany: Scenario = {
  name: 'as many connections as a listener takes',
  ports: ['PORT', 'PORT2'],
  unprobed: ['PORT'],
  files: {
    'mosquitto.conf': [
      'allow_anonymous true',
      'listener {PORT} 127.0.0.1',
      'max_connections 2',
      'listener {PORT2} 127.0.0.1',
      '',
    ].join('\n'),
  },
  async script(place) {
    const first = await visit(place, { clientId: 'first' });
    const second = await visit(place, { clientId: 'second' });
    const third = await visit(place, { clientId: 'third' });
    const elsewhere = await visit(place, { clientId: 'elsewhere' }, 'PORT2');
    const lines = [`third: ${await third.greeting}`, `elsewhere: ${await elsewhere.greeting}`];
    await first.leave();
    await elsewhere.publish('x', 'x', { qos: 1 });
    let again = await visit(place, { clientId: 'again' });
    // The broker may see the end of a connection a moment later than its client.
    while ((await again.greeting) === 'closed') again = await visit(place, { clientId: 'again' });
    lines.push(`again: ${await again.greeting}`);
    await again.leave();
    await second.leave();
    return lines;
  },
};

const names: Scenario = {
  name: 'client ids and names of users',
  ports: ['PORT', 'PORT2'],
  files: {
    'mosquitto.conf': [
      'allow_anonymous true',
      'clientid_prefixes plant-',
      'auto_id_prefix plant-auto-',
      'listener {PORT} 127.0.0.1',
      'listener {PORT2} 127.0.0.1',
      'use_username_as_clientid true',
      '',
    ].join('\n'),
  },
  async script(place) {
    const lines: string[] = [];
    const say = async (what: string, options: GuestOptions, port = 'PORT') => {
      const guest = await visit(place, options, port);
      lines.push(`${what}: ${await guest.greeting}`);
      await guest.drop().catch(() => undefined);
    };
    for (const [name, version] of [
      ['3.1.1', {}],
      ['5', V5],
    ] as const) {
      await say(`${name} prefix`, { clientId: 'plant-1', ...version });
      await say(`${name} another prefix`, { clientId: 'house-1', ...version });
      await say(`${name} no id`, { clientId: '', ...version });
      await say(`${name} user as id`, { clientId: 'plant-6', username: 'plant-7', ...version }, 'PORT2');
      await say(`${name} user as id, no user`, { clientId: 'plant-x', ...version }, 'PORT2');
    }
    // The log has its own way to us: it is whole when the broker has ended.
    await place.stop('SIGTERM');
    const mine = place
      .lines()
      .filter((line) => line.includes('New client connected'))
      .map((line) => line.replace(/plant-auto-[0-9A-F-]{36}/, 'plant-auto-UUID'));
    return [...lines, ...mine];
  },
};

export const PROTOCOL_SCENARIOS: readonly Scenario[] = [version5, denied, delivery, wrong, tooMany, names];
