import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type FirstMinute, firstMinuteLines } from './first-minute.ts';

const LOCAL: FirstMinute = {
  command: 'npx zanzara',
  listening: [
    { host: '127.0.0.1', port: 1883 },
    { host: '::1', port: 1883 },
  ],
  open: [
    { host: '127.0.0.1', port: 1883 },
    { host: '::1', port: 1883 },
  ],
  file: null,
  allowAnonymous: true,
  hasUsers: false,
};

function text(change: Partial<FirstMinute>): string {
  const open = change.listening ?? LOCAL.open;
  const lines = firstMinuteLines({ ...LOCAL, open, ...change });
  assert.ok(lines.length <= 10, `${lines.length} lines`);
  for (const line of lines) assert.ok(line.length <= 120, line);
  return lines.join('\n');
}

test('the default broker: where it listens, who can reach it, what opens it, what to try', () => {
  assert.equal(
    text({}),
    `
Zanzara listens on 127.0.0.1 and ::1, port 1883. Only this machine can reach it.
To open it to everybody on your network, put these two lines into a file and start npx zanzara -c FILE:
    listener 1883
    allow_anonymous true
Try it: paste these into two other terminals. Ctrl-C stops the broker.
    npx zanzara sub -t 'hello/#' -v
    npx zanzara pub -t hello/world -m 'it works'
`,
  );
});

test('another port stands in the commands to paste', () => {
  const shown = text({ listening: [{ host: '127.0.0.1', port: 1884 }] });
  assert.match(shown, /sub -p 1884 -t 'hello\/#' -v/);
  assert.match(shown, /pub -p 1884 -t hello\/world/);
});

test('one family of addresses only', () => {
  assert.match(text({ listening: [{ host: '::1', port: 1883 }] }), /listens on ::1, port 1883\. Only this machine/);
});

test('several ports', () => {
  const listening = [...LOCAL.listening, { host: '127.0.0.1', port: 1884 }];
  assert.match(text({ listening }), /on 127\.0\.0\.1 and ::1, port 1883; 127\.0\.0\.1, port 1884\. Only this machine/);
});

const OPEN = [
  { host: '0.0.0.0', port: 1883 },
  { host: '::', port: 1883 },
];

test('open to the network', () => {
  const shown = text({ listening: OPEN, file: 'plant.conf' });
  assert.match(shown, /listens on every address, port 1883\. Other machines can reach it\./);
  assert.match(shown, /Everybody who reaches it may connect\./);
  assert.doesNotMatch(shown, /To open it/);
});

test('open to the network, but to nobody', () => {
  assert.match(
    text({ listening: OPEN, file: 'plant.conf', allowAnonymous: false }),
    /Clients are refused: allow_anony/,
  );
});

test('on an address of the network there is no command that would reach it without a host', () => {
  assert.doesNotMatch(text({ listening: [{ host: '192.0.2.7', port: 1883 }], file: 'plant.conf' }), /Try it/);
});

test('the line that opens it names the port that is in use', () => {
  const listening = [{ host: '127.0.0.1', port: 1884 }];
  assert.match(text({ listening }), /^ {4}listener 1884$/m);
});

test('with users and without anybody else nothing is to paste that would be refused', () => {
  const users = { file: 'plant.conf', allowAnonymous: false, hasUsers: true, open: [] };
  const local = text(users);
  assert.match(local, /Only this machine can reach it\.\nIts users may connect\./);
  assert.doesNotMatch(local, /To open it|Try it/);
  const shown = text({ ...users, listening: OPEN });
  assert.match(shown, /Other machines can reach it\.\nIts users may connect\./);
  assert.doesNotMatch(shown, /Try it/);
});

test('what to paste goes to a listener without TLS', () => {
  const plain = { host: '127.0.0.1', port: 1883 };
  const shown = text({ listening: [{ host: '0.0.0.0', port: 8883 }, plain], open: [plain], file: 'plant.conf' });
  assert.match(shown, /zanzara sub -t/);
});
