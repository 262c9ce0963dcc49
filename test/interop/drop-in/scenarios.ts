/** Configurations of the kinds that people run. Each script says what its clients saw, in lines that can be compared. */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificates } from './certificates.ts';
import { visit } from './guest.ts';
import type { Place, Scenario } from './two-brokers.ts';

const HERE = ['-h', '127.0.0.1'] as const;

/** Subscribes with a session that stays, publishes, and reads what the session got: nothing depends on who is first. */
async function throughSession(
  { run }: Place,
  port: string,
  who: { readonly sub: readonly string[]; readonly pub: readonly string[] },
  {
    filter,
    messages,
  }: { readonly filter: string; readonly messages: readonly (readonly [topic: string, text: string])[] },
): Promise<readonly string[]> {
  const session = [...HERE, '-p', port, '-c', '-i', 'logger', '-q', '1', '-t', filter, ...who.sub];
  const seen = [`subscribe: ${await run('mosquitto_sub', ...session, '-E')}`];
  for (const [topic, text] of messages) {
    const sent = await run('mosquitto_pub', ...HERE, '-p', port, '-q', '1', '-t', topic, '-m', text, ...who.pub);
    seen.push(`publish ${topic}: ${sent}`);
  }
  seen.push(`receive: ${await run('mosquitto_sub', ...session, '-v', '-C', String(messages.length), '-W', '3')}`);
  return seen;
}

export const PASSWORDS = [
  ['operator', 'pump-7'],
  ['sensor1', 'reed-3'],
] as const;

export function writePasswords(folder: string): void {
  const file = join(folder, 'passwords');
  PASSWORDS.forEach(([user, password], index) => {
    execFileSync('mosquitto_passwd', ['-b', ...(index === 0 ? ['-c'] : []), file, user, password], { stdio: 'ignore' });
  });
  execFileSync('chmod', ['644', file]);
}

/** What comes of the wills of two sensors that are cut off: one may publish its will, the other may not. */
async function willsOf(place: Place): Promise<string> {
  const [[operator, password], [sensor, sensorPassword]] = PASSWORDS;
  const watcher = await visit(place, { clientId: 'watcher', username: operator, password });
  await watcher.subscribe('plant/#');
  for (const topic of ['plant/line2/a/state', 'plant/line1/a/temp']) {
    const will = { topic, payload: Buffer.from('gone'), qos: 1, retain: false } as const;
    await (await visit(place, { clientId: 'cut off', username: sensor, password: sensorPassword, will })).drop();
  }
  return await watcher.until(1);
}

const as = (index: 0 | 1) => ['-u', PASSWORDS[index][0], '-P', PASSWORDS[index][1]];

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a home: users, rights, a will',
    ports: ['PORT'],
    files: {
      'mosquitto.conf': 'listener {PORT} 127.0.0.1\npassword_file {FOLDER}/passwords\nacl_file {FOLDER}/acl\n',
      acl: [
        '# nobody without a name',
        'user operator',
        'topic readwrite plant/#',
        'topic deny plant/secret',
        'user sensor1',
        'topic write plant/line1/+/temp',
        'pattern readwrite own/%u/%c/#',
        '',
      ].join('\n'),
    },
    prepare: writePasswords,
    async script(place) {
      const { run } = place;
      const to = [...HERE, '-p', '{PORT}'];
      const wills = await willsOf(place);
      return [
        `wills: ${wills}`,
        `nobody: ${await run('mosquitto_pub', ...to, '-t', 'plant/x', '-m', 'x')}`,
        `wrong password: ${await run('mosquitto_pub', ...to, '-u', 'operator', '-P', 'x', '-t', 'plant/x', '-m', 'x')}`,
        `unknown user: ${await run('mosquitto_pub', ...to, '-u', 'eve', '-P', 'x', '-t', 'plant/x', '-m', 'x')}`,
        `no password: ${await run('mosquitto_pub', ...to, '-u', 'operator', '-t', 'plant/x', '-m', 'x')}`,
        `v5: ${await run('mosquitto_pub', ...to, '-V', '5', '-u', 'eve', '-P', 'x', '-t', 'plant/x', '-m', 'x')}`,
        ...(await throughSession(
          place,
          '{PORT}',
          { sub: as(0), pub: as(1) },
          {
            filter: 'plant/#',
            messages: [
              ['plant/line1/a/temp', '20'],
              ['plant/line2/a/temp', 'denied'],
              ['plant/line1/temp', 'denied'],
              ['other', 'denied'],
              ['plant/line1/b/temp', '21'],
            ],
          },
        )),
        `secret: ${await run('mosquitto_pub', ...to, '-V', '5', '-q', '1', ...as(0), '-t', 'plant/secret', '-m', 'x')}`,
        `own: ${await run('mosquitto_pub', ...to, ...as(1), '-i', 'dev', '-q', '1', '-r', '-t', 'own/sensor1/dev/a', '-m', 'mine')}`,
        `own, read: ${await run('mosquitto_sub', ...to, ...as(1), '-i', 'dev', '-t', 'own/#', '-v', '-C', '1', '-W', '20')}`,
        `own of another: ${await run('mosquitto_sub', ...to, ...as(0), '-i', 'dev', '-t', 'own/#', '-v', '-C', '1', '-W', '1')}`,
      ];
    },
  },
  {
    name: 'TLS with client certificates, names from them',
    ports: ['PORT', 'PORT2'],
    files: {
      'mosquitto.conf': [
        'listener {PORT} 127.0.0.1',
        'cafile {FOLDER}/ca.crt',
        'certfile {FOLDER}/server.crt',
        'keyfile {FOLDER}/server.key',
        'crlfile {FOLDER}/ca.crl',
        'require_certificate true',
        'use_identity_as_username true',
        'acl_file {FOLDER}/acl',
        'listener {PORT2} 127.0.0.1',
        'cafile {FOLDER}/ca.crt',
        'certfile {FOLDER}/server.crt',
        'keyfile {FOLDER}/server.key',
        'require_certificate true',
        'use_subject_as_username true',
        'tls_version tlsv1.2',
        '',
      ].join('\n'),
      acl: 'user robot5\ntopic readwrite cell/#\npattern write name/%u\n',
    },
    prepare: makeCertificates,
    async script({ run, lines, sees }) {
      const to = ['-h', 'localhost', '-p', '{PORT}', '--cafile', '{FOLDER}/ca.crt', '-V', '5', '-q', '1'];
      const cert = (name: string) => ['--cert', `{FOLDER}/${name}.crt`, '--key', `{FOLDER}/${name}.key`];
      const send = (name: string, topic: string) => run('mosquitto_pub', ...to, ...cert(name), '-t', topic, '-m', 'x');
      const bySubject = ['-h', 'localhost', '-p', '{PORT2}', '--cafile', '{FOLDER}/ca.crt', '-i', 'subject'];
      const answers = [
        `whole subject: ${await run('mosquitto_pub', ...bySubject, ...cert('robot5'), '-t', 'cell/1', '-m', 'x')}`,
        `good: ${await send('robot5', 'cell/1')}`,
        `name of the certificate: ${await send('robot5', 'name/robot5')}`,
        `name of another: ${await send('robot5', 'name/robot6')}`,
        `expired: ${outcome(await send('expired', 'cell/1'))}`,
        `revoked: ${outcome(await send('revoked', 'cell/1'))}`,
        `another authority: ${outcome(await send('stranger', 'cell/1'))}`,
        `none: ${outcome(await run('mosquitto_pub', ...to, '-t', 'cell/1', '-m', 'x'))}`,
      ];
      await sees(/Client subject .*disconnected/);
      return [...answers, ...lines().filter((line) => /as subject/.test(line))];
    },
  },
  {
    name: 'TLS with a pre-shared key',
    ports: ['PORT'],
    files: {
      'mosquitto.conf': [
        'listener {PORT} 127.0.0.1',
        'psk_hint plant',
        'psk_file {FOLDER}/psk',
        'use_identity_as_username true',
        'allow_anonymous false',
        'acl_file {FOLDER}/acl',
        '',
      ].join('\n'),
      psk: 'pump1:0123456789abcdef\n',
      acl: 'user pump1\ntopic write pump/1\n',
    },
    async script({ run }) {
      const to = [...HERE, '-p', '{PORT}', '-V', '5', '-q', '1'];
      const send = (identity: string, key: string, topic: string) =>
        run('mosquitto_pub', ...to, '--psk-identity', identity, '--psk', key, '-t', topic, '-m', 'x');
      return [
        `good: ${await send('pump1', '0123456789abcdef', 'pump/1')}`,
        `another topic: ${await send('pump1', '0123456789abcdef', 'pump/2')}`,
        `wrong key: ${outcome(await send('pump1', '0123456789abcdee', 'pump/1'))}`,
        `unknown identity: ${outcome(await send('pump2', '0123456789abcdef', 'pump/1'))}`,
      ];
    },
  },
  {
    name: 'several listeners with settings of their own',
    ports: ['PORT', 'PORT2'],
    files: {
      'mosquitto.conf': [
        'per_listener_settings true',
        'listener {PORT} 127.0.0.1',
        'allow_anonymous true',
        'acl_file {FOLDER}/acl',
        'listener {PORT2} 127.0.0.1',
        'password_file {FOLDER}/passwords',
        '',
      ].join('\n'),
      acl: 'topic read public/#\ntopic write in/#\n',
    },
    prepare: writePasswords,
    async script(place) {
      const { run } = place;
      const open = [...HERE, '-p', '{PORT}', '-V', '5', '-q', '1'];
      const closed = [...HERE, '-p', '{PORT2}', '-V', '5', '-q', '1'];
      return [
        `anonymous, open: ${await run('mosquitto_pub', ...open, '-t', 'in/1', '-m', 'x')}`,
        `anonymous, no right: ${await run('mosquitto_pub', ...open, '-t', 'public/1', '-m', 'x')}`,
        `anonymous, closed: ${await run('mosquitto_pub', ...closed, '-t', 'in/1', '-m', 'x')}`,
        `operator, closed: ${await run('mosquitto_pub', ...closed, ...as(0), '-r', '-t', 'public/1', '-m', 'hello')}`,
        `operator, secret: ${await run('mosquitto_pub', ...closed, ...as(0), '-r', '-t', 'secret/1', '-m', 'hush')}`,
        `open reads: ${await run('mosquitto_sub', ...open, '-t', '#', '-v', '-C', '2', '-W', '3')}`,
        `closed reads: ${await run('mosquitto_sub', ...closed, ...as(0), '-t', '#', '-v', '-C', '2', '-W', '20')}`,
      ];
    },
  },
  {
    name: 'a unix socket beside a port',
    ports: ['PORT'],
    files: {
      'mosquitto.conf': 'allow_anonymous true\nlistener {PORT} 127.0.0.1\nlistener 0 {FOLDER}/broker.sock\n',
    },
    async script({ run, folder, sees }) {
      // The port may answer before the socket is there.
      await sees(/ running/);
      const unix = ['--unix', '{FOLDER}/broker.sock'];
      return [
        `there: ${existsSync(join(folder, 'broker.sock'))}`,
        `publish: ${await run('mosquitto_pub', ...unix, '-q', '2', '-r', '-t', 'u', '-m', 'from unix')}`,
        `receive: ${await run('mosquitto_sub', ...HERE, '-p', '{PORT}', '-t', 'u', '-C', '1', '-W', '20')}`,
        `back: ${await run('mosquitto_sub', ...unix, '-t', 'u', '-C', '1', '-W', '20')}`,
      ];
    },
  },
  {
    name: 'mount points',
    ports: ['PORT', 'PORT2'],
    files: {
      'mosquitto.conf': [
        'allow_anonymous true',
        'listener {PORT} 127.0.0.1',
        'listener {PORT2} 127.0.0.1',
        'mount_point hall2/',
        '',
      ].join('\n'),
    },
    async script(place) {
      const { run } = place;
      const whole = [...HERE, '-p', '{PORT}'];
      const mounted = [...HERE, '-p', '{PORT2}'];
      return [
        `mounted publishes: ${await run('mosquitto_pub', ...mounted, '-q', '1', '-r', '-t', 'a/b', '-m', '1')}`,
        `seen from outside: ${await run('mosquitto_sub', ...whole, '-t', '#', '-v', '-C', '1', '-W', '20')}`,
        `seen from inside: ${await run('mosquitto_sub', ...mounted, '-t', '#', '-v', '-C', '1', '-W', '20')}`,
        `outside publishes elsewhere: ${await run('mosquitto_pub', ...whole, '-q', '1', '-r', '-t', 'x', '-m', '2')}`,
        `not seen inside: ${await run('mosquitto_sub', ...mounted, '-t', 'x', '-v', '-C', '1', '-W', '1')}`,
        ...(await throughSession(
          place,
          '{PORT2}',
          { sub: [], pub: [] },
          {
            filter: 's/+',
            messages: [
              ['s/1', 'one'],
              ['s/2', 'two'],
            ],
          },
        )),
      ];
    },
  },
  {
    name: 'a log in a file and on topics',
    ports: ['PORT'],
    files: {
      'mosquitto.conf': [
        'allow_anonymous true',
        'listener {PORT} 127.0.0.1',
        'log_dest file {FOLDER}/broker.log',
        'log_dest topic',
        'log_type all',
        'log_timestamp_format %Y-%m-%dT%H:%M',
        'user root',
        '',
      ].join('\n'),
    },
    async script({ run, folder }) {
      const to = [...HERE, '-p', '{PORT}'];
      const seen = [
        `a client: ${await run('mosquitto_pub', ...to, '-i', 'visitor', '-q', '1', '-t', 'a/b', '-m', 'x')}`,
        `a subscriber: ${await run('mosquitto_sub', ...to, '-i', 'reader', '-q', '1', '-t', 'a/#', '-E')}`,
      ];
      const lines = (await fileWith(join(folder, 'broker.log'), /Client reader .*disconnected/)).split('\n');
      const ours = lines.filter((line) => /visitor|reader/.test(line)).map((line) => line.replace(/:\d{5}/g, ':P'));
      seen.push(...ours.map((line) => line.replace(/^\d{4}-\d\d-\d\dT\d\d:\d\d: /, 'TIME: ')));
      return seen;
    },
  },
  {
    name: 'limits: sizes, QoS, queues, client ids',
    ports: ['PORT'],
    files: {
      'mosquitto.conf': [
        'listener {PORT} 127.0.0.1',
        'allow_anonymous true',
        'max_qos 1',
        'max_packet_size 200',
        'max_queued_messages 3',
        'max_inflight_messages 1',
        'max_keepalive 60',
        'retain_available false',
        'allow_zero_length_clientid false',
        '',
      ].join('\n'),
    },
    async script(place) {
      const { run } = place;
      const to = [...HERE, '-p', '{PORT}', '-i', 'limited', '-k', '30'];
      return [
        `no id: ${await run('mosquitto_pub', ...HERE, '-p', '{PORT}', '-V', '5', '-k', '30', '-t', 'a', '-m', 'x')}`,
        `retained, v5: ${await run('mosquitto_pub', ...to, '-V', '5', '-r', '-t', 'a', '-m', 'x')}`,
        `keep alive, 3.1.1: ${await run('mosquitto_pub', ...HERE, '-p', '{PORT}', '-i', 'x', '-k', '600', '-t', 'a', '-m', 'x')}`,
        `keep alive, v5: ${await run('mosquitto_pub', ...HERE, '-p', '{PORT}', '-V', '5', '-i', 'x', '-k', '600', '-t', 'a', '-m', 'x')}`,
        `large, v5: ${await run('mosquitto_pub', ...to, '-V', '5', '-q', '1', '-t', 'a', '-m', 'x'.repeat(300))}`,
      ];
    },
  },
];

/** The text of a file as soon as it holds what is looked for: a log may be written a moment after what it tells of. */
async function fileWith(path: string, wanted: RegExp): Promise<string> {
  for (;;) {
    const text = readFileSync(path, 'utf8');
    if (wanted.test(text)) return text;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Whether a handshake was refused: the words for it differ between TLS libraries' moments. */
function outcome(line: string): string {
  return line.startsWith('exit 0') ? line : 'refused';
}
