/** T14: will delay, session expiry, return, take-over, DISCONNECT and the end of the broker, in every order. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, type Harness, type Peer } from '../../fixtures/broker-harness.ts';
import { enter } from './clients.ts';

const FOR_EVER = 0xffff_ffff;
/** How long a test looks on, in seconds. */
const LOOK = 100;
const NEVER = null;

interface Scene {
  readonly house: Harness;
  readonly watcher: Peer;
  readonly client: Peer;
}

interface Times {
  /** Will Delay Interval and Session Expiry Interval, in seconds. */
  readonly delay: number;
  readonly expiry: number;
}

function scene({ delay, expiry }: Times): Scene {
  const house = createHarness();
  const watcher = enter(house, 'watcher');
  watcher.subscribe('w');
  const client = enter(house, 'client', {
    will: { topic: 'w', payload: 'gone', delaySeconds: delay },
    properties: { sessionExpiryInterval: expiry },
  });
  return { house, watcher, client };
}

/** Looks on for LOOK seconds, second by second. @returns in which the will came, or null; twice is an error. */
function willSecond({ house, watcher }: Scene): number | null {
  let came: number | null = null;
  for (let second = 0; second <= LOOK; second += 1) {
    if (second > 0) house.advance(1_000);
    const seen = watcher.all().filter(({ type }) => type === 'publish');
    assert.ok(seen.length + (came === null ? 0 : 1) <= 1, `the will came twice, again in second ${second}`);
    if (seen.length > 0) came = second;
  }
  assert.equal(house.broker.counters.internalErrors, 0);
  return came;
}

function connectAgain(house: Harness, cleanStart: boolean, expiry = 0): Peer {
  const peer = house.peer();
  peer.connect({ version: 5, clientId: 'client', cleanStart, properties: { sessionExpiryInterval: expiry } });
  return peer;
}

describe('3.1.3 will delay against session expiry', () => {
  const LOST: readonly (Times & { readonly at: number | null })[] = [
    { delay: 0, expiry: 0, at: 0 },
    { delay: 0, expiry: 10, at: 0 },
    { delay: 0, expiry: FOR_EVER, at: 0 },
    { delay: 10, expiry: 0, at: 0 },
    { delay: FOR_EVER, expiry: 0, at: 0 },
    { delay: 10, expiry: 30, at: 10 },
    { delay: 10, expiry: 10, at: 10 },
    { delay: 30, expiry: 10, at: 10 },
    { delay: FOR_EVER, expiry: 10, at: 10 },
    { delay: 10, expiry: FOR_EVER, at: 10 },
    { delay: FOR_EVER, expiry: FOR_EVER, at: NEVER },
    { delay: 1, expiry: 1, at: 1 },
  ];
  for (const { delay, expiry, at } of LOST) {
    test(`[MQTT5-3.1.2-8] T14: delay ${delay}, expiry ${expiry}, connection lost: the will comes ${at ?? 'never'}`, () => {
      const all = scene({ delay, expiry });
      all.client.cut();
      assert.equal(willSecond(all), at);
    });
  }

  const RETURN: readonly (Times & { readonly after: number; readonly at: number | null })[] = [
    { delay: 10, expiry: 30, after: 0, at: NEVER },
    { delay: 10, expiry: 30, after: 9, at: NEVER },
    { delay: 10, expiry: FOR_EVER, after: 5, at: NEVER },
    { delay: 30, expiry: 10, after: 9, at: NEVER },
    { delay: FOR_EVER, expiry: FOR_EVER, after: 20, at: NEVER },
  ];
  for (const { delay, expiry, after } of RETURN) {
    test(`[MQTT5-3.1.3-9] T14: delay ${delay}, expiry ${expiry}, back after ${after} s: the will is not sent`, () => {
      const all = scene({ delay, expiry });
      all.client.cut();
      all.house.advance(after * 1_000);
      connectAgain(all.house, false, expiry);
      assert.equal(willSecond(all), NEVER);
    });

    test(`[MQTT5-3.1.2-8] T14: delay ${delay}, expiry ${expiry}, Clean Start after ${after} s ends the session: the will comes`, () => {
      const all = scene({ delay, expiry });
      all.client.cut();
      all.house.advance(after * 1_000);
      assert.equal(all.watcher.all().length, 0);
      connectAgain(all.house, true, expiry);
      assert.equal(willSecond(all), 0);
    });
  }

  test('[MQTT5-3.1.3-9] T14: back after the will was sent: it is not sent again', () => {
    const all = scene({ delay: 10, expiry: 30 });
    all.client.cut();
    all.house.advance(10_000);
    assert.equal(all.watcher.all().length, 1);
    connectAgain(all.house, false, 30);
    assert.equal(willSecond(all), NEVER);
  });

  test('[MQTT5-3.1.3-9] T14: back and lost again: only the new will counts, from the new loss', () => {
    const all = scene({ delay: 10, expiry: 60 });
    all.client.cut();
    all.house.advance(5_000);
    const back = all.house.peer();
    back.connect({
      version: 5,
      clientId: 'client',
      cleanStart: false,
      will: { topic: 'w', payload: 'second', delaySeconds: 20 },
      properties: { sessionExpiryInterval: 60 },
    });
    all.house.advance(50_000);
    back.cut();
    assert.equal(willSecond(all), 20);
  });

  const TAKE_OVER: readonly (Times & { readonly cleanStart: boolean; readonly at: number | null })[] = [
    { delay: 0, expiry: 0, cleanStart: false, at: 0 },
    { delay: 0, expiry: 30, cleanStart: false, at: 0 },
    { delay: 0, expiry: 30, cleanStart: true, at: 0 },
    { delay: 10, expiry: 0, cleanStart: false, at: 0 },
    { delay: 10, expiry: 30, cleanStart: false, at: NEVER },
    { delay: 30, expiry: 10, cleanStart: false, at: NEVER },
    { delay: FOR_EVER, expiry: FOR_EVER, cleanStart: false, at: NEVER },
    { delay: 10, expiry: 30, cleanStart: true, at: 0 },
    { delay: FOR_EVER, expiry: FOR_EVER, cleanStart: true, at: 0 },
  ];
  for (const { delay, expiry, cleanStart, at } of TAKE_OVER) {
    const how = cleanStart ? 'with' : 'without';
    test(`[MQTT5-3.1.2-8] [MQTT5-3.1.3-9] T14: delay ${delay}, expiry ${expiry}, taken over ${how} Clean Start: the will comes ${at ?? 'never'}`, () => {
      const all = scene({ delay, expiry });
      connectAgain(all.house, cleanStart, expiry);
      assert.equal(all.client.expect('disconnect').reason, Reason.SessionTakenOver);
      assert.equal(willSecond(all), at);
    });
  }

  const SAID: readonly (Times & {
    readonly reason: 0x00 | 0x04;
    /** Session expiry in DISCONNECT; null = none. */
    readonly changed: number | null;
    readonly at: number | null;
  })[] = [
    { delay: 10, expiry: 30, reason: 0x00, changed: null, at: NEVER },
    { delay: 10, expiry: 30, reason: 0x00, changed: 0, at: NEVER },
    { delay: 10, expiry: 30, reason: 0x04, changed: null, at: 10 },
    { delay: 10, expiry: 30, reason: 0x04, changed: 0, at: 0 },
    { delay: 10, expiry: 30, reason: 0x04, changed: 5, at: 5 },
    { delay: 10, expiry: 5, reason: 0x04, changed: 30, at: 10 },
    { delay: 10, expiry: 5, reason: 0x04, changed: FOR_EVER, at: 10 },
    { delay: 50, expiry: FOR_EVER, reason: 0x04, changed: 20, at: 20 },
    { delay: 0, expiry: FOR_EVER, reason: 0x04, changed: 20, at: 0 },
  ];
  for (const { delay, expiry, reason, changed, at } of SAID) {
    const change = changed === null ? '' : `, expiry changed to ${changed}`;
    test(`[MQTT5-3.14.4-3] T14: delay ${delay}, expiry ${expiry}, DISCONNECT 0x0${reason}${change}: the will comes ${at ?? 'never'}`, () => {
      const all = scene({ delay, expiry });
      all.client.disconnect(reason, { sessionExpiryInterval: changed });
      assert.equal(willSecond(all), at);
    });
  }

  for (const { delay, expiry } of [
    { delay: 10, expiry: 30 },
    { delay: 30, expiry: 10 },
    { delay: FOR_EVER, expiry: FOR_EVER },
  ]) {
    test(`[MQTT5-3.1.2-8] T14: delay ${delay}, expiry ${expiry}, the broker stops meanwhile: the will comes at once`, () => {
      const all = scene({ delay, expiry });
      all.client.cut();
      all.house.advance(3_000);
      void all.house.broker.stop();
      assert.equal(willSecond(all), 0);
    });
  }

  test('T14: wills of many clients come each at its own time, whatever the order of loss', () => {
    const house = createHarness();
    const watcher = enter(house, 'watcher');
    watcher.subscribe('w/+');
    const delays = [7, 3, 9, 1, 5, 3, 8];
    const clients = delays.map((delaySeconds, index) =>
      enter(house, `c${index}`, {
        will: { topic: `w/${index}`, payload: String(delaySeconds), delaySeconds },
        properties: { sessionExpiryInterval: 60 },
      }),
    );
    for (const client of clients) client.cut();
    for (let second = 1; second <= 10; second += 1) {
      house.advance(1_000);
      const expected = delays.filter((delay) => delay === second).map(String);
      assert.deepEqual(
        watcher.publishes().map(({ text }) => text),
        expected,
      );
    }
  });

  test('T14: a jump of the wall clock sends no will early', () => {
    const all = scene({ delay: 10, expiry: 30 });
    all.client.cut();
    all.house.clock.jumpWall(3_600_000);
    assert.equal(willSecond(all), 10);
  });
});
