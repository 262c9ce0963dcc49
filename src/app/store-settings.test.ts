import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type TestContext, test } from 'node:test';
import type { Config, ConfigHost } from '../config/config.ts';
import { readConfig } from '../config/read-config.ts';
import type { Environment } from './process/open-carefully.ts';
import { modeAtReload, restartLine, restoredLines, storeLine, storeSettingsOf } from './store-settings.ts';

const HOST: ConfigHost = { readFile: () => new Uint8Array(), listFolder: () => [], environment: {} };

function configOf(text: string, persistFolder: string | null = null): Config {
  return readConfig(new TextEncoder().encode(text), 'test.conf', HOST, { persistFolder });
}

function settingsOf(text: string, environment: Environment = {}, persistFolder: string | null = null) {
  return storeSettingsOf(configOf(text, persistFolder), { isDamageRefused: false }, environment);
}

function folderOf(t: TestContext, ...files: readonly string[]): string {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-store-settings-'));
  t.after(() => rmSync(folder, { recursive: true }));
  for (const file of files) writeFileSync(join(folder, file), '');
  return folder;
}

const MODES: readonly (readonly [lines: string, mode: unknown])[] = [
  ['', { kind: 'strict' }],
  ['durability strict\nautosave_interval 1\nautosave_on_changes true', { kind: 'strict' }],
  ['durability relaxed 200', { kind: 'relaxed', windowMs: 200, changesMax: null }],
  ['durability relaxed 3600000', { kind: 'relaxed', windowMs: 1_800_000, changesMax: null }],
  ['durability relaxed 3600000\nautosave_interval 5', { kind: 'relaxed', windowMs: 5000, changesMax: null }],
  ['durability relaxed 4999\nautosave_interval 5', { kind: 'relaxed', windowMs: 4999, changesMax: null }],
  ['durability relaxed 3600000\nautosave_interval 0', { kind: 'relaxed', windowMs: 3_600_000, changesMax: null }],
  [
    'durability relaxed 3600000\nautosave_interval 5\nautosave_on_changes true',
    { kind: 'relaxed', windowMs: 3_600_000, changesMax: 5 },
  ],
  [
    'durability relaxed 70\nautosave_interval 0\nautosave_on_changes true',
    { kind: 'relaxed', windowMs: 70, changesMax: null },
  ],
];
for (const [lines, mode] of MODES) {
  test(`how state is kept: ${lines.replaceAll('\n', ', ')}`, () => {
    assert.deepEqual(settingsOf(`persistence true\n${lines}\n`)?.mode, mode);
  });
}

test('state is in memory when nobody asks for more', () => {
  for (const text of ['', 'persistence_location /x\n', 'persistence false\n', 'persistence true\ndurability off\n']) {
    assert.equal(settingsOf(text), null);
  }
  assert.equal(settingsOf('persistence false\n', {}, 'data'), null);
});

test('where state is kept: the environment, then the option, then the working folder', () => {
  const folder = (text: string, environment: Environment = {}) => settingsOf(text, environment)?.folder;
  const named = 'persistence true\npersistence_location /srv/state/\n';
  assert.equal(folder(named), '/srv/state');
  assert.equal(folder(named, { MOSQUITTO_PERSISTENCE_LOCATION: '/other' }), '/other');
  assert.equal(folder(named, { MOSQUITTO_PERSISTENCE_LOCATION: '' }), '/srv/state');
  assert.equal(folder('persistence true\n'), process.cwd());
  assert.equal(folder('persistence true\npersistence_location a/b\n'), resolve('a/b'));
});

test('--persist: in its folder, where no line speaks of persistence', () => {
  const asked = settingsOf('listener 1883\npersistence_location /srv/state\n', {}, 'data');
  assert.deepEqual([asked?.folder, asked?.isPersistAsked], [resolve('data'), true]);
  const said = settingsOf('persistence true\npersistence_location /srv/state\n', {}, 'data');
  assert.deepEqual([said?.folder, said?.isPersistAsked], ['/srv/state', false]);
});

test('what a new store begins with: the database of Mosquitto, or what its SQLite plugin has left', (t) => {
  const first = (folder: string, more = '') =>
    settingsOf(`persistence true\npersistence_location ${folder}\n${more}`)?.mosquittoFile;
  const both = folderOf(t, 'mosquitto.db', 'mosquitto.sqlite3');
  assert.equal(first(both), join(both, 'mosquitto.db'));
  assert.equal(first(both, 'persistence_file other.db\n'), join(both, 'mosquitto.sqlite3'));
  const other = folderOf(t, 'other.db');
  assert.equal(first(other, 'persistence_file other.db\n'), join(other, 'other.db'));
  assert.equal(first(other), null);
  // Without a folder the name is a path, as in Mosquitto.
  const path = join(other, 'other.db');
  assert.equal(settingsOf(`persistence true\npersistence_file ${path}\n`)?.mosquittoFile, path);
});

const STRICT = 'persistence true\n';
const RELAXED = 'persistence true\ndurability relaxed 200\n';
const OFF = 'persistence true\ndurability off\n';
const RELAXED_MODE = { kind: 'relaxed', windowMs: 200, changesMax: null };
const RELOADS: readonly (readonly [
  title: string,
  atStart: string,
  now: string,
  mode: unknown,
  warning: RegExp | null,
])[] = [
  ['strict to relaxed', STRICT, RELAXED, RELAXED_MODE, null],
  ['relaxed to strict', RELAXED, STRICT, { kind: 'strict' }, null],
  ['nothing', STRICT, STRICT, { kind: 'strict' }, null],
  ['strict to off', STRICT, OFF, null, /takes a restart: state is kept on disk as before\.$/],
  ['off to relaxed', OFF, RELAXED, null, /takes a restart: all state stays in memory\.$/],
  ['off to off', OFF, OFF, null, null],
  // That this takes a restart is said of `persistence` itself.
  ['nothing to strict', '', STRICT, null, null],
  ['strict to nothing', STRICT, '', null, null],
];
for (const [title, atStart, now, mode, warning] of RELOADS) {
  test(`a reload, ${title}`, () => {
    const change = modeAtReload(configOf(atStart), configOf(now));
    assert.deepEqual(change.mode, mode);
    if (warning === null) assert.equal(change.warning, null);
    else assert.match(change.warning ?? '', warning);
  });
}

test('the log says where state is kept', () => {
  const settings = settingsOf('persistence true\npersistence_location /srv/state/\n');
  assert.ok(settings !== null);
  assert.equal(storeLine(settings), 'State is kept in /srv/state/zanzara.db.');
});

test('the log says what was restored, in words of Mosquitto', () => {
  const counts = { sessions: 2, subscriptions: 3, rows: 40, retained: 5, wills: 1 };
  assert.deepEqual(restoredLines(counts), [
    'Restored 5 retained messages',
    'Restored 2 clients',
    'Restored 3 subscriptions',
    'Restored 40 client messages',
    'Restored 1 wills',
  ]);
  assert.deepEqual(restoredLines({ sessions: 0, subscriptions: 0, rows: 0, retained: 0, wills: 0 }), []);
});

test('a reload that names another folder says from where to where, and that nothing moves', () => {
  const named = (folder: string) => `persistence true\npersistence_location ${folder}\n`;
  const lineOf = (before: string, after: string, environment: Environment = {}, name = 'persistence_location') =>
    restartLine(name, { config: configOf(after), store: settingsOf(before, environment), environment });
  const changed = "Warning: 'persistence_location' has changed";
  assert.equal(
    lineOf(named('/a'), named('/b/')),
    `${changed} from /a to /b. That takes a restart, which moves nothing: state is kept in /a.`,
  );
  assert.equal(
    lineOf(named('/a'), named('/b'), { MOSQUITTO_PERSISTENCE_LOCATION: '/c' }),
    `${changed}. State is kept in /c all the same, also after a restart.`,
  );
  assert.equal(lineOf('', named('/b')), `${changed}. That takes a restart: the old value stays.`);
  assert.equal(
    lineOf(named('/a'), named('/b'), {}, 'pid_file'),
    "Warning: 'pid_file' has changed. That takes a restart: the old value stays.",
  );
});
