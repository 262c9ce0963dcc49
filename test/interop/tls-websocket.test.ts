/** MQTT.js over WebSockets and TLS with client certificates, at the whole broker, and what --tls-keylog writes of it. */
import assert from 'node:assert/strict';
import { readFileSync, statSync } from 'node:fs';
import { test } from 'node:test';
import mqtt, { type IClientOptions } from 'mqtt';
import { textOf, tlsToolsOrSkip } from '../app/tls-tools.ts';
import { ReloadHouse } from '../reload/reload-house.ts';

const limit = { timeout: 60_000 };

const WEB_CONFIG = `
allow_anonymous true
listener {PORT} 127.0.0.1
listener {PORT2} 127.0.0.1
protocol websockets
certfile {FOLDER}/server.crt
keyfile {FOLDER}/server.key
cafile {FOLDER}/ca.crt
require_certificate true
use_identity_as_username true
`;

test('WebSockets over TLS with client certificates, and --tls-keylog', limit, async (t) => {
  const tools = tlsToolsOrSkip(t);
  if (tools === null) return;
  const { server, root, client, expired } = tools.made;
  const files = {
    'zanzara.conf': WEB_CONFIG,
    'server.crt': textOf(server.certFile),
    'server.key': textOf(server.keyFile),
    'ca.crt': textOf(root.certFile),
  };
  const house = await ReloadHouse.start(t, files, ['--tls-keylog', '{FOLDER}/secrets']);
  await house.sees('Warning: The secrets of all TLS connections are written to');

  await t.test(
    'MQTT.js over wss with a good one comes in under its name, with an expired one it does not',
    async () => {
      const url = `wss://localhost:${house.port(2)}/mqtt`;
      const options = (identity: typeof client): IClientOptions => ({
        clientId: 'web',
        reconnectPeriod: 0,
        protocolVersion: 5,
        ca: textOf(root.certFile),
        cert: textOf(identity.certFile),
        key: textOf(identity.keyFile),
      });
      const { mark } = house;
      const visitor = await mqtt.connectAsync(url, options(client));
      assert.match(await house.sees('as web', mark), /u'pump7'\)\.$/);
      const received = new Promise<string>((resolve) =>
        visitor.on('message', (_, payload) => resolve(String(payload))),
      );
      await visitor.subscribeAsync('a');
      await visitor.publishAsync('a', 'over wss');
      assert.equal(await received, 'over wss');
      await visitor.endAsync();
      await assert.rejects(mqtt.connectAsync(url, options(expired)));
      await house.sees('certificate has expired', mark);
    },
  );

  await t.test('the secrets: lines in the form of NSS, for the owner alone', () => {
    const path = house.path('secrets');
    assert.equal(statSync(path).mode & 0o777, 0o600);
    const lines = readFileSync(path, 'latin1').trimEnd().split('\n');
    for (const line of lines) assert.match(line, /^[A-Z0-9_]+ [0-9a-f]{64} [0-9a-f]{64,128}$/);
    assert.ok(
      lines.some((line) => line.startsWith('CLIENT_TRAFFIC_SECRET_0 ')),
      lines.join('\n'),
    );
  });
});

test('--tls-keylog into a file that others can read: the broker does not start', limit, async (t) => {
  const house = await ReloadHouse.begin(t, { 'zanzara.conf': 'user root\nlistener {PORT} 127.0.0.1\n', secrets: '' }, [
    '--tls-keylog',
    '{FOLDER}/secrets',
  ]);
  const { code } = await house.broker.ended;
  assert.equal(code, 1);
  assert.match(house.broker.stderr, /Error: Unable to open TLS key log \S+secrets: .*chmod 600/);
});
