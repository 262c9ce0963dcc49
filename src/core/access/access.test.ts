import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { gatekeeperWith } from '../../../test/fixtures/fake-gatekeeper.ts';
import { parseTopicFilter, parseTopicName, TopicLoan, type TopicName, TopicNames } from '../../protocol/topic.ts';
import type { Gatekeeper, Identity } from '../ports.ts';
import { Access } from './access.ts';

const topics = new TopicNames();

/** A name as PUBLISH gives it: the same object each time. */
function nameOf(text: string): TopicName {
  const bytes = Buffer.from(text);
  return topics.read(bytes, 0, bytes.length);
}

/** A gatekeeper that is asked and counts how often. */
class Rules implements Gatekeeper {
  rulesVersion = 1;
  hasRules = true;
  answer = true;
  readonly asked: string[] = [];
  readonly #others = gatekeeperWith({});

  authenticate: Gatekeeper['authenticate'] = () => ({ kind: 'allowed' });
  startEnhanced: Gatekeeper['startEnhanced'] = () => null;

  mayPublish(identity: Identity, topic: TopicName): boolean | Promise<boolean> {
    return this.#ask('publish', identity, topic.text);
  }

  mayHavePublished(): boolean {
    return true;
  }

  mayReceive(identity: Identity, topic: TopicName): boolean {
    return this.#ask('receive', identity, topic.text);
  }

  maySubscribe: Gatekeeper['maySubscribe'] = (identity, filter) => this.#ask('subscribe', identity, filter.text);

  isStillWelcome: Gatekeeper['isStillWelcome'] = (identity, security) =>
    this.#others.isStillWelcome(identity, security);

  #ask(what: string, { clientId }: Identity, text: string): boolean {
    this.asked.push(`${what} ${clientId} ${text}`);
    return this.answer;
  }
}

function scene(): { rules: Rules; access: Access; anna: Identity; ben: Identity; faults: unknown[] } {
  const rules = new Rules();
  const faults: unknown[] = [];
  const access = new Access(rules, (error) => faults.push(error));
  const identify = (clientId: string): Identity => access.identify({ clientId, userName: null, listenerId: 0 });
  return { rules, access, anna: identify('anna'), ben: identify('ben'), faults };
}

function mayReceive(access: Access, identity: Identity, topic: TopicName): boolean {
  assert.ok(access.mayReceive !== null, 'with a gatekeeper there is somebody to ask');
  return access.mayReceive(identity, topic);
}

describe('what the gatekeeper has answered', () => {
  test('is remembered for each client, each topic, and publishing apart from receiving', () => {
    const { rules, access, anna, ben } = scene();
    for (let round = 0; round < 3; round += 1) {
      for (const identity of [anna, ben]) {
        for (const text of ['a', 'b']) {
          assert.equal(access.mayPublish(identity, nameOf(text)), true);
          assert.equal(mayReceive(access, identity, nameOf(text)), true);
        }
      }
    }
    assert.equal(rules.asked.length, 8);
    assert.equal(new Set(rules.asked).size, 8);
  });

  test('a no for one is no no for the other, nor for the other direction', () => {
    const { rules, access, anna, ben } = scene();
    rules.answer = false;
    assert.equal(mayReceive(access, anna, nameOf('a')), false);
    rules.answer = true;
    assert.equal(mayReceive(access, ben, nameOf('a')), true);
    assert.equal(access.mayPublish(anna, nameOf('a')), true);
    assert.equal(mayReceive(access, anna, nameOf('a')), false);
  });

  test('is forgotten when the rules change, all of it', () => {
    const { rules, access, anna, ben } = scene();
    assert.equal(access.mayPublish(anna, nameOf('a')), true);
    assert.equal(mayReceive(access, ben, nameOf('b')), true);
    rules.answer = false;
    for (let round = 0; round < 3; round += 1) {
      assert.equal(access.mayPublish(anna, nameOf('a')), true, 'while the version stays the answer does');
      assert.equal(mayReceive(access, ben, nameOf('b')), true);
    }
    rules.rulesVersion += 1;
    assert.equal(mayReceive(access, ben, nameOf('b')), false);
    assert.equal(access.mayPublish(anna, nameOf('a')), false);
    assert.equal(rules.asked.length, 4);
  });

  for (const first of ['publish', 'receive'] as const) {
    test(`is forgotten in one direction too when the other, ${first}, was asked about anew`, () => {
      const { rules, access, anna } = scene();
      const mayDo = (what: 'publish' | 'receive'): boolean | Promise<boolean> =>
        what === 'publish' ? access.mayPublish(anna, nameOf('a')) : mayReceive(access, anna, nameOf('a'));
      const other = first === 'publish' ? 'receive' : 'publish';
      for (let round = 0; round < 3; round += 1) assert.deepEqual([mayDo('publish'), mayDo('receive')], [true, true]);
      rules.rulesVersion += 1;
      for (let round = 0; round < 3; round += 1) assert.equal(mayDo(first), true);
      rules.answer = false;
      assert.equal(mayDo(other), false);
      assert.equal(mayDo(first), true);
    });
  }

  test('rules that change while they are asked: the answer serves once', () => {
    const { rules, access, anna } = scene();
    const ask = rules.mayReceive.bind(rules);
    rules.mayReceive = (identity, topic) => {
      rules.rulesVersion += 1;
      return ask(identity, topic);
    };
    mayReceive(access, anna, nameOf('a'));
    mayReceive(access, anna, nameOf('a'));
    assert.equal(rules.asked.length, 2);
  });

  test('about a topic that is only lent is asked for each time: the same object is another topic', () => {
    const { rules, access, anna } = scene();
    const loan = new TopicLoan();
    for (const text of ['open', 'open', 'open', 'secret']) {
      const bytes = Buffer.from(text);
      loan.lend(bytes, 0, bytes.length);
      rules.answer = text === 'open';
      assert.equal(mayReceive(access, anna, loan.name), text === 'open');
      assert.equal(access.mayPublish(anna, loan.name), text === 'open');
    }
    assert.equal(rules.asked.length, 8);
  });

  test('about a topic without a number is asked for each time', () => {
    const { rules, access, anna } = scene();
    const topic = parseTopicName('no/memo');
    assert.ok(topic !== null);
    access.mayPublish(anna, topic);
    access.mayPublish(anna, topic);
    assert.equal(rules.asked.length, 2);
  });

  test('about an identity that is not ours is asked for each time', () => {
    const { rules, access } = scene();
    const stranger: Identity = { clientId: 'stranger', userName: null, listenerId: 0 };
    access.mayPublish(stranger, nameOf('a'));
    access.mayPublish(stranger, nameOf('a'));
    mayReceive(access, stranger, nameOf('a'));
    mayReceive(access, stranger, nameOf('a'));
    assert.equal(rules.asked.length, 4);
  });

  test('later is not remembered', async () => {
    const { rules, access, anna } = scene();
    rules.mayPublish = (_identity, topic) => {
      rules.asked.push(topic.text);
      return Promise.resolve(false);
    };
    assert.equal(await access.mayPublish(anna, nameOf('a')), false);
    assert.equal(await access.mayPublish(anna, nameOf('a')), false);
    assert.equal(rules.asked.length, 2);
  });

  test('a client that comes again is another one, whatever it was allowed before', () => {
    const { rules, access, anna } = scene();
    assert.equal(access.mayPublish(anna, nameOf('a')), true);
    rules.answer = false;
    const again = access.identify({ clientId: 'anna', userName: null, listenerId: 7 });
    assert.equal(access.mayPublish(again, nameOf('a')), false);
  });
});

describe('without rules', () => {
  test('nobody is asked, and rules that come later hold at once', () => {
    const { rules, access, anna } = scene();
    const filter = parseTopicFilter('#');
    assert.ok(filter !== null);
    rules.hasRules = false;
    rules.answer = false;
    assert.equal(access.mayPublish(anna, nameOf('a')), true);
    assert.equal(mayReceive(access, anna, nameOf('a')), true);
    assert.equal(access.maySubscribe(anna, filter), true);
    assert.deepEqual(rules.asked, []);
    rules.hasRules = true;
    assert.equal(access.mayPublish(anna, nameOf('a')), false);
    assert.equal(mayReceive(access, anna, nameOf('a')), false);
    assert.equal(access.maySubscribe(anna, filter), false);
  });

  test('topics that are the broker own are closed all the same', () => {
    const { rules, access, anna } = scene();
    rules.hasRules = false;
    for (const text of ['$SYS/broker/version', '$share/g/t', '$CONTROL/x']) {
      assert.equal(access.mayPublish(anna, nameOf(text)), false, text);
    }
    assert.equal(access.mayPublish(anna, nameOf('$SYS/broker/connection/bridge/state')), true);
  });

  test('without a gatekeeper there is nobody to ask', () => {
    const access = new Access(null, () => assert.fail());
    const anna = access.identify({ clientId: 'anna', userName: null, listenerId: 0 });
    assert.equal(access.mayReceive, null);
    assert.equal(access.mayPublish(anna, nameOf('a')), true);
    assert.equal(access.isStillWelcome(anna, null), true);
  });
});

test('a gatekeeper that throws in the middle of the matter of somebody else says no, is reported and asked again', () => {
  const { rules, access, anna, faults } = scene();
  rules.mayReceive = () => {
    throw new TypeError('broken');
  };
  rules.isStillWelcome = () => {
    throw new TypeError('broken too');
  };
  assert.equal(mayReceive(access, anna, nameOf('a')), false);
  assert.equal(mayReceive(access, anna, nameOf('a')), false);
  assert.equal(access.isStillWelcome(anna, null), false);
  assert.equal(faults.length, 3);
});
