/** The HTTP API of a running broker over reloads: that of local-only mode, and one that is configured. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type RunningBroker, startBroker } from '../../src/app/start-broker.ts';
import type { Config } from '../../src/config/config.ts';
import { readConfig } from '../../src/config/read-config.ts';
import { MemoryLog } from '../fixtures/memory-log.ts';
import { freePort } from './broker-process.ts';

const NO_FILES = {
  readFile: (path: string): Uint8Array => {
    throw new Error(`nobody should read ${path}`);
  },
  listFolder: () => [],
  environment: {},
};

function configOf(text: string): Config {
  return readConfig(new TextEncoder().encode(text), 'test.conf', NO_FILES, {});
}

async function startLocal(t: TestContext, text: string): Promise<{ running: RunningBroker; url: string }> {
  const localHttpPort = await freePort();
  const running = await startBroker({
    config: configOf(text),
    commandLine: { ports: [await freePort()], compat: '2.1', localHttpPort },
    log: new MemoryLog(),
    command: 'zanzara',
    version: '1.2.3',
    store: null,
    transportName: process.env.ZANZARA_TRANSPORT ?? '',
    readFile: NO_FILES.readFile,
    onKeyLog: null,
  });
  t.after(() => running.stop());
  await running.openLocalHttp();
  return { running, url: `http://127.0.0.1:${localHttpPort}/api/v1/version` };
}

async function answerOf(url: string): Promise<string> {
  const answer = await fetch(url, { headers: { connection: 'close' } });
  return `${answer.status} ${await answer.text()}`;
}

test('the HTTP API of local-only mode answers, also after a reload', async (t) => {
  const { running, url } = await startLocal(t, 'max_queued_messages 10\n');
  assert.equal(await answerOf(url), '200 1.2.3');
  await running.reload(configOf('max_queued_messages 20\n'), () => undefined);
  assert.equal(await answerOf(url), '200 1.2.3');
});

test('the HTTP API of local-only mode goes by the rules of the reload', async (t) => {
  const { running, url } = await startLocal(t, '');
  await running.reload(configOf('allow_anonymous false\n'), () => undefined);
  assert.match(await answerOf(url), /^401/);
});

test('the HTTP API of local-only mode ends when a reload configures listeners', async (t) => {
  const { running, url } = await startLocal(t, '');
  await running.reload(configOf(`listener ${await freePort()} 127.0.0.1\nallow_anonymous true\n`), () => undefined);
  await assert.rejects(answerOf(url));
});

test('option http_dir: another folder is served after a reload', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-pages-'));
  t.after(() => rmSync(folder, { recursive: true }));
  const port = await freePort();
  const withPages = (name: string): string => {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'index.html'), name);
    const lines = [`listener ${port} 127.0.0.1`, 'protocol http_api', `http_dir ${join(folder, name)}`];
    return `${lines.join('\n')}\nallow_anonymous true\n`;
  };
  const { running } = await startLocal(t, withPages('before'));
  const url = `http://127.0.0.1:${port}/`;
  assert.equal(await answerOf(url), '200 before');
  await running.reload(configOf(withPages('after')), () => undefined);
  assert.equal(await answerOf(url), '200 after');
});
