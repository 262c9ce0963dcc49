import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConfigError } from './config-error.ts';
import { MOSQUITTO_OPTION_NAMES } from './mosquitto-options.ts';
import type { Option } from './option.ts';
import { OPTIONS } from './options.ts';
import { defaultConfig, readConfig, readOptions } from './read-config.ts';

const FIXTURES = new URL('fixtures/', import.meta.url);
const FILE = 'test.conf';

for (const name of readdirSync(FIXTURES).filter((entry) => entry.endsWith('.conf'))) {
  test(`config fixture ${name}`, () => {
    const source = readFileSync(new URL(name, FIXTURES));
    const expected = JSON.parse(readFileSync(new URL(name.replace(/conf$/, 'json'), FIXTURES), 'utf8'));
    assert.deepEqual(outcomeOf(source, Object.keys(expected.config ?? {})), expected);
  });
}

/** What reading gives, in the form of a fixture: the values of `keys`, or the error. */
function outcomeOf(source: Uint8Array, keys: readonly string[]): unknown {
  try {
    const { warnings, ...config } = readConfig(source, FILE);
    return { config: Object.fromEntries(Object.entries(config).filter(([key]) => keys.includes(key))), warnings };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    assert.equal(error.place.file, FILE);
    return { error: error.message, line: error.place.line };
  }
}

const TEXT_OPTION: Option = {
  name: 'pid_file',
  key: 'pidFile',
  scope: 'global',
  type: { kind: 'text' },
  default: null,
  isReloaded: false,
  isDeprecated: true,
};

test('a text option takes the rest of the line and may stand once', () => {
  const { given, warnings } = readOptions(bytes('pid_file   /run/my broker.pid  \n'), FILE, [TEXT_OPTION]);
  assert.deepEqual(given.get('pidFile'), ['/run/my broker.pid']);
  assert.deepEqual(warnings, [
    "Warning: The 'pid_file' option is now deprecated and will be removed in version 3.0. (test.conf:1)",
  ]);
  const refusal = (message: string) => ({ name: 'ConfigError', message });
  const read = (text: string) => () => readOptions(bytes(text), FILE, [TEXT_OPTION]);
  assert.throws(read('pid_file a\npid_file b\n'), refusal("Duplicate 'pid_file' value in configuration."));
  assert.throws(read('pid_file\n'), refusal("Empty 'pid_file' value in configuration."));
  assert.throws(read('pid_file a\0b\n'), refusal("Control character in the 'pid_file' value."));
});

test('the configuration is frozen, to the last listener', () => {
  for (const config of [defaultConfig(), readConfig(bytes('listener 1883\n'), FILE)]) {
    assert.ok([config, config.listeners, config.logType, config.warnings, ...config.listeners].every(Object.isFrozen));
  }
});

test('every option of the table is one of Mosquitto, and stands once', () => {
  const names = OPTIONS.map((option) => option.name);
  assert.equal(new Set(names).size, names.length);
  for (const name of names) assert.ok(MOSQUITTO_OPTION_NAMES.includes(name), name);
});

test('T57 whatever the bytes, reading ends with a configuration or a ConfigError', () => {
  const word = fc.oneof(
    fc.constantFrom(...OPTIONS.map((option) => option.name), 'true', 'false', 'none', '1883', '0', '-1', '::1', '#'),
    fc.string({ unit: 'binary', maxLength: 8 }),
  );
  const line = fc.array(word, { maxLength: 4 }).map((words) => words.join(' '));
  const lines = fc.array(line, { maxLength: 6 }).map((all) => bytes(all.join('\n')));
  const source = fc.oneof(lines, fc.uint8Array({ maxLength: 64 }));
  fc.assert(
    fc.property(source, (content) => {
      try {
        const { listeners, maxInflightMessages } = readConfig(content, FILE);
        assert.ok(maxInflightMessages >= 0 && maxInflightMessages <= 65_535);
        for (const { port } of listeners) assert.ok(Number.isInteger(port) && port >= 1 && port <= 65_535);
      } catch (error) {
        assert.ok(error instanceof ConfigError, String(error));
        assert.ok(error.place.line >= 1);
      }
    }),
    { numRuns: 2000 },
  );
});

test('lines that end in CRLF, or not at all, read like lines that end in LF', () => {
  const valid = fc.constantFrom('listener 1883', 'log_type all', 'max_queued_messages 3', '# x', '');
  fc.assert(
    fc.property(fc.array(valid, { maxLength: 8 }), (all) => {
      const withLineFeed = readConfig(bytes(all.map((line) => `${line}\n`).join('')), FILE);
      assert.deepEqual(readConfig(bytes(all.map((line) => `${line}\r\n`).join('')), FILE), withLineFeed);
      assert.deepEqual(readConfig(bytes(all.join('\n')), FILE), withLineFeed);
    }),
  );
});

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
