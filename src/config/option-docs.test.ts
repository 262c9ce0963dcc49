import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import type { Config, ConfigHost } from './config.ts';
import { keyOf, type Option } from './option.ts';
import { exampleSettings, exampleText, optionTables } from './option-docs.ts';
import { OPTION_ROWS } from './options.ts';
import { defaultConfig, readConfig } from './read-config.ts';
import { hasValue } from './section.ts';

const HOST: ConfigHost = { readFile: () => new Uint8Array(), listFolder: () => [], environment: {} };
const FILE = 'zanzara.conf';

test('the example as it is means the same as no file', () => {
  const config = read(exampleText());
  assert.deepEqual({ ...config, file: null }, defaultConfig());
  assert.deepEqual(config.notes, []);
});

test('the example and the page have every option', () => {
  const example = exampleText().split('\n');
  for (const row of OPTION_ROWS) {
    assert.ok(exampleSettings(row).length > 0, row.name);
    for (const line of exampleSettings(row)) assert.ok(example.includes(`#${line}`), row.name);
    assert.ok(optionTables().includes(`| \`${row.name}`), row.name);
  }
});

for (const row of OPTION_ROWS.filter(({ type }) => hasValue(type))) {
  test(`the line of '${row.name}' in the example can be used`, () => {
    const value = settledValue(read(`${before(row)}${exampleSettings(row).join('\n')}\n`), row);
    if (row.exampleValue === undefined) assert.deepEqual(value, row.default);
    else assert.notDeepEqual(value, row.default);
  });
}

test('the documents are up to date', () => {
  const page = readFileSync(new URL('../../docs/configuration.md', import.meta.url), 'utf8');
  assert.ok(page.includes(optionTables()), 'run: node scripts/config-docs.ts');
  const example = readFileSync(new URL('../../examples/zanzara.conf', import.meta.url), 'utf8');
  assert.equal(example, exampleText(), 'run: node scripts/config-docs.ts');
});

/** What must stand before a line for it to mean something. */
function before(row: Option): string {
  if (row.scope === 'listener') return `listener 8883\n${partnersOf(row.name)}`;
  if (row.scope !== 'bridge') return '';
  const own = ['address', 'topic'].filter((name) => name !== row.name);
  const lines = own.map((name) => (name === 'address' ? 'address example.org' : 'topic a'));
  return ['connection b', ...lines, partnersOf(row.name)].join('\n');
}

function partnersOf(name: string): string {
  const partners = new Map([
    ['certfile', 'keyfile k\n'],
    ['keyfile', 'certfile c\n'],
    ['cafile', 'certfile c\nkeyfile k\n'],
    ['capath', 'certfile c\nkeyfile k\n'],
    ['bridge_certfile', 'bridge_keyfile k\n'],
    ['bridge_keyfile', 'bridge_certfile c\n'],
    ['bridge_identity', 'bridge_psk 00\n'],
    ['bridge_psk', 'bridge_identity i\n'],
  ]);
  return partners.get(name) ?? '';
}

function settledValue(config: Config, row: Option): unknown {
  const parts = { global: config.options, security: config.security, plugin: {} };
  const values = row.scope === 'listener' ? config.listeners[0]?.options : config.bridges[0]?.options;
  const part = row.scope === 'listener' || row.scope === 'bridge' ? values : parts[row.scope];
  return new Map<string, unknown>(Object.entries(part ?? {})).get(keyOf(row.name));
}

function read(text: string): Config {
  return readConfig(new TextEncoder().encode(text), FILE, HOST);
}
