import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PUB_GRAMMAR } from './pub-options.ts';
import { SUB_GRAMMAR } from './sub-options.ts';
import { clientIdOf, type ParsedTool, parseToolArguments } from './tool-options.ts';

const pub = (...argv: string[]) => parseToolArguments(argv, PUB_GRAMMAR);
const sub = (...argv: string[]) => parseToolArguments(argv, SUB_GRAMMAR);
const words = (line: string) => line.split(' ').filter((word) => word !== '');

function settingsOf<Settings>(parsed: ParsedTool<Settings>): Settings {
  assert.equal(parsed.kind, 'run', JSON.stringify(parsed));
  return parsed.kind === 'run' ? parsed.settings : assert.fail();
}

function messageOf<Settings>(parsed: ParsedTool<Settings>): string {
  return parsed.kind === 'wrong' ? parsed.message : assert.fail(`it was taken: ${parsed.kind}`);
}

/** A command line, and what pub says to it. */
const WRONG_PUB: readonly (readonly [string, string])[] = [
  ['', 'Both topic and message must be supplied.'],
  ['-t a', 'Both topic and message must be supplied.'],
  ['-m x', 'Both topic and message must be supplied.'],
  ['-t', '-t argument given but no topic specified.'],
  ['--topic', '-t argument given but no topic specified.'],
  ['-t a -m x -m y', 'Only one type of message can be sent at once.'],
  ['-t a -n -l', 'Only one type of message can be sent at once.'],
  ['-t a/# -m x', "Invalid publish topic 'a/#', does it contain '+' or '#'?"],
  ['-t a -m x -p1883', "Unknown option '-p1883'."],
  ['-t a -m x -rd', "Unknown option '-rd'."],
  ['-t a -m x -v', "Unknown option '-v'."],
  ['-t a -m x -W 3', "Unknown option '-W'."],
  ['-t a -m x more', "Unknown option 'more'."],
  ['-t a -m x -p 70000', 'Invalid port given: 70000'],
  ['-t a -m x -p 0', 'Invalid port given: 0'],
  ['-t a -m x -p abc', 'Invalid port given: abc'],
  ['-t a -m x -q 3', 'Invalid QoS given: 3'],
  ['-t a -m x -q', '-q argument given but no QoS specified.'],
  ['-t a -m x -V 6', 'Invalid protocol version argument given.'],
  ['-t a -m x -V', '--protocol-version argument given but no version specified.'],
  ['-t a -m x -k 4', 'Invalid keepalive given, it must be between 5 and 65535 inclusive.'],
  ['-t a -m x -i a -I b', '-i and -I argument cannot be used together.'],
  ['-t a -m x -I a -i b', '-i and -I argument cannot be used together.'],
  ['-t a -m x -c', 'You must provide a client id if you are using the -c option.'],
  ['-t a -m x -P p', 'Problem setting username and/or password.'],
  ['-t a -m x -M', '-M argument given but max_inflight not specified.'],
  ['-t a -m x -M 0', 'Maximum inflight messages must be greater than 0.'],
  ['-t a -m x -x', '-x argument given but no session expiry interval specified.'],
  ['-t a -m x -x abc', 'session-expiry-interval not a number.'],
  ['-t a -m x -x 4294967296', 'session-expiry-interval out of range.'],
  ['-t a -m x -x -1', 'You must provide a client id if you are using an infinite session expiry interval.'],
  ['-t a -m x --repeat 0', '--repeat argument must be >0.'],
  ['-t a -m x --repeat-delay -1', '--repeat-delay argument must be >=0.0.'],
  ['-t a -m x --will-payload p', 'Will payload given, but no will topic given.'],
  ['-t a -m x --will-retain', 'Will retain given, but no will topic given.'],
  ['-t a -m x --will-topic a/#', "Invalid will topic 'a/#', does it contain '+' or '#'?"],
  ['-t a -m x --will-topic w --will-qos 3', 'Invalid will QoS 3.'],
  ['-m x -L mqtt://h', 'Invalid URL for -L argument specified - topic missing.'],
  ['-m x -L foo://h/a', 'unsupported URL scheme.'],
  ['-m x -L wss://h/a', "option '-L' with wss:// is not supported by zanzara yet."],
  ['-t a -m x --cafile f', "option '--cafile' is not supported by zanzara pub yet."],
  ['-t a -m x -A 127.0.0.1', "option '-A' is not supported by zanzara pub yet."],
  ['-t a -m x -D', '--property argument given but not enough arguments specified.'],
  ['-t a -m x -D publish content-type', '--property argument given but not enough arguments specified.'],
  ['-t a -m x -D publish user-property a', '--property argument given but not enough arguments specified.'],
  ['-t a -m x -D other content-type a', 'Invalid command given in --property argument.'],
  ['-t a -m x -D publish other a', 'Invalid property name given in --property argument.'],
  [
    '-t a -m x -D publish session-expiry-interval 2',
    'session-expiry-interval property not allowed for publish in --property argument.',
  ],
  ['-t a -m x -D publish topic-alias 70000', 'Property value (70000) out of range for property topic-alias.'],
  ['-t a -m x -D publish topic-alias 0', 'Property value (0) out of range for property topic-alias.'],
];

const WRONG_SUB: readonly (readonly [string, string])[] = [
  ['', 'You must specify a topic to subscribe to.'],
  ['-t a#', "Invalid subscription topic 'a#', are all '+' and '#' wildcards correct?"],
  ['-U a#', "Invalid unsubscribe topic 'a#', are all '+' and '#' wildcards correct?"],
  ['-t a -T a#', "Invalid filter topic 'a#', are all '+' and '#' wildcards correct?"],
  ['-t a -C 0', 'Invalid message count "0".'],
  ['-t a -C', '-C argument given but no count specified.'],
  ['-t a -W 0', 'Invalid timeout "0".'],
  ['-t a -R --retained-only', "Combining '-R' and '--retained-only' makes no sense."],
  ['-t a --retain-handling often', "Unknown retain handling option 'often'."],
  ['-t a -m x', "Unknown option '-m'."],
  ['-t a -w', "option '-w' is not supported by zanzara sub yet."],
  ['-t a --remove-retained', "option '--remove-retained' is not supported by zanzara sub yet."],
];

describe('command lines of the tools', () => {
  for (const [line, message] of WRONG_PUB) {
    it(`pub ${line}`, () => assert.equal(messageOf(pub(...words(line))), message));
  }
  for (const [line, message] of WRONG_SUB) {
    it(`sub ${line}`, () => assert.equal(messageOf(sub(...words(line))), message));
  }

  it('an empty topic or id is none', () => {
    assert.match(messageOf(pub('-t', '', '-m', 'x')), /^Invalid publish topic ''/);
    assert.equal(messageOf(pub('-t', 'a', '-m', 'x', '-i', '')), 'Invalid id.');
  });

  it('defaults are Mosquitto’s', () => {
    const { host, port, version, keepAliveSeconds, qos, inflightMax, id } = settingsOf(pub('-t', 'a', '-m', 'x'));
    assert.deepEqual(
      { host, port, version, keepAliveSeconds, qos, inflightMax, id },
      { host: 'localhost', port: 1883, version: 4, keepAliveSeconds: 60, qos: 0, inflightMax: 20, id: null },
    );
  });

  it('long and short names are the same', () => {
    const short = words('-h h -p 1 -i i -k 9 -q 1 -u u -P p -V 5 -c -d -t t -m m -r');
    const long = words(
      '--host h --port 1 --id i --keepalive 9 --qos 1 --username u --pw p --protocol-version mqttv5 ' +
        '--disable-clean-session --debug --topic t --message m --retain',
    );
    assert.deepEqual(pub(...short), pub(...long));
  });

  it('values may look like options, and may be empty', () => {
    const { source } = settingsOf(pub('-t', 'a', '-m', '-q'));
    assert.deepEqual(source, { kind: 'text', text: '-q' });
    assert.deepEqual(settingsOf(pub('-t', 'a', '-m', '')).source, { kind: 'text', text: '' });
  });

  it('of several topics pub takes the last, sub all', () => {
    assert.deepEqual(settingsOf(sub('-t', 'a', '-t', 'b')).topics, ['a', 'b']);
    assert.equal(settingsOf(pub('-t', 'a', '-t', 'b', '-n')).topics.at(-1), 'b');
  });

  it('-c keeps a v5 session for ever, unless -x says how long', () => {
    assert.equal(settingsOf(sub('-t', 'a', '-c', '-i', 'x')).sessionExpiry, 0xffffffff);
    assert.equal(settingsOf(sub('-t', 'a', '-c', '-i', 'x', '-x', '5')).sessionExpiry, 5);
    assert.equal(settingsOf(sub('-t', 'a', '-i', 'x', '-x', '∞')).sessionExpiry, 0xffffffff);
  });

  it('-x and -D switch to v5', () => {
    assert.equal(settingsOf(sub('-t', 'a', '-x', '5')).version, 5);
    assert.equal(settingsOf(pub(...words('-t a -n -D publish content-type text'))).version, 5);
  });

  it('-D gathers properties by packet', () => {
    const line =
      '-t a -n -D publish user-property a b -D publish user-property c d -D publish correlation-data xy ' +
      '-D connect receive-maximum 3 -D subscribe subscription-identifier 7 -D will will-delay-interval 4 --will-topic w';
    const { properties } = settingsOf(pub(...words(line)));
    assert.deepEqual(properties.publish?.userProperties, [
      { name: 'a', value: 'b' },
      { name: 'c', value: 'd' },
    ]);
    assert.deepEqual(properties.publish?.correlationData, Buffer.from('xy'));
    assert.equal(properties.connect?.receiveMaximum, 3);
    assert.deepEqual(properties.subscribe?.subscriptionIdentifiers, [7]);
    assert.equal(properties.will?.willDelayInterval, 4);
  });

  it('-L holds host, port, user and topic', () => {
    const full = settingsOf(sub('-L', 'mqtt://user:pass:word@host:1234/a/b%2f'));
    const { host, port, userName, password, topics } = full;
    assert.deepEqual(
      { host, port, userName, password, topics },
      { host: 'host', port: 1234, userName: 'user', password: 'pass:word', topics: ['a/b%2f'] },
    );
    const small = settingsOf(sub('-L', 'mqtt://[::1]/a'));
    assert.deepEqual([small.host, small.port], ['::1', 1883]);
    assert.equal(settingsOf(sub('-L', 'mqtt://[::1]:99/a')).port, 99);
  });

  it('the client id is given, made of a prefix, or left to the broker', () => {
    const idOf = (...argv: string[]) => clientIdOf(settingsOf(sub('-t', 'a', ...argv)), 42, () => 'x'.repeat(40));
    assert.equal(idOf('-i', 'me'), 'me');
    assert.equal(idOf('-I', 'pre'), 'pre42');
    assert.equal(idOf(), '');
    assert.equal(idOf('-V', '31'), `zanzara-${'x'.repeat(15)}`);
  });

  it('--help and --version come before anything that is wrong behind them', () => {
    assert.equal(pub('--help', '--foo').kind, 'help');
    assert.equal(sub('-t', 'a', '--version').kind, 'version');
  });
});
