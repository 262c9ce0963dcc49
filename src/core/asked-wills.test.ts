/** Wills whose rights are answered later, and a crash before that. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness, type Harness, type Peer } from '../../test/fixtures/broker-harness.ts';
import { CrashJournal } from '../../test/fixtures/crash-journal.ts';
import type { DiskEntry } from '../../test/fixtures/disk-image.ts';
import { gatekeeperWith } from '../../test/fixtures/fake-gatekeeper.ts';
import type { Gatekeeper } from './ports.ts';

type EnterOptions = NonNullable<Parameters<Harness['client']>[1]>;

const LASTING = { cleanStart: false } as const;
const OLD = { topic: 'w', payload: 'OLD', qos: 1 } as const;
const NEW = { topic: 'w', payload: 'NEW', qos: 1 } as const;
const GRACE_MS = 30_000;

/** A gatekeeper that, while it is slow, answers about publishing when it is told to. */
class SlowRights {
  isSlow = false;
  readonly gatekeeper: Gatekeeper;
  #waiting: (() => void)[] = [];

  constructor() {
    this.gatekeeper = gatekeeperWith({
      mayPublish: () =>
        this.isSlow ? new Promise<boolean>((resolve) => this.#waiting.push(() => resolve(true))) : true,
    });
  }

  get askedCount(): number {
    return this.#waiting.length;
  }

  answer(): void {
    for (const answer of this.#waiting.splice(0)) answer();
  }
}

/** One broker, on what the one before has left. */
class Life {
  readonly rights = new SlowRights();
  readonly journal: CrashJournal;
  readonly house: Harness;
  readonly #originMs: number;

  private constructor(disk: readonly DiskEntry[], originMs: number) {
    this.#originMs = originMs;
    this.journal = new CrashJournal({ disk, originMs });
    this.house = createHarness({ journal: this.journal, gatekeeper: this.rights.gatekeeper });
    this.journal.follow(this.house.turn);
  }

  static async begin(disk: readonly DiskEntry[] = [], originMs = 0): Promise<Life> {
    const life = new Life(disk, originMs);
    const begin = await life.house.broker.restore();
    begin();
    await life.settle();
    return life;
  }

  /** kill -9, and the next process at once. */
  restart(): Promise<Life> {
    return Life.begin(this.journal.crash(), this.#originMs + this.house.clock.monotonicMs() - 1000);
  }

  async settle(): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      this.house.settle();
      this.journal.commit();
      await this.house.settleLater();
    }
  }

  async knock(clientId: string, options: EnterOptions = {}): Promise<Peer> {
    const peer = this.house.peer({}, options.version ?? 4);
    peer.sendConnect({ ...options, clientId });
    await this.settle();
    return peer;
  }

  async enter(clientId: string, options: EnterOptions = {}): Promise<Peer> {
    const peer = await this.knock(clientId, options);
    assert.equal(peer.expect('connack').reason, 0);
    return peer;
  }

  async pass(ms: number): Promise<void> {
    this.house.advance(ms);
    await this.settle();
  }
}

/** A lasting subscriber of the wills that is away. */
async function withWatcher(): Promise<Life> {
  const life = await Life.begin();
  const watcher = await life.enter('watcher', LASTING);
  watcher.sendSubscribe('w', { qos: 1 });
  await life.settle();
  watcher.link.fail();
  await life.settle();
  return life;
}

async function willsSeen(life: Life): Promise<readonly string[]> {
  const watcher = await life.enter('watcher', LASTING);
  return watcher.all().flatMap((packet) => (packet.type === 'publish' ? [packet.text] : []));
}

describe('a will whose right is answered later', () => {
  for (const isTakenOver of [false, true]) {
    const words = isTakenOver ? 'takes over' : 'returns';

    test(`is not lost when its client ${words} with another one, and the broker dies`, async () => {
      const life = await withWatcher();
      const old = await life.enter('dev', { will: OLD });
      life.rights.isSlow = true;
      if (!isTakenOver) old.link.fail();
      await life.settle();
      const next = await life.knock('dev', { will: NEW });
      assert.equal(life.rights.askedCount, 1);
      next.expectNothing();
      const after = await life.restart();
      await after.pass(GRACE_MS);
      assert.deepEqual(await willsSeen(after), ['OLD']);
    });

    test(`comes before its client, who ${words}, is let in with another one`, async () => {
      const life = await withWatcher();
      const old = await life.enter('dev', { will: OLD });
      life.rights.isSlow = true;
      if (!isTakenOver) old.link.fail();
      await life.settle();
      const next = await life.knock('dev', { will: NEW });
      life.rights.answer();
      life.rights.isSlow = false;
      await life.settle();
      assert.equal(next.expect('connack').reason, 0);
      const after = await life.restart();
      await after.pass(GRACE_MS);
      assert.deepEqual(await willsSeen(after), ['OLD', 'NEW']);
    });
  }

  test('does not hold a client that has no will, and comes all the same', async () => {
    const life = await withWatcher();
    const old = await life.enter('dev', { will: OLD });
    life.rights.isSlow = true;
    old.link.fail();
    await life.settle();
    await life.enter('dev');
    const after = await life.restart();
    await after.pass(GRACE_MS);
    assert.deepEqual(await willsSeen(after), ['OLD']);
  });

  test('does not hold anybody where nothing is kept', async () => {
    const rights = new SlowRights();
    const house = createHarness({ gatekeeper: rights.gatekeeper });
    const old = house.client('dev', { will: OLD });
    rights.isSlow = true;
    old.link.fail();
    assert.equal(house.client('dev', { will: NEW }).isClosed, false);
    assert.equal(rights.askedCount, 1);
  });
});

test('after a second crash a will does not wait for its delay again', async () => {
  const delayMs = 3_600_000;
  const first = await withWatcher();
  const properties = { sessionExpiryInterval: 100_000 };
  await first.enter('dev', { version: 5, ...LASTING, properties, will: { ...OLD, delaySeconds: delayMs / 1000 } });
  const second = await first.restart();
  second.rights.isSlow = true;
  await second.pass(delayMs);
  assert.equal(second.rights.askedCount, 1);
  const third = await second.restart();
  await third.pass(0);
  assert.deepEqual(await willsSeen(third), ['OLD']);
  assert.equal(third.house.broker.sizes().sessions, 2);
});
