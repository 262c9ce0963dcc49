import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigHost } from './config.ts';
import { type ConfigDiff, diffConfig } from './diff-config.ts';
import { defaultConfig, readConfig } from './read-config.ts';

const HOST: ConfigHost = { readFile: () => new Uint8Array(), listFolder: () => [], environment: {} };

function diff(before: string, after: string): ConfigDiff {
  const [old, now] = [before, after].map((text) => readConfig(new TextEncoder().encode(text), 'test.conf', HOST));
  assert.ok(old !== undefined && now !== undefined);
  return diffConfig(old, now);
}

/** A diff in one line each. */
function shown({ changes, havePluginsChanged, listeners, bridges, needRestart }: ConfigDiff): readonly string[] {
  return [
    ...changes.map(({ name }) => name),
    ...(havePluginsChanged ? ['plugins'] : []),
    ...listeners.added.map(({ port, path }) => `+ ${path ?? port}`),
    ...listeners.removed.map(({ port, path }) => `- ${path ?? port}`),
    ...listeners.kept.flatMap((kept) => [
      ...kept.changes.map(({ name }) => `${kept.after.port} ${name}`),
      ...(kept.havePluginsChanged ? [`${kept.after.port} plugins`] : []),
    ]),
    ...bridges.added.map(({ name }) => `+ ${name}`),
    ...bridges.removed.map(({ name }) => `- ${name}`),
    ...bridges.kept.flatMap((kept) => kept.changes.map(({ name }) => `${kept.after.name} ${name}`)),
    ...needRestart.map((name) => `restart for ${name}`),
  ];
}

const BRIDGE = 'connection b\naddress example.org\ntopic a\n';

const CASES: readonly (readonly [title: string, before: string, after: string, expected: readonly string[]])[] = [
  ['nothing', 'listener 1883\nmax_qos 1\n', 'listener 1883\nmax_qos 1\n', []],
  ['lines that moved', 'sys_interval 5\nlistener 1883\n', '# moved\nlistener 1883\nsys_interval 5\n', []],
  ['an option of the broker', 'sys_interval 5\n', 'sys_interval 6\n', ['sys_interval']],
  ['a default that is written', '', 'sys_interval 10\n', []],
  ['an option that needs a restart', 'user a\n', 'user b\n', ['user', 'restart for user']],
  ['a list', 'log_type error\n', 'log_type error\nlog_type notice\n', ['log_type']],
  ['a listener more', 'listener 1883\n', 'listener 1883\nlistener 1884\n', ['+ 1884']],
  ['a listener less', 'listener 0 /a\nlistener 1884\n', 'listener 1884\n', ['- /a']],
  ['another address', 'listener 1883 ::1\n', 'listener 1883\n', ['+ 1883', '- 1883']],
  ['another interface', 'listener 1883\n', 'listener 1883\nbind_interface lo\n', ['+ 1883', '- 1883']],
  ['listeners in another order', 'listener 1883\nlistener 1884\n', 'listener 1884\nlistener 1883\n', []],
  ['an option of a listener', 'listener 1883\n', 'listener 1883\nmax_qos 1\n', ['1883 max_qos']],
  [
    'a rule of the broker, which its listeners have too',
    'listener 1883\n',
    'listener 1883\npassword_file p\n',
    ['password_file', '1883 password_file'],
  ],
  [
    'a rule of one listener',
    'per_listener_settings true\nlistener 1883\nlistener 1884\n',
    'per_listener_settings true\nlistener 1883\nlistener 1884\nacl_file a\n',
    ['1884 acl_file'],
  ],
  ['a plugin option', 'plugin p\nplugin_opt_a 1\n', 'plugin p\nplugin_opt_a 2\n', ['plugins']],
  [
    'a plugin of a listener',
    'plugin_load n p\nlistener 1883\nplugin_use n\n',
    'plugin_load n q\nlistener 1883\nplugin_use n\n',
    ['1883 plugins'],
  ],
  ['a bridge more', '', BRIDGE, ['+ b']],
  ['a bridge less', BRIDGE, '', ['- b']],
  ['an option of a bridge', BRIDGE, `${BRIDGE}password secret\n`, ['b remote_password']],
];

for (const [title, before, after, expected] of CASES) {
  test(`reload: ${title}`, () => assert.deepEqual(shown(diff(before, after)), expected));
}

test('a configuration does not differ from itself', () => {
  assert.deepEqual(shown(diffConfig(defaultConfig(), defaultConfig())), []);
});
