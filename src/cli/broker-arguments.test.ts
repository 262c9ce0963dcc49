import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BrokerRequest } from '../app/broker-request.ts';
import { parseBrokerArguments } from './broker-arguments.ts';

const PLAIN: BrokerRequest = {
  configFile: null,
  tlsKeyLogFile: null,
  compat: '2.1',
  logFormat: 'text',
  ports: [],
  isVerbose: false,
  isQuiet: false,
  isConfigTest: false,
  isEnvironmentExpanded: false,
  persistFolder: null,
  isDamageRefused: false,
};

const RUNS: readonly (readonly [line: string, request: Partial<BrokerRequest>])[] = [
  ['', {}],
  ['-c a.conf', { configFile: 'a.conf' }],
  ['--config-file a.conf', { configFile: 'a.conf' }],
  ['-c a.conf -c b.conf', { configFile: 'b.conf' }],
  ['-c -v', { configFile: '-v' }],
  ['-p 1884', { ports: [1884] }],
  ['--port 1884 -p 1', { ports: [1884, 1] }],
  ['-v -q', { isVerbose: true, isQuiet: true }],
  ['--verbose --quiet', { isVerbose: true, isQuiet: true }],
  ['--test-config -c a.conf', { isConfigTest: true, configFile: 'a.conf' }],
  ['--tls-keylog k.log', { tlsKeyLogFile: 'k.log' }],
  ['--compat 1.6', { compat: '1.6' }],
  ['--log-format json', { logFormat: 'json' }],
  ['--expand-env', { isEnvironmentExpanded: true }],
  ['--persist data', { persistFolder: 'data' }],
  ['--persist data -c a.conf --persist /b', { persistFolder: '/b', configFile: 'a.conf' }],
  ['--refuse-damaged', { isDamageRefused: true }],
  [`${'-p 1884 '.repeat(10)}`, { ports: Array.from({ length: 10 }, () => 1884) }],
];

const WRONG: readonly (readonly [line: string, message: RegExp, wantsUsage: boolean])[] = [
  ['--foo', /^Unknown option '--foo'\.$/, true],
  ['foo', /^Unknown option 'foo'\.$/, true],
  ['-vq', /^Unknown option '-vq'\.$/, true],
  ['-p1884', /^Unknown option '-p1884'\.$/, true],
  ['-c', /^-c argument given, but no config file specified\.$/, false],
  ['-p', /^-p argument given, but no port specified\.$/, false],
  ['-p 0', /^Invalid port specified \(0\)\.$/, false],
  ['-p 65536', /^Invalid port specified \(65536\)\.$/, false],
  ['-p 1e3', /^Invalid port specified \(1e3\)\.$/, false],
  ['-p mqtt', /^Invalid port specified \(mqtt\)\.$/, false],
  [`${'-p 1884 '.repeat(11)}`, /^Only 10 ports can be specified on the command line\.$/, false],
  ['--test-config', /^Please provide a configuration file to test\.$/, false],
  ['--tls-keylog', /^--tls-keylog argument given, but no file specified\.$/, false],
  ['--persist', /^--persist argument given, but no folder specified\.$/, false],
  ['--compat', /^--compat must be one of: 1\.6, 2\.0, 2\.1\.$/, false],
  ['--compat 3', /^--compat must be one of: 1\.6, 2\.0, 2\.1\.$/, false],
  ['--log-format xml', /^--log-format must be one of: text, json\.$/, false],
];

const words = (line: string) => line.split(' ').filter((word) => word !== '');

for (const [line, request] of RUNS) {
  test(`zanzara ${line}`, () => {
    assert.deepEqual(parseBrokerArguments(words(line)), { kind: 'run', request: { ...PLAIN, ...request } });
  });
}

for (const [line, message, wantsUsage] of WRONG) {
  test(`zanzara ${line} is refused`, () => {
    const parsed = parseBrokerArguments(words(line));
    assert.ok(parsed.kind === 'wrong');
    assert.match(parsed.message, message);
    assert.equal(parsed.wantsUsage, wantsUsage);
  });
}

test('help and version win over what follows them', () => {
  for (const flag of ['-h', '--help']) assert.equal(parseBrokerArguments(['-v', flag, '--foo']).kind, 'help');
  assert.equal(parseBrokerArguments(['--version', '--foo']).kind, 'version');
});

test('no argument makes the parser throw', () => {
  const word = fc.oneof(fc.constantFrom('-c', '-p', '-v', '--test-config', '1883', ''), fc.string({ unit: 'binary' }));
  fc.assert(
    fc.property(fc.array(word), (argv) => {
      assert.match(parseBrokerArguments(argv).kind, /^(run|help|version|wrong)$/);
    }),
  );
});
