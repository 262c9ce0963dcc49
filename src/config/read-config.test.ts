import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ConfigHost } from './config.ts';
import { ConfigError } from './config-error.ts';
import { fixtureCases, MAIN_FILE, namesUsedIn, outcomeOf, partOf } from './fixture-case.fixture.ts';
import { findOption, namesOf, OPTION_ROWS } from './options.ts';
import { defaultConfig, readConfig } from './read-config.ts';

const CASES = fixtureCases();
const HOST: ConfigHost = { readFile: () => bytes(''), listFolder: () => [], environment: { NAME: '1' } };

for (const fixture of CASES) {
  test(`config fixture ${fixture.title}`, () => {
    const expected = fixture.expected.error === undefined ? { notes: [], ...fixture.expected } : fixture.expected;
    const actual = outcomeOf(fixture);
    assert.deepEqual('error' in actual ? actual : partOf(actual, expected), expected);
  });
}

test('every option has a fixture with a value, and every name of it', () => {
  const used = new Set(CASES.filter(({ expected }) => expected.error === undefined).flatMap(namesUsedIn));
  const names = OPTION_ROWS.filter(({ type }) => type.kind !== 'refused').flatMap(namesOf);
  assert.deepEqual(
    names.filter((name) => !isUsed(name, used)),
    [],
  );
});

test('every option has a fixture with an error', () => {
  const refused = CASES.filter(({ expected }) => expected.error !== undefined).flatMap(namesUsedIn);
  const rows = new Set(refused.map((name) => findOption(name)?.name));
  assert.deepEqual(
    OPTION_ROWS.filter((row) => row.type.kind !== 'without-effect' && !rows.has(row.name)).map((row) => row.name),
    [],
  );
});

function isUsed(name: string, used: ReadonlySet<string>): boolean {
  return used.has(name) || (name.endsWith('_') && [...used].some((one) => one.startsWith(name)));
}

test('every option and every name of one stands once', () => {
  const names = OPTION_ROWS.flatMap(namesOf);
  assert.equal(new Set(names).size, names.length);
  for (const row of OPTION_ROWS) {
    for (const name of namesOf(row)) assert.equal(findOption(name), row);
    assert.ok(row.text.length > 10 && row.text.endsWith('.'), row.name);
    if (row.scope === 'listener') assert.notEqual(row.beforeListener, undefined, row.name);
  }
  assert.equal(findOption('plugin_opt_anything')?.name, 'plugin_opt_');
  assert.equal(findOption('listner'), null);
});

test('the configuration is frozen, to the last value', () => {
  const sources = CASES.filter(({ expected }) => expected.error === undefined);
  const configs = sources.map(({ source, host, options }) => readConfig(source, MAIN_FILE, host, options));
  for (const config of [defaultConfig(), ...configs]) assertFrozen(config);
});

function assertFrozen(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  assert.ok(Object.isFrozen(value), JSON.stringify(value));
  for (const part of Object.values(value)) assertFrozen(part);
}

test('T57 whatever the bytes, reading ends with a configuration or a ConfigError', () => {
  const values = [
    'true',
    'false',
    'none',
    '1883',
    '0',
    '-1',
    '::1',
    '#',
    '""',
    'file',
    '/a',
    'a',
    '5 30',
    ['$', '{NAME:-1}'].join(''),
  ];
  const word = fc.oneof(
    fc.constantFrom(...OPTION_ROWS.flatMap(namesOf), ...values),
    fc.string({ unit: 'binary', maxLength: 8 }),
  );
  const line = fc.array(word, { maxLength: 4 }).map((words) => words.join(' '));
  const lines = fc.array(line, { maxLength: 6 }).map((all) => bytes(all.join('\n')));
  fc.assert(
    fc.property(fc.oneof(lines, fc.uint8Array({ maxLength: 64 })), fc.boolean(), (content, isEnvironmentExpanded) => {
      const read = () => readConfig(content, MAIN_FILE, HOST, { isEnvironmentExpanded });
      try {
        const config = read();
        assert.deepEqual(read(), config);
        for (const { port, path } of config.listeners) {
          assert.ok(path === null ? port >= 1 && port <= 65_535 : port === 0);
        }
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
        assert.ok(error.place.line >= 1);
      }
    }),
    { numRuns: 1500 },
  );
});

test('lines that end in CRLF, or not at all, read like lines that end in LF', () => {
  const valid = fc.constantFrom('listener 1883', 'log_type all', 'max_queued_messages 3', '# x', '');
  fc.assert(
    fc.property(fc.uniqueArray(valid, { maxLength: 8 }), (all) => {
      const read = (text: string) => readConfig(bytes(text), MAIN_FILE, HOST);
      const withLineFeed = read(all.map((line) => `${line}\n`).join(''));
      assert.deepEqual(read(all.map((line) => `${line}\r\n`).join('')), withLineFeed);
      assert.deepEqual(read(all.join('\n')), withLineFeed);
    }),
  );
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
