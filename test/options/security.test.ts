/** Who may come in, and what each may do. The plugin lines that ask for the same stand in plugins.test.ts. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { OPEN, refusalOf, startOneBroker } from './one-broker.ts';
import { passwordLine } from './password-line.ts';
import { admission, Visitor } from './visitor.ts';

const ANNA = { userName: 'anna', password: 'tulip' } as const;
const FILES = { passwd: passwordLine('anna', 'tulip'), acl: 'user anna\ntopic readwrite own/#\n' } as const;
const LISTENER = 'listener {PORT} 127.0.0.1';

test('option allow_anonymous: clients without a user name come in only with it, as soon as there is a listener', async (t) => {
  assert.equal(await admission((await startOneBroker(t, [LISTENER])).port), 0x87);
  assert.equal(await admission((await startOneBroker(t, [LISTENER, 'allow_anonymous true'])).port), 'in');
  assert.equal(await admission((await startOneBroker(t, ['allow_anonymous false'])).port), 0x87);
  assert.equal(await admission((await startOneBroker(t, [])).port), 'in');
  assert.equal(await admission((await startOneBroker(t, [LISTENER], { compat: '1.6' })).port), 'in');
});

test('option listener_allow_anonymous: says it for one listener, in both directions', async (t) => {
  const { port, port2 } = await startOneBroker(t, [
    'allow_anonymous true',
    LISTENER,
    'listener_allow_anonymous false',
    'listener {PORT2} 127.0.0.1',
  ]);
  assert.equal(await admission(port), 0x87);
  assert.equal(await admission(port2), 'in');
  const other = await startOneBroker(t, [LISTENER, 'listener {PORT2} 127.0.0.1', 'listener_allow_anonymous true']);
  assert.equal(await admission(other.port), 0x87);
  assert.equal(await admission(other.port2), 'in');
});

test('option password_file: only who is in it comes in, with the right password', async (t) => {
  const { port } = await startOneBroker(t, [LISTENER, 'password_file {FOLDER}/passwd'], { files: FILES });
  assert.equal(await admission(port, ANNA), 'in');
  assert.equal(await admission(port, { ...ANNA, password: 'rose' }), 0x87);
  assert.equal(await admission(port, { ...ANNA, userName: 'bob' }), 0x87);
  assert.equal(await admission(port), 0x87);
  const without = await startOneBroker(t, OPEN);
  assert.equal(await admission(without.port, { ...ANNA, password: 'rose' }), 'in');
  const refused = await refusalOf(t, [LISTENER, 'password_file {FOLDER}/passwd'], {
    files: { passwd: 'anna:tulip\n' },
  });
  assert.match(refused, /passwd/);
  assert.doesNotMatch(refused, /tulip/);
});

test('option acl_file: what no line allows is neither taken nor delivered', async (t) => {
  const lines = [LISTENER, 'password_file {FOLDER}/passwd', 'allow_anonymous true'];
  const { port } = await startOneBroker(t, [...lines, 'acl_file {FOLDER}/acl'], { files: FILES });
  const anna = await Visitor.connect(port, { ...ANNA, clientId: 'anna' });
  const nobody = await Visitor.connect(port, { clientId: 'nobody' });
  assert.equal(await anna.publish('other/a', 'x'), 0x87);
  assert.equal(await nobody.publish('own/a', 'x'), 0x87);
  await nobody.subscribe('#');
  await anna.subscribe('#');
  assert.equal(await anna.publish('own/a', 'for anna alone'), 0);
  assert.equal(await anna.next(), 'for anna alone');
  assert.deepEqual(nobody.received, []);
  const without = await startOneBroker(t, lines, { files: FILES });
  assert.equal(await (await Visitor.connect(without.port, ANNA)).publish('other/a', 'x'), 0x10);
});

test('option allow_zero_length_clientid: a client without an id is refused, or gets one', async (t) => {
  const strict = await startOneBroker(t, [...OPEN, 'allow_zero_length_clientid false']);
  assert.equal(await admission(strict.port, { clientId: '' }), 0x85);
  assert.equal(await admission(strict.port, { clientId: '', version: 4 }), 2);
  assert.equal(await admission(strict.port, { clientId: 'a' }), 'in');
  const usual = await startOneBroker(t, OPEN);
  assert.equal(await admission(usual.port, { clientId: '' }), 'in');
  assert.equal(await admission(usual.port, { clientId: '', version: 4 }), 'in');
});

test('option auto_id_prefix: what the ids begin with that the broker gives', async (t) => {
  assert.match(await givenId((await startOneBroker(t, [...OPEN, 'auto_id_prefix hall-'])).port), /^hall-[0-9A-F]{8}-/);
  assert.match(await givenId((await startOneBroker(t, OPEN)).port), /^auto-[0-9A-F]{8}-/);
});

test('option listener_auto_id_prefix: the same for one listener', async (t) => {
  const lines = [...OPEN, 'listener_auto_id_prefix west-', 'listener {PORT2} 127.0.0.1', 'auto_id_prefix hall-'];
  const { port, port2 } = await startOneBroker(t, lines);
  assert.match(await givenId(port), /^west-[0-9A-F]{8}-/);
  assert.match(await givenId(port2), /^hall-[0-9A-F]{8}-/);
});

async function givenId(port: number): Promise<string> {
  return (await Visitor.connect(port, { clientId: '' })).client.clientId;
}

test('option per_listener_settings: the rules belong to the listener before them', async (t) => {
  const rules = [LISTENER, 'password_file {FOLDER}/passwd', 'listener {PORT2} 127.0.0.1', 'allow_anonymous true'];
  const own = await startOneBroker(t, ['per_listener_settings true', ...rules], { files: FILES });
  assert.equal(await admission(own.port), 0x87);
  assert.equal(await admission(own.port, ANNA), 'in');
  assert.equal(await admission(own.port2), 'in');
  const common = await startOneBroker(t, rules, { files: FILES });
  assert.equal(await admission(common.port), 'in');
  assert.equal(await admission(common.port2, { ...ANNA, password: 'rose' }), 0x87);
  const late = await refusalOf(t, ['allow_anonymous true', 'per_listener_settings true', LISTENER]);
  assert.match(late, /per_listener_settings must be set before any other security settings\./);
});

test('option clientid_prefixes: ids that begin otherwise are refused', async (t) => {
  const { port } = await startOneBroker(t, [...OPEN, 'clientid_prefixes plant-']);
  assert.equal(await admission(port, { clientId: 'plant-7' }), 'in');
  assert.equal(await admission(port, { clientId: 'visitor' }), 0x87);
  assert.equal(await admission(port, { clientId: 'visitor', version: 4 }), 5);
  assert.equal(await admission((await startOneBroker(t, OPEN)).port, { clientId: 'visitor' }), 'in');
});

const SOURCE_CASES: readonly (readonly [line: string, isHeld: boolean])[] = [
  ['', true],
  ['check_retain_source true', true],
  ['check_retain_source false', false],
];
for (const [line, isHeld] of SOURCE_CASES) {
  const what = isHeld ? 'is held back' : 'is handed out';
  test(`option check_retain_source: T09 a retained message of who lost the right ${what} (${line || 'default'})`, async (t) => {
    const lines = [...OPEN, 'password_file {FOLDER}/passwd', 'acl_file {FOLDER}/acl', ...(line === '' ? [] : [line])];
    const files = { ...FILES, acl: 'topic read #\nuser anna\ntopic readwrite #\n' };
    const broker = await startOneBroker(t, lines, { files });
    const anna = await Visitor.connect(broker.port, { ...ANNA, clientId: 'anna' });
    await anna.publish('state', 'hers', true);
    await anna.publish('large', 'x'.repeat(6000), true);
    const seen = async (clientId: string): Promise<readonly string[]> => {
      const reader = await Visitor.connect(broker.port, { clientId });
      await reader.subscribe('#');
      await anna.publish('end', 'end');
      const texts: string[] = [];
      while (texts.at(-1) !== 'end') texts.push((await reader.next()).slice(0, 4));
      return texts.slice(0, -1).toSorted();
    };
    const all = ['hers', 'xxxx'];
    assert.deepEqual(await seen('before'), all);
    await broker.reloadWith({ acl: 'topic read #\nuser anna\ntopic read #\ntopic write end\n' });
    assert.deepEqual(await seen('without'), isHeld ? [] : all);
    await broker.reloadWith({ acl: files.acl });
    assert.deepEqual(await seen('again'), all);
  });
}
