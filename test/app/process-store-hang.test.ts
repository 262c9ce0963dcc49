/** A disk that does not answer: neither an end nor a start that is broken off may wait for it. */
import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { watch } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { type SlowDisk, slowDiskOrSkip } from '../fixtures/slow-disk.ts';
import { Visitor } from '../options/visitor.ts';
import { BrokerProcess, freePort, MAIN, startOnFreePort } from './broker-process.ts';

const limit = { timeout: 60_000 };

/** A folder on a disk that may hang; null: this machine cannot have one. */
function setUp(t: TestContext): { readonly folder: string; readonly disk: SlowDisk } | null {
  const place = mkdtempSync(join(tmpdir(), 'zanzara-hang-'));
  t.after(() => rmSync(place, { recursive: true }));
  // The broker becomes another user when root starts it.
  chmodSync(place, 0o755);
  const folder = join(place, 'state');
  mkdirSync(folder);
  chmodSync(folder, 0o777);
  const disk = slowDiskOrSkip(t, { folder, faultFile: join(place, 'fault') });
  return disk === null ? null : { folder, disk };
}

/** From now on something that is to be stored waits for the disk. */
async function leaveUnsaved(port: number, disk: SlowDisk): Promise<void> {
  const visitor = await Visitor.connect(port, { keepAliveSeconds: 0 });
  await visitor.subscribe('echo');
  disk.setFault('HANG');
  visitor.publish('kept', 'waits', true).catch(() => undefined);
  await visitor.client.publish('echo', 'taken', { qos: 0 });
  await visitor.next();
}

/** Resolves when there is a file of the store, which is made before anything is synced. */
async function storeIsMade(folder: string): Promise<void> {
  for await (const { filename } of watch(folder)) if (filename?.startsWith('zanzara.db')) return;
}

test('a second signal does not wait for a disk that hangs', limit, async (t) => {
  const place = setUp(t);
  if (place === null) return;
  const { folder, disk } = place;
  const { environment } = disk;
  const { broker, port } = await startOnFreePort(
    t,
    (free) => ['-p', `${free}`, '--persist', folder],
    MAIN,
    environment,
  );
  await leaveUnsaved(port, disk);
  broker.child.kill('SIGTERM');
  await broker.sees(' terminating\n');
  assert.deepEqual(await broker.stop('SIGTERM'), { code: 143, signal: null });
});

test('a start that waits for a disk that hangs is broken off by a signal, and the store is sound', limit, async (t) => {
  const place = setUp(t);
  if (place === null) return;
  const { folder, disk } = place;
  const args = ['-p', `${await freePort()}`, '--persist', folder];
  disk.setFault('HANG');
  const made = storeIsMade(folder);
  const broker = new BrokerProcess(t, args, MAIN, disk.environment);
  await made;
  assert.deepEqual(await broker.stop('SIGTERM'), { code: 0, signal: null });
  assert.match(broker.lines.join('\n'), / terminating$/m);
  disk.setFault(null);
  const next = new BrokerProcess(t, args, MAIN, disk.environment);
  await next.sees(' running\n');
  assert.ok(!next.stderr.includes('Error'), next.stderr);
  assert.deepEqual(await next.stop('SIGTERM'), { code: 0, signal: null });
});
