/** A start that is broken off: while the store is opened, and while it is read. What is stored is as it was. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type OpenBroker, openBroker } from '../../src/app/open-broker.ts';
import { StartBrokenOff } from '../../src/app/start-broken-off.ts';
import { storeSettingsOf } from '../../src/app/store-settings.ts';
import { DEFAULT_SETTINGS } from '../../src/core/model/settings.ts';
import { systemClock } from '../../src/transport/node/node-clock.ts';
import { systemRandom } from '../../src/transport/node/node-random.ts';
import { MemoryLog } from '../fixtures/memory-log.ts';
import { OPEN, startOneBroker } from '../options/one-broker.ts';
import { Visitor } from '../options/visitor.ts';

const limit = { timeout: 30_000 };
const SESSIONS = 20;

/** A store with sessions, and how to open it. */
async function setUp(t: TestContext) {
  const lines = [...OPEN, 'persistence true', 'persistence_location {FOLDER}'];
  const { port, config, stop } = await startOneBroker(t, lines);
  for (let count = 1; count <= SESSIONS; count += 1) {
    const properties = { sessionExpiryInterval: 3600 };
    await (await Visitor.connect(port, { clientId: `client ${count}`, cleanStart: false, properties })).leave();
  }
  await stop();
  const log = new MemoryLog();
  const store = storeSettingsOf(config, { isDamageRefused: true }, {});
  const open = (stopAsked: Promise<void>, onRead: () => void = () => undefined): Promise<OpenBroker> =>
    openBroker({
      clock: systemClock,
      log,
      turn: { atEnd: (run) => void setImmediate(run) },
      random: systemRandom,
      gatekeeper: null,
      settings: DEFAULT_SETTINGS,
      store,
      stopAsked,
      onThreadHangs: () => assert.fail('the thread hangs'),
      names: {
        nameOf: () => 'port 1883',
        idOf: () => {
          onRead();
          return 0;
        },
      },
    });
  /** Everything is there, and nothing was said. */
  const check = async () => {
    assert.deepEqual(log.texts('error'), []);
    const opened = await open(new Promise(() => undefined));
    assert.equal(opened.journal?.counts?.sessions, SESSIONS);
    await opened.close();
    assert.deepEqual([...log.texts('error'), ...log.texts('notice')], []);
  };
  return { open, check };
}

test('the store is not opened for a process that is to end', limit, async (t) => {
  const { open, check } = await setUp(t);
  await assert.rejects(open(Promise.resolve()), StartBrokenOff);
  await check();
});

test('a signal that comes while the store is read ends the start', limit, async (t) => {
  const { open, check } = await setUp(t);
  const asked = Promise.withResolvers<void>();
  let readCount = 0;
  const opening = open(asked.promise, () => {
    readCount += 1;
    asked.resolve();
  });
  await assert.rejects(opening, StartBrokenOff);
  assert.notEqual(readCount, 0);
  await check();
});

test('a signal that comes when the store is open is left to the stop in order', limit, async (t) => {
  const { open } = await setUp(t);
  const asked = Promise.withResolvers<void>();
  const { close } = await open(asked.promise);
  asked.resolve();
  await close();
});
