/** Sessions whose user is not known are taken over by whoever comes first; what another user's client id ends is said. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  type ConnectOptions,
  createHarness,
  fromHex,
  type Harness,
  type HarnessOptions,
  type Peer,
} from '../../test/fixtures/broker-harness.ts';
import { CrashJournal } from '../../test/fixtures/crash-journal.ts';
import type { DiskEntry } from '../../test/fixtures/disk-image.ts';
import { gatekeeperWith } from '../../test/fixtures/fake-gatekeeper.ts';
import { isMqttText } from '../protocol/utf8.ts';
import { UNKNOWN_OWNER } from './ports.ts';

interface Scene {
  readonly house: Harness;
  readonly journal: CrashJournal;
}

const LASTING = { cleanStart: false } as const;

async function start(disk: readonly DiskEntry[], options: Omit<HarnessOptions, 'journal'> = {}): Promise<Scene> {
  const journal = new CrashJournal({ disk });
  const house = createHarness({ ...options, journal });
  journal.follow(house.turn);
  const begin = await house.broker.restore();
  begin();
  return { house, journal };
}

/** What an import leaves: client `old` is away, its user unknown, and it subscribes to `#`. */
async function imported(options: Omit<HarnessOptions, 'journal'> = {}): Promise<Scene> {
  const first = await start([]);
  const peer = await come(first, 'old', LASTING);
  peer.sendSubscribe('#', { qos: 1 });
  commit(first);
  peer.cut();
  commit(first);
  return start(first.journal.crash().map(withoutUser), options);
}

function withoutUser({ record, originMs }: DiskEntry): DiskEntry {
  return { originMs, record: record.kind === 'session' ? { ...record, userName: UNKNOWN_OWNER } : record };
}

function commit({ house, journal }: Scene): void {
  house.settle();
  journal.commit();
  house.settle();
}

async function enter(
  all: Scene,
  clientId: string,
  options: ConnectOptions,
): Promise<{ peer: Peer; isPresent: boolean }> {
  const peer = all.house.peer();
  peer.sendConnect({ ...options, clientId });
  commit(all);
  await all.house.settleLater();
  const { reason, sessionPresent } = peer.expect('connack');
  assert.equal(reason, 0);
  return { peer, isPresent: sessionPresent };
}

async function come(all: Scene, clientId: string, options: ConnectOptions): Promise<Peer> {
  const { peer } = await enter(all, clientId, options);
  return peer;
}

describe('a session of an unknown user', () => {
  for (const user of [{ userName: 'ann' }, {}]) {
    const words = 'userName' in user ? 'a user' : 'a client without a name';

    test(`goes to ${words} that comes first, and is theirs after the next restart`, async () => {
      const all = await imported();
      const { peer, isPresent } = await enter(all, 'old', { ...LASTING, ...user });
      assert.equal(isPresent, true);
      assert.deepEqual(
        all.house.log.texts('notice').filter((text) => text.includes('now used')),
        [],
      );
      peer.link.fail();
      commit(all);
      const again = await start(all.journal.crash());
      const other = await enter(again, 'old', { ...LASTING, userName: 'bob' });
      assert.equal(other.isPresent, false);
      const once = await start(all.journal.crash());
      const same = await enter(once, 'old', { ...LASTING, ...user });
      assert.equal(same.isPresent, true);
    });
  }

  test('queues whatever the rules say, and what it may receive is judged when it has a user', async () => {
    const asked = new Set<string | null>();
    const gatekeeper = gatekeeperWith({
      mayReceive: ({ userName }, topic) => {
        asked.add(userName);
        return userName === 'ann' && topic.text !== 'secret';
      },
    });
    const all = await imported({ gatekeeper });
    const pub = await come(all, 'pub', { userName: 'pub' });
    for (const topic of ['open', 'secret', 'open']) {
      pub.publish(topic, topic, { qos: 1 });
      commit(all);
      pub.expect('puback');
    }
    assert.deepEqual([...asked], []);
    const { peer } = await enter(all, 'old', { ...LASTING, userName: 'ann' });
    assert.deepEqual(
      peer.publishes().map(({ text }) => text),
      ['open', 'open'],
    );
    assert.deepEqual([...asked], ['ann']);
  });

  test('its will is not due when its client returns, under any name', async () => {
    const first = await start([]);
    await come(first, 'old', { userName: 'ann', will: { topic: 'w', payload: 'gone', qos: 1 } });
    const isWill = ({ record }: DiskEntry): boolean => record.kind === 'will';
    const disk = first.journal.crash().filter(isWill);
    assert.equal(disk.length, 1);
    const all = await start(
      disk.map(({ record, originMs }) => ({ originMs, record: { ...record, userName: UNKNOWN_OWNER } })),
    );
    const watcher = await come(all, 'watcher', {});
    watcher.subscribe('w');
    await come(all, 'old', { userName: 'bob' });
    all.house.advance(100_000);
    watcher.expectNothing();
  });

  test('no client can have its name', () => {
    assert.equal(isMqttText(UNKNOWN_OWNER), false);
    const heads = { 3: '0006 4d5149736470 03', 4: '0004 4d515454 04', 5: '0004 4d515454 05' };
    for (const version of [3, 4, 5] as const) {
      for (const [userName, sessions] of [
        ['00', 0],
        ['61', 1],
      ] as const) {
        const house = createHarness();
        const peer = house.peer({}, version);
        const properties = version === 5 ? '00' : '';
        const body = fromHex(`${heads[version]} 82 003c ${properties} 0001 78 0001 ${userName}`);
        peer.send(Buffer.concat([Uint8Array.of(0x10, body.length), body]));
        assert.equal(house.broker.sizes().sessions, sessions, `version ${version}, user name ${userName}`);
        assert.equal(peer.isClosed, sessions === 0);
      }
    }
  });
});

describe('the client id of another user', () => {
  async function withSession(options: ConnectOptions): Promise<Scene & { peer: Peer }> {
    const all = await start([]);
    const peer = await come(all, 'c', { ...LASTING, ...options });
    peer.sendSubscribe('#', { qos: 1 });
    commit(all);
    peer.cut();
    const pub = await come(all, 'pub', {});
    for (let count = 0; count < 3; count += 1) pub.publish('a', 'x', { qos: 1 });
    commit(all);
    return { ...all, peer };
  }

  const linesOf = ({ house }: Scene): readonly string[] =>
    house.log.texts('notice').filter((text) => text.includes('now used'));

  test('a line says whose session ended, who came, and what was lost', async () => {
    const all = await withSession({ userName: 'ann' });
    await come(all, 'c', { userName: 'bob', cleanStart: false });
    const [line, ...others] = linesOf(all);
    assert.deepEqual(others, []);
    assert.match(
      line ?? '',
      /^Client id c of user 'ann' is now used by user 'bob' from \S+:\d+: the session of before and its 3 queued messages have ended\.$/,
    );
  });

  test('with a clean start as well, and a client without a name is called so', async () => {
    const all = await withSession({ userName: 'ann' });
    await come(all, 'c', { cleanStart: true });
    assert.match(linesOf(all).join(), /of user 'ann' is now used by a client without user name from/);
  });

  test('none when the same user begins anew', async () => {
    const all = await withSession({ userName: 'ann' });
    await come(all, 'c', { userName: 'ann', cleanStart: true });
    assert.deepEqual(linesOf(all), []);
  });
});
