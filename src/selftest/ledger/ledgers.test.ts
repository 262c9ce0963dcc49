/** Each kind of loss, as a false history: the accounts must find it, and find nothing in the true one. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FAULTS_LISTED_MAX } from './faults.ts';
import { Ledgers } from './ledgers.ts';

const TOPIC = 'crash/p/q2a';
const TOPIC_1 = 'crash/p/q1a';
const KEEP = 'keep/p/0';

class Story {
  nowMs = 1000;
  readonly ledgers = new Ledgers(() => this.nowMs);

  constructor() {
    this.ledgers.messages.addStream({ topic: TOPIC, qos: 2 });
    this.ledgers.messages.addStream({ topic: TOPIC_1, qos: 1 });
    this.ledgers.messages.addReceiver('r', 2);
    this.ledgers.retained.addTopic(KEEP);
  }

  get kinds(): readonly string[] {
    return this.ledgers.faults.listed.map(({ kind }) => kind);
  }

  /** Sends that many and has them acknowledged. */
  send(topic: string, count: number): void {
    const { messages } = this.ledgers;
    for (let index = 0; index < count; index += 1) messages.acknowledged(topic, messages.sent(topic));
  }

  receive(topic: string, ...numbers: readonly number[]): void {
    for (const number of numbers) {
      this.ledgers.messages.received('r', { topic, number, qos: topic === TOPIC ? 2 : 1 });
    }
  }

  retain(isClear: boolean): number {
    const { retained } = this.ledgers;
    const number = retained.sent(KEEP, isClear);
    retained.acknowledged(KEEP, number);
    return number;
  }

  /** Something is sent and acknowledged. */
  prove(): void {
    this.ledgers.acts.acknowledged(this.ledgers.acts.next());
  }

  find(number: number | null): void {
    this.ledgers.retained.check(new Map(number === null ? [] : [[KEEP, number]]));
  }

  /** A client with a will that is connected. */
  live(): number {
    const life = this.ledgers.wills.give();
    this.ledgers.wills.accepted(life);
    return life;
  }
}

describe('messages', () => {
  it('all that were sent came: no fault', () => {
    const story = new Story();
    story.send(TOPIC, 3);
    story.send(TOPIC_1, 2);
    assert.equal(story.ledgers.messages.owed, 5);
    story.receive(TOPIC, 1, 2, 3);
    story.receive(TOPIC_1, 1, 2, 1, 2);
    assert.equal(story.ledgers.messages.owed, 0);
    story.ledgers.messages.settle();
    story.receive(TOPIC_1, 2);
    assert.deepEqual(story.kinds, []);
    assert.equal(story.ledgers.messages.counts.repeated, 3);
  });

  it('an acknowledged one that did not come is lost, and the text says who missed what and when', () => {
    const story = new Story();
    story.send(TOPIC, 2);
    story.nowMs += 7;
    story.ledgers.faults.cycle = 4;
    story.ledgers.faults.killedBy = 'at PUBREC number 2';
    story.ledgers.crash();
    story.receive(TOPIC, 1);
    story.ledgers.messages.settle();
    assert.deepEqual(story.ledgers.faults.listed, [
      {
        kind: 'lost',
        cycle: 4,
        killedBy: 'at PUBREC number 2',
        text: 'r did not receive message 2 of crash/p/q2a; it was acknowledged by PUBREC 7.0 ms before the last kill',
      },
    ]);
  });

  it('QoS 2 that is delivered again is found, in the same cycle and in a later one', () => {
    const story = new Story();
    story.send(TOPIC, 1);
    story.receive(TOPIC, 1, 1);
    story.ledgers.messages.settle();
    story.receive(TOPIC, 1);
    assert.deepEqual(story.kinds, ['twice', 'twice']);
  });

  it('one that was never sent is found', () => {
    const story = new Story();
    story.receive(TOPIC, 1);
    story.receive(TOPIC, 0);
    story.receive('crash/other', 1);
    assert.deepEqual(story.kinds, ['never-sent', 'never-sent', 'never-sent']);
  });

  it('one that comes after a later one is found', () => {
    const story = new Story();
    story.send(TOPIC_1, 3);
    story.receive(TOPIC_1, 1, 3, 2);
    assert.deepEqual(story.kinds, ['disorder']);
  });

  it('of a shared subscription all must come, once and in any order', () => {
    const story = new Story();
    const { messages } = story.ledgers;
    messages.addReceiver('team', 2, false);
    story.send(TOPIC, 3);
    story.receive(TOPIC, 1, 2, 3);
    for (const number of [3, 1, 3]) messages.received('team', { topic: TOPIC, number, qos: 2 });
    messages.settle();
    assert.deepEqual(story.kinds, ['twice', 'lost']);
  });

  it('one with another QoS is found', () => {
    const story = new Story();
    story.send(TOPIC, 1);
    story.ledgers.messages.received('r', { topic: TOPIC, number: 1, qos: 1 });
    assert.deepEqual(story.kinds, ['wrong-qos']);
  });

  it('one that is never acknowledged, however often it is sent, is found', () => {
    const story = new Story();
    story.ledgers.messages.sent(TOPIC);
    story.receive(TOPIC, 1);
    story.ledgers.messages.settle();
    assert.deepEqual(story.kinds, ['unacknowledged']);
  });

  it('one that was given up may come or not, and late, but QoS 2 not twice', () => {
    const story = new Story();
    const { messages } = story.ledgers;
    messages.abandoned(TOPIC, messages.sent(TOPIC));
    messages.abandoned(TOPIC, messages.sent(TOPIC));
    assert.equal(messages.owed, 0);
    messages.settle();
    story.receive(TOPIC, 1);
    assert.deepEqual(story.kinds, []);
    story.receive(TOPIC, 1);
    messages.settle();
    story.receive(TOPIC, 2);
    assert.deepEqual(story.kinds, ['twice', 'twice']);
  });
});

describe('retained messages', () => {
  it('the last acknowledged version or a later one that was sent: no fault', () => {
    const story = new Story();
    story.find(null);
    story.find(story.retain(false));
    story.ledgers.retained.sent(KEEP, true);
    story.find(1);
    story.find(null);
    assert.deepEqual(story.kinds, []);
  });

  it('one that is missing, old, cleared or unknown is found', () => {
    const story = new Story();
    story.retain(false);
    story.find(null);
    story.retain(false);
    story.find(1);
    story.retain(true);
    story.find(2);
    story.find(3);
    story.find(9);
    story.find(0);
    story.ledgers.retained.check(new Map([['keep/other', 1]]));
    assert.deepEqual(story.kinds, [
      'retained-missing',
      'retained-old',
      'retained-back',
      'retained-unknown',
      'retained-unknown',
      'retained-unknown',
      'retained-unknown',
    ]);
  });
});

describe('wills', () => {
  it('that come once after the broker or the connection was lost: no fault', () => {
    const story = new Story();
    const { wills } = story.ledgers;
    const cutOff = story.live();
    const lost = story.live();
    wills.goneFor(lost, 1000);
    story.ledgers.crash();
    story.nowMs += 1000;
    assert.equal(wills.owed, 2);
    wills.came(cutOff, 2);
    wills.came(lost, 2);
    wills.settle();
    assert.deepEqual(story.kinds, []);
    assert.equal(wills.size, 0);
  });

  it('one that is owed and does not come is missing; the one of a client that is connected is not owed', () => {
    const story = new Story();
    story.live();
    story.ledgers.wills.settle();
    assert.deepEqual(story.kinds, []);
    story.ledgers.crash();
    story.ledgers.wills.settle();
    assert.deepEqual(story.kinds, ['will-missing']);
  });

  it('one that comes twice, or was never given, is found', () => {
    const story = new Story();
    const life = story.live();
    story.ledgers.crash();
    for (const number of [life, life, 99]) story.ledgers.wills.came(number, 2);
    assert.deepEqual(story.kinds, ['will-unexpected', 'will-unexpected']);
  });

  it('one of QoS 1 may come again, but not one that had been dropped', () => {
    const story = new Story();
    const { wills } = story.ledgers;
    const [life, dropped] = [story.live(), story.live()];
    story.ledgers.crash();
    wills.replaced(dropped);
    for (const number of [life, life, dropped]) wills.came(number, 1);
    assert.deepEqual(story.kinds, ['will-unexpected']);
  });

  it('one before its delay is found', () => {
    const story = new Story();
    const life = story.live();
    story.ledgers.wills.goneFor(life, 1000);
    story.nowMs += 500;
    story.ledgers.wills.came(life, 2);
    assert.deepEqual(story.kinds, ['will-early']);
  });

  it('one that DISCONNECT dropped must not come once something later was acknowledged before the crash', () => {
    const story = new Story();
    const { wills } = story.ledgers;
    const [unproven, proven] = [story.live(), story.live()];
    wills.leaves(proven);
    wills.hasLeft(proven);
    story.prove();
    wills.leaves(unproven);
    wills.hasLeft(unproven);
    story.ledgers.crash();
    story.prove();
    story.ledgers.crash();
    wills.came(unproven, 2);
    assert.deepEqual(story.kinds, []);
    wills.came(proven, 2);
    assert.deepEqual(story.kinds, ['will-unexpected']);
  });

  it('one that its client replaced in time must not come', () => {
    const story = new Story();
    const life = story.live();
    story.ledgers.crash();
    story.ledgers.wills.replaced(life);
    story.ledgers.wills.came(life, 2);
    assert.deepEqual(story.kinds, ['will-unexpected']);
  });
});

const LASTING = { isClean: false, isLasting: true };
const VOLATILE = { isClean: true, isLasting: false };
const OPTIONS = { qos: 1, identifier: 7 };

describe('sessions and subscriptions', () => {
  it('that are there as acknowledged, or as the request under way would have it: no fault', () => {
    const story = new Story();
    const { sessions } = story.ledgers;
    sessions.connects('c', LASTING);
    sessions.resumed('c', false);
    sessions.subscribes('c', 'f', OPTIONS);
    sessions.subscribed('c', 'f', OPTIONS);
    sessions.subscribes('c', 'f', null);
    story.ledgers.crash();
    sessions.resumed('c', true);
    sessions.check('c', 'f', null);
    sessions.connects('c', { isClean: true, isLasting: true });
    story.ledgers.crash();
    sessions.resumed('c', false);
    assert.deepEqual(story.kinds, []);
  });

  it('a session that is lost is found', () => {
    const story = new Story();
    const { sessions } = story.ledgers;
    sessions.connects('c', LASTING);
    sessions.resumed('c', false);
    assert.equal(sessions.resumed('c', false), false);
    assert.deepEqual(story.kinds, ['session-lost']);
  });

  it('a session that comes back after its removal was certain is found', () => {
    const story = new Story();
    const { sessions } = story.ledgers;
    sessions.resumed('c', false);
    sessions.connects('c', VOLATILE);
    sessions.began('c', false);
    story.ledgers.crash();
    sessions.resumed('c', true);
    assert.deepEqual(story.kinds, []);
    sessions.connects('c', VOLATILE);
    sessions.began('c', false);
    story.prove();
    story.ledgers.crash();
    sessions.resumed('c', true);
    assert.deepEqual(story.kinds, ['session-back']);
  });

  it('a subscription that is lost, comes back or has other options is found', () => {
    const story = new Story();
    const { sessions } = story.ledgers;
    sessions.subscribed('c', 'f', OPTIONS);
    sessions.check('c', 'f', null);
    sessions.subscribed('c', 'f', null);
    sessions.check('c', 'f', OPTIONS);
    sessions.subscribed('c', 'f', OPTIONS);
    sessions.check('c', 'f', { qos: 0, identifier: 7 });
    assert.deepEqual(story.kinds, ['subscription-lost', 'subscription-back', 'subscription-changed']);
  });
});

it('faults above the limit are counted only', () => {
  const story = new Story();
  for (let index = 0; index <= FAULTS_LISTED_MAX; index += 1) story.receive('crash/other', 1);
  assert.equal(story.ledgers.faults.listed.length, FAULTS_LISTED_MAX);
  assert.equal(story.ledgers.faults.count, FAULTS_LISTED_MAX + 1);
});
