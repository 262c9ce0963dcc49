/** Clients with pre-shared keys at the whole broker: who comes in, as whom, and what a reload does with them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createTlsClient } from '../fixtures/tls-client.ts';
import { Visitor } from '../options/visitor.ts';
import { type Files, ReloadHouse } from '../reload/reload-house.ts';
import { connectTls, run, type TlsTools, tlsToolsOrSkip } from './tls-tools.ts';

const limit = { timeout: 60_000 };

const PSK_CONFIG = `
allow_anonymous true
acl_file {FOLDER}/acl
listener {PORT} 127.0.0.1

listener {PORT2} 127.0.0.1
psk_hint plant
psk_file {FOLDER}/keys
use_identity_as_username true
`;
const PSK_FILES: Files = {
  'zanzara.conf': PSK_CONFIG,
  acl: 'topic readwrite anonymous/#\ntopic read #\nuser pump7\ntopic write pumps/#\n',
  keys: 'pump7:deadbeef\npump8:0123456789abcdef\n',
};

/** mosquitto_pub with a pre-shared key. */
function publishPsk({ mosquittoPub }: TlsTools, port: number, { identity, key }: { identity: string; key: string }) {
  const what = ['-V', '5', '-q', '1', '-i', `psk-${identity}`, '-t', 'pumps/1', '-m', identity];
  const psk = ['--psk-identity', identity, '--psk', key];
  return run(mosquittoPub, ['-h', '127.0.0.1', '-p', String(port), ...what, ...psk]);
}

interface Setting {
  readonly house: ReloadHouse;
  readonly tools: TlsTools;
  /** Sees all that is published. */
  readonly watcher: Visitor;
}

const WRONG = [
  { identity: 'pump7', key: 'beefdead', says: /Identity: 'pump7'\. Its key is not the one in psk_file/ },
  { identity: 'pump9', key: 'deadbeef', says: /psk identity not found\. Identity: 'pump9'\. It is not in psk_file/ },
] as const;

test('pre-shared keys at the broker', limit, async (t) => {
  const tools = tlsToolsOrSkip(t);
  if (tools === null) return;
  const house = await ReloadHouse.start(t, PSK_FILES);
  const watcher = await Visitor.connect(house.port(), { clientId: 'watcher' });
  await watcher.subscribe('#');
  const setting: Setting = { house, tools, watcher };
  await t.test('mosquitto_pub with the right one publishes, and its identity is its name', () => rightKey(setting));
  for (const { identity, key, says } of WRONG) {
    await t.test(`mosquitto_pub as ${identity} with the key ${key} is refused, and the log says why`, async () => {
      const { mark } = house;
      assert.notEqual((await publishPsk(tools, house.port(2), { identity, key })).code, 0);
      const line = await house.sees(`Identity: '${identity}'`, mark);
      assert.match(line, says);
      assert.doesNotMatch(line, /deadbeef|beefdead/);
    });
  }
  await t.test('openssl s_client: the right key, no key', () => byOpenssl(setting));
  await t.test('a reload that removes a key drops its client, and lets nobody in by it; others stay', () =>
    keyIsRemoved(setting),
  );
  await t.test('a psk_file that is broken changes nothing', () => brokenFile(setting));
});

async function rightKey({ house, tools, watcher }: Setting): Promise<void> {
  const { mark } = house;
  const { code, output } = await publishPsk(tools, house.port(2), { identity: 'pump7', key: 'deadbeef' });
  assert.equal(code, 0, output);
  assert.equal(await watcher.next(), 'pump7');
  assert.match(await house.sees('as psk-pump7', mark), /u'pump7'\)\.$/);
  // Another identity has another name, and that one may not publish.
  const denied = await publishPsk(tools, house.port(2), { identity: 'pump8', key: '0123456789abcdef' });
  assert.match(denied.output, /Not authorized/i);
}

async function byOpenssl({ house, tools }: Setting): Promise<void> {
  const port = house.port(2);
  const { isIn, output } = await connectTls(tools, { port, more: pskArguments('pump7', 'deadbeef') });
  assert.ok(isIn, output);
  const { mark } = house;
  assert.ok(!(await connectTls(tools, { port })).isIn);
  const says = /This listener has psk_hint: it takes clients with pre-shared/;
  assert.match(await house.sees('psk_hint', mark), says);
}

function pskArguments(identity: string, key: string): readonly string[] {
  return ['-tls1_2', '-cipher', 'PSK', '-psk_identity', identity, '-psk', key];
}

async function keyIsRemoved({ house }: Setting): Promise<void> {
  const connect = (identity: string, key: string) =>
    Visitor.connect(house.port(2), {
      clientId: `own-${identity}`,
      transport: createTlsClient({ ca: null, identity: null, psk: { identity, key: Buffer.from(key, 'hex') } }),
    });
  const gone = await connect('pump7', 'deadbeef');
  const stays = await connect('pump8', '0123456789abcdef');
  const lines = await house.reloadWell({ keys: 'pump8:0123456789abcdef\npump9:feed\n' });
  assert.ok(lines.includes('1 connected clients were disconnected: the rules changed.'), lines.join('\n'));
  const end = await gone.client.closed;
  assert.ok(end.kind === 'server-disconnect' && end.reason === 0x87, JSON.stringify(end));
  await assert.rejects(connect('pump7', 'deadbeef'));
  assert.equal(await stays.subscribe('x'), 1);
  await (await connect('pump9', 'feed')).leave();
  await stays.leave();
}

async function brokenFile({ house, tools }: Setting): Promise<void> {
  const port = house.port(2);
  for (const keys of ['pump8:feed\npump8:face\n', 'pump8:not hex\n']) {
    const { isDone, lines } = await house.reload({ keys });
    assert.ok(!isDone);
    assert.match(lines.join('\n'), /psk.*pump8|pump8.*psk/s);
    assert.notEqual((await publishPsk(tools, port, { identity: 'pump8', key: 'feed' })).code, 0);
    assert.ok((await connectTls(tools, { port, more: pskArguments('pump9', 'feed') })).isIn);
  }
  await house.reloadWell({ keys: 'pump7:deadbeef\n' });
  assert.equal((await publishPsk(tools, port, { identity: 'pump7', key: 'deadbeef' })).code, 0);
}
