import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Reason } from '../../../src/protocol/reasons.ts';
import { createHarness, type Harness, type HarnessOptions, type Peer } from '../../fixtures/broker-harness.ts';
import { gatekeeperWith } from '../../fixtures/fake-gatekeeper.ts';
import { rawSubscribe, rawUnsubscribe } from '../../fixtures/raw-packets.ts';
import { assertEndsClientWith, Witness } from '../../fixtures/reactions.ts';
import { comeBack, EXPIRY_SECONDS, enter, enterDurable, numbers, takeAll, texts } from './clients.ts';

const FILTER = '$share/group/t';

interface Group {
  readonly house: Harness;
  readonly members: readonly Peer[];
  readonly pub: Peer;
}

/** Durable members `m0`, `m1`, ... of one group, each with room for `receiveMaximum` messages. */
function group(
  count: number,
  { receiveMaximum = 100, qos = 1, ...options }: Partial<Setup> & HarnessOptions = {},
): Group {
  const house = createHarness(options);
  const members = numbers(count).map((index) => {
    const member = enterDurable(house, `m${index}`, { properties: { receiveMaximum } });
    member.subscribe(FILTER, { qos });
    return member;
  });
  return { house, members, pub: enter(house, 'pub') };
}

interface Setup {
  readonly receiveMaximum: number;
  readonly qos: 0 | 1 | 2;
}

function publishNumbers(pub: Peer, count: number, qos: 0 | 1 | 2, start = 0): void {
  for (const text of numbers(count)) {
    pub.publish('t', String(start + Number(text)), { qos });
    pub.all();
  }
}

/** The one at `index`, which must be there. */
function at<T>(list: readonly T[], index: number): T {
  const value = list[index];
  assert.ok(value !== undefined);
  return value;
}

describe('4.8.2 shared subscriptions', () => {
  const BAD = [
    '$share',
    '$share/',
    '$share//t',
    '$share/g',
    '$share/g/',
    '$share/+/t',
    '$share/#/t',
    '$share/a+/t',
    '$share/g#/t',
    '$share/#',
  ];
  for (const filter of BAD) {
    test(`[MQTT5-4.8.2-1] [MQTT5-4.8.2-2] T43: the filter ${filter} gets DISCONNECT 0x8F and a close`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      const subscribe = rawSubscribe([[filter, 0]], { isV5: true });
      assertEndsClientWith({ house, witness }, subscribe, Reason.TopicFilterInvalid);
      assertEndsClientWith({ house, witness }, rawUnsubscribe([filter], { isV5: true }), Reason.TopicFilterInvalid);
    });
  }

  test('[MQTT5-4.8.2-1] [MQTT5-4.8.2-2] names of any other characters are taken, and what follows them is the filter', () => {
    const house = createHarness();
    const sub = enter(house, 'sub');
    for (const filter of ['$share/g/t', '$share/G/+', '$share/ä ö/t/#', '$share/$x/#', '$share/share//t']) {
      assert.deepEqual(sub.subscribe(filter).reasons, [0], filter);
    }
    const pub = enter(house, 'pub');
    pub.publish('t', 'x');
    assert.equal(sub.publishes().length, 4);
    pub.publish('/t', 'y');
    assert.equal(sub.publishes().length, 2, 'those of # and /t');
  });

  test('each message goes to one member, in turn', () => {
    const { members, pub } = group(3);
    publishNumbers(pub, 9, 1);
    assert.deepEqual(
      members.map((member) => texts(member)),
      [
        ['0', '3', '6'],
        ['1', '4', '7'],
        ['2', '5', '8'],
      ],
    );
  });

  test('groups of other names and plain subscriptions get messages of their own', () => {
    const { house, members, pub } = group(2);
    const other = enter(house, 'other');
    other.subscribe('$share/other/t');
    const plain = enter(house, 'plain');
    plain.subscribe('t');
    publishNumbers(pub, 2, 0);
    assert.deepEqual(texts(other), ['0', '1']);
    assert.deepEqual(texts(plain), ['0', '1']);
    assert.deepEqual(
      members.map((member) => texts(member)),
      [['0'], ['1']],
    );
  });

  test('T32: shared and plain subscriptions of one client to one topic end separately', () => {
    const { members, pub } = group(1);
    const member = at(members, 0);
    member.subscribe('t');
    member.unsubscribe('t');
    publishNumbers(pub, 1, 0);
    assert.deepEqual(texts(member), ['0']);
    member.subscribe('t');
    member.unsubscribe(FILTER);
    publishNumbers(pub, 1, 0);
    assert.deepEqual(texts(member), ['0']);
  });

  test('[MQTT5-4.8.2-3] each member gets at most the QoS it was granted', () => {
    const house = createHarness();
    const members = ([0, 1, 2] as const).map((qos) => {
      const member = enter(house, `m${qos}`);
      assert.deepEqual(member.subscribe(FILTER, { qos }).reasons, [qos]);
      return member;
    });
    const pub = enter(house, 'pub');
    for (const qos of [2, 1, 0] as const) {
      for (let count = 0; count < 3; count += 1) pub.publish('t', 'x', { qos });
      assert.deepEqual(
        members.map((member) => member.publishes().map((seen) => seen.qos)),
        [0, 1, 2].map((granted) => [Math.min(granted, qos)]),
      );
    }
  });

  test('a member whose window is full is left out while others have room; when none has, they queue in turn', () => {
    const { members, pub } = group(2, { receiveMaximum: 1 });
    const [slow, fast] = [at(members, 0), at(members, 1)];
    publishNumbers(pub, 2, 1);
    assert.deepEqual(texts(slow), ['0']);
    const first = fast.expect('publish');
    fast.ack('puback', first.packetId);
    publishNumbers(pub, 1, 1, 2);
    const second = fast.expect('publish');
    assert.equal(second.text, '2');
    publishNumbers(pub, 2, 1, 3);
    slow.expectNothing();
    fast.ack('puback', second.packetId);
    assert.deepEqual(
      takeAll(fast).map(({ text }) => text),
      ['4'],
    );
  });

  test('a durable member that is away is passed over while others are there, and takes its turn when nobody is', () => {
    const { house, members, pub } = group(2);
    at(members, 0).cut();
    publishNumbers(pub, 3, 1);
    assert.deepEqual(texts(at(members, 1)), ['0', '1', '2']);
    at(members, 1).cut();
    publishNumbers(pub, 4, 1, 3);
    const back = numbers(2).map((index) => comeBack(house, `m${index}`));
    const fresh = back.map((member) => member.publishes().filter(({ dup }) => !dup));
    assert.deepEqual(
      fresh
        .flat()
        .map(({ text }) => text)
        .toSorted(),
      ['3', '4', '5', '6'],
    );
    assert.deepEqual(
      fresh.map(({ length }) => length),
      [2, 2],
    );
  });

  test('a member without a durable session gets nothing while it is away; without any member the message is gone', () => {
    const house = createHarness();
    const member = enter(house, 'fleeting');
    member.subscribe(FILTER, { qos: 1 });
    member.cut();
    const pub = enter(house, 'pub');
    pub.publish('t', 'x', { qos: 1 });
    assert.equal(pub.expect('puback').reason, Reason.NoMatchingSubscribers);
  });

  for (const how of ['cut', 'disconnect'] as const) {
    test(`what was not sent to a member that leaves (${how}) goes to the others, in order; what was sent stays with it`, () => {
      const { house, members, pub } = group(2, { receiveMaximum: 1 });
      const [leaver, stayer] = [at(members, 0), at(members, 1)];
      publishNumbers(pub, 8, 1);
      assert.deepEqual(texts(leaver), ['0']);
      if (how === 'cut') leaver.cut();
      else leaver.disconnect();
      const taken = takeAll(stayer).map(({ text }) => text);
      assert.deepEqual(taken, ['1', '3', '5', '7', '2', '4', '6']);
      const back = comeBack(house, 'm0');
      assert.deepEqual(
        back.publishes().map(({ text, dup }) => [text, dup]),
        [['0', true]],
      );
    });
  }

  test('what was not sent to a member that leaves alone waits for it', () => {
    const { house, members, pub } = group(1, { receiveMaximum: 1 });
    publishNumbers(pub, 3, 1);
    at(members, 0).cut();
    assert.deepEqual(
      takeAll(comeBack(house, 'm0')).map(({ text }) => text),
      ['0', '1', '2'],
    );
  });

  for (const how of ['expires', 'begins anew'] as const) {
    test(`what was not sent goes to another durable member, also one that is away, when the session ${how}`, () => {
      const { house, members, pub } = group(2, { receiveMaximum: 1 });
      at(members, 1).cut();
      publishNumbers(pub, 4, 1);
      assert.deepEqual(texts(at(members, 0)), ['0']);
      at(members, 0).disconnect(0, { sessionExpiryInterval: how === 'expires' ? 5 : 50 });
      if (how === 'expires') house.advance(5_000);
      else house.peer().connect({ version: 5, clientId: 'm0', cleanStart: true });
      assert.deepEqual(
        takeAll(comeBack(house, 'm1')).map(({ text }) => text),
        ['1', '2', '3'],
      );
    });
  }

  test('[MQTT5-4.8.2-4] a QoS 2 delivery that is cut off goes on with the same member, not with another', () => {
    const { house, members, pub } = group(2, { qos: 2 });
    const [leaver, stayer] = [at(members, 0), at(members, 1)];
    publishNumbers(pub, 1, 2);
    const { packetId } = leaver.expect('publish');
    leaver.cut();
    stayer.expectNothing();
    const back = comeBack(house, 'm0');
    const again = back.expect('publish');
    assert.deepEqual([again.text, again.packetId, again.dup], ['0', packetId, true]);
    back.ack('pubrec', packetId);
    back.expect('pubrel');
    back.cut();
    stayer.expectNothing();
    const third = comeBack(house, 'm0');
    assert.equal(third.expect('pubrel').packetId, packetId);
    third.ack('pubcomp', packetId);
    stayer.expectNothing();
  });

  for (const how of ['expires', 'begins anew', 'is given up by DISCONNECT'] as const) {
    test(`[MQTT5-4.8.2-5] when the session ${how}, the QoS 2 message that was under way goes to nobody else`, () => {
      const { house, members, pub } = group(2, { qos: 2 });
      const [leaver, stayer] = [at(members, 0), at(members, 1)];
      publishNumbers(pub, 1, 2);
      leaver.expect('publish');
      if (how === 'is given up by DISCONNECT') leaver.disconnect(0, { sessionExpiryInterval: 0 });
      else leaver.cut();
      if (how === 'expires') house.advance(EXPIRY_SECONDS * 1_000);
      if (how === 'begins anew') house.peer().connect({ version: 5, clientId: 'm0', cleanStart: true });
      stayer.expectNothing();
      const fresh = house.peer();
      assert.equal(fresh.connect({ version: 5, clientId: 'm0', cleanStart: false }).sessionPresent, false);
      fresh.expectNothing();
      stayer.expectNothing();
    });
  }

  const ERRORS = [0x80, 0x83, 0x87, 0x90, 0x97, 0x99] as const;
  for (const reason of ERRORS) {
    test(`[MQTT5-4.8.2-6] a message that a member refuses with 0x${reason.toString(16)} goes to nobody else`, () => {
      const { house, members, pub } = group(2, { qos: 2 });
      const [refuser, other] = [at(members, 0), at(members, 1)];
      publishNumbers(pub, 2, 1);
      other.ack('puback', other.expect('publish').packetId);
      refuser.ack('puback', refuser.expect('publish').packetId, reason);
      other.expectNothing();
      publishNumbers(pub, 2, 2);
      const [mine] = refuser.publishes();
      other.publishes();
      refuser.ack('pubrec', mine?.packetId ?? 0, reason);
      refuser.cut();
      other.expectNothing();
      comeBack(house, 'm0').expectNothing();
    });
  }

  test('a member that joins, leaves and joins again takes part in turn', () => {
    const { members, pub } = group(3);
    at(members, 1).unsubscribe(FILTER);
    publishNumbers(pub, 4, 0);
    assert.deepEqual(
      members.map((member) => texts(member).length),
      [2, 0, 2],
    );
    at(members, 1).subscribe(FILTER);
    publishNumbers(pub, 6, 0);
    assert.deepEqual(
      members.map((member) => texts(member).length),
      [2, 2, 2],
    );
  });

  test('subscribing again changes the QoS of the member and not its place', () => {
    const { members, pub } = group(2);
    at(members, 0).subscribe(FILTER, { qos: 0, identifier: 6 });
    publishNumbers(pub, 2, 1);
    const seen = at(members, 0).expect('publish');
    assert.deepEqual([seen.qos, seen.properties.subscriptionIdentifiers], [0, [6]]);
    assert.equal(texts(at(members, 1)).length, 1);
  });

  test('the last member that leaves takes the group with it', () => {
    const { house, members, pub } = group(2);
    for (const member of members) member.unsubscribe(FILTER);
    assert.equal(house.broker.sizes().subscriptions, 0);
    pub.publish('t', 'x', { qos: 1 });
    assert.equal(pub.expect('puback').reason, Reason.NoMatchingSubscribers);
  });

  test('groups with wildcards share what each of their filters matches', () => {
    const house = createHarness();
    const [one, two] = ['one', 'two'].map((clientId) => {
      const member = enter(house, clientId);
      member.subscribe('$share/g/plant/+/temperature');
      return member;
    });
    assert.ok(one !== undefined && two !== undefined);
    const pub = enter(house, 'pub');
    for (const text of numbers(6)) pub.publish(`plant/${text}/temperature`, text);
    assert.deepEqual(
      [texts(one), texts(two)],
      [
        ['0', '2', '4'],
        ['1', '3', '5'],
      ],
    );
  });

  test('RETAIN and Retain As Published count for shared subscriptions as for others', () => {
    const house = createHarness();
    const sub = enter(house, 'sub');
    sub.subscribe('$share/a/t', { retainAsPublished: true });
    sub.subscribe('$share/b/t', { retainAsPublished: false });
    enter(house, 'pub').publish('t', 'x', { retain: true });
    assert.deepEqual(
      sub
        .publishes()
        .map(({ retain }) => retain)
        .toSorted(),
      [false, true],
    );
  });

  test('a hundred members take a thousand messages, each the same number', () => {
    const { members, pub } = group(100);
    publishNumbers(pub, 1_000, 1);
    const counts = members.map((member) => member.publishes().length);
    assert.deepEqual(counts, Array(100).fill(10));
  });

  test('a member without the right to receive loses its turn, as in Mosquitto', () => {
    const gatekeeper = gatekeeperWith({ mayReceive: (identity) => identity.clientId !== 'm0' });
    const { house, members, pub } = group(2, { gatekeeper });
    publishNumbers(pub, 4, 1);
    at(members, 0).expectNothing();
    assert.deepEqual(texts(at(members, 1)), ['1', '3']);
    assert.equal(house.broker.counters.publishesDropped, 2);
  });
});
