/** Plugin lines: those of Mosquitto's own plugins that are built in do their work, all others end the start with a reason. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { OPEN, refusalOf, startOneBroker } from './one-broker.ts';
import { passwordLine } from './password-line.ts';
import { admission, Visitor } from './visitor.ts';

const ANNA = { userName: 'anna', password: 'tulip' } as const;
const BOB = { userName: 'bob', password: 'rose' } as const;
const FILES = {
  passwd: passwordLine('anna', 'tulip'),
  passwd2: passwordLine('bob', 'rose'),
  acl: 'user anna\ntopic readwrite own/#\n',
} as const;
const LISTENER = 'listener {PORT} 127.0.0.1';
const PASSWORDS = '/usr/lib/mosquitto_password_file.so';
const RULES = '/usr/lib/x86_64-linux-gnu/mosquitto_acl_file.so';

test('option plugin: the password and ACL plugins of Mosquitto are built in', async (t) => {
  const { port } = await startOneBroker(
    t,
    [
      LISTENER,
      `plugin ${PASSWORDS}`,
      'plugin_opt_password_file {FOLDER}/passwd',
      `plugin ${RULES}`,
      'plugin_opt_acl_file {FOLDER}/acl',
    ],
    { files: FILES },
  );
  assert.equal(await admission(port, { ...ANNA, password: 'rose' }), 0x87);
  const anna = await Visitor.connect(port, ANNA);
  assert.equal(await anna.publish('other', 'x'), 0x87);
  assert.equal(await anna.publish('own/a', 'x'), 0x10);
});

test('option auth_plugin: is plugin by its old name', async (t) => {
  const { port } = await startOneBroker(
    t,
    [LISTENER, `auth_plugin ${PASSWORDS}`, 'auth_opt_password_file {FOLDER}/passwd'],
    { files: FILES },
  );
  await onlyAnna(port);
  await isRefused(t, [LISTENER, 'auth_plugin /opt/go-auth.so'], '/opt/go-auth.so');
});

test('option plugin: any other ends the start, with what to do', async (t) => {
  await isRefused(t, [LISTENER, 'plugin /opt/mine.so'], '/opt/mine.so');
  const dynsec = await refusalOf(t, [LISTENER, 'plugin /usr/lib/mosquitto_dynamic_security.so']);
  assert.match(dynsec, /Unable to load plugin[\s\S]*Dynamic security is not there yet/);
  const sqlite = await refusalOf(t, [LISTENER, 'plugin /usr/lib/mosquitto_persist_sqlite.so']);
  assert.match(sqlite, /Unable to load plugin[\s\S]*remove the line and write 'persistence true'/);
});

test('option global_plugin: counts for all listeners, also under per_listener_settings', async (t) => {
  const { port, port2 } = await startOneBroker(
    t,
    [
      'per_listener_settings true',
      `global_plugin ${PASSWORDS}`,
      'plugin_opt_password_file {FOLDER}/passwd',
      LISTENER,
      'listener {PORT2} 127.0.0.1',
    ],
    { files: FILES },
  );
  await onlyAnna(port);
  await onlyAnna(port2);
  await isRefused(t, [LISTENER, 'global_plugin /opt/mine.so'], '/opt/mine.so');
});

test('option plugin_load: names a plugin, and says so when no listener uses it', async (t) => {
  const lines = [`plugin_load users ${PASSWORDS}`, 'plugin_opt_password_file {FOLDER}/passwd', ...OPEN];
  const { port, log } = await startOneBroker(t, lines, { files: FILES });
  assert.equal(await admission(port, BOB), 'in');
  assert.ok(log.hasLine("Warning: The plugin 'users' is used by no listener: 'plugin_use' is missing."));
  await isRefused(t, ['plugin_load mine /opt/mine.so', LISTENER, 'plugin_use mine'], '/opt/mine.so');
});

test('option plugin_use: the listener has the rules of that plugin, the others do not', async (t) => {
  const { port, port2 } = await startOneBroker(
    t,
    [
      `plugin_load users ${PASSWORDS}`,
      'plugin_opt_password_file {FOLDER}/passwd',
      `plugin_load others ${PASSWORDS}`,
      'plugin_opt_password_file {FOLDER}/passwd2',
      LISTENER,
      'plugin_use users',
      'listener {PORT2} 127.0.0.1',
      'plugin_use others',
    ],
    { files: FILES },
  );
  await onlyAnna(port);
  assert.equal(await admission(port2, BOB), 'in');
  assert.equal(await admission(port2, ANNA), 0x87);
  assert.match(await refusalOf(t, [LISTENER, 'plugin_use nobody']), /Plugin 'nobody' not found/);
});

test('option plugin_opt_: names the file; without it, or without a plugin, the start ends', async (t) => {
  const lines = [LISTENER, `plugin ${PASSWORDS}`];
  const { port } = await startOneBroker(t, [...lines, 'plugin_opt_password_file {FOLDER}/passwd2'], { files: FILES });
  assert.equal(await admission(port, BOB), 'in');
  assert.equal(await admission(port, ANNA), 0x87);
  assert.match(await refusalOf(t, lines), /The plugin needs to know its file: plugin_opt_password_file FILE\./);
  assert.match(await refusalOf(t, [LISTENER, 'plugin_opt_a 1']), /exists in the config file without a plugin/);
  const more = [...lines, 'plugin_opt_password_file {FOLDER}/passwd', 'plugin_opt_iterations 5'];
  const { log } = await startOneBroker(t, more, { files: FILES });
  assert.ok(log.hasLine(`Warning: 'plugin_opt_iterations' means nothing to "${PASSWORDS}"`));
});

test('option auth_opt_: is plugin_opt_ by its old name', async (t) => {
  const lines = [LISTENER, `plugin ${PASSWORDS}`, 'auth_opt_password_file {FOLDER}/passwd'];
  await onlyAnna((await startOneBroker(t, lines, { files: FILES })).port);
  assert.match(await refusalOf(t, [LISTENER, 'auth_opt_a 1']), /exists in the config file without an auth_plugin/);
});

test('option auth_plugin_deny_special_chars: is for plugins that cannot be used, which the log says, and needs one before it', async (t) => {
  const line = 'auth_plugin_deny_special_chars false';
  const lines = [LISTENER, `plugin ${PASSWORDS}`, 'plugin_opt_password_file {FOLDER}/passwd'];
  const { log } = await startOneBroker(t, [...lines, line], { files: FILES });
  assert.ok(log.hasLine(`Warning: 'auth_plugin_deny_special_chars' means nothing to "${PASSWORDS}"`));
  assert.ok(!(await startOneBroker(t, lines, { files: FILES })).log.hasLine('means nothing'));
  await isRefused(t, [LISTENER, 'auth_plugin /opt/go-auth.so', line], '/opt/go-auth.so');
  assert.match(await refusalOf(t, [LISTENER, line]), /without an auth_plugin/);
  assert.match(await refusalOf(t, [LISTENER, `plugin ${PASSWORDS}`, `${line}x`]), /auth_plugin_deny_special_chars/);
});

test('option plugin: a second file of the same kind is refused, not forgotten', async (t) => {
  const one = [`plugin ${PASSWORDS}`, 'plugin_opt_password_file {FOLDER}/passwd'];
  const two = [`plugin ${PASSWORDS}`, 'plugin_opt_password_file {FOLDER}/passwd2'];
  assert.match(await refusalOf(t, [LISTENER, ...one, ...two], { files: FILES }), /more than one password file/);
  const beside = [LISTENER, ...one, 'password_file {FOLDER}/passwd2'];
  assert.match(await refusalOf(t, beside, { files: FILES }), /more than one password file/);
});

async function onlyAnna(port: number): Promise<void> {
  assert.equal(await admission(port, ANNA), 'in');
  assert.equal(await admission(port, { ...ANNA, password: 'rose' }), 0x87);
  assert.equal(await admission(port), 0x87);
}

async function isRefused(t: TestContext, lines: readonly string[], path: string): Promise<void> {
  const refused = await refusalOf(t, lines);
  assert.ok(refused.includes(`Error: Unable to load plugin "${path}".`), refused);
  assert.match(refused, /test\.conf:\d+: Zanzara cannot load plugins made for Mosquitto[\s\S]*Remove the line\./);
}
