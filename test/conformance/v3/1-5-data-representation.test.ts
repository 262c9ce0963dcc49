import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness } from '../../fixtures/broker-harness.ts';
import {
  field,
  ILL_FORMED,
  joined,
  rawConnect,
  rawPublish,
  rawSubscribe,
  rawUnsubscribe,
} from '../../fixtures/raw-packets.ts';
import { assertEndsClient, assertRefusedSilently, type Provocation, Witness } from '../../fixtures/reactions.ts';

const WILL_AND_CLEAN = 0x06;
const USER_AND_CLEAN = 0x82;

/** Every text field of a 3.1.1 client, with `text` as a part of it. */
const FIELDS: ReadonlyMap<string, (provocation: Provocation, text: Uint8Array) => void> = new Map([
  ['the client identifier', (on, text) => assertRefusedSilently(on, rawConnect({ payload: [field(text)] }))],
  [
    'the will topic',
    (on, text) =>
      assertRefusedSilently(
        on,
        rawConnect({ flags: WILL_AND_CLEAN, payload: [field('id'), field(text), field('will')] }),
      ),
  ],
  [
    'the user name',
    (on, text) => assertRefusedSilently(on, rawConnect({ flags: USER_AND_CLEAN, payload: [field('id'), field(text)] })),
  ],
  ['the topic name of PUBLISH', (on, text) => assertEndsClient(on, rawPublish(text))],
  ['a filter of SUBSCRIBE', (on, text) => assertEndsClient(on, rawSubscribe([[text, 0]]))],
  ['a filter of UNSUBSCRIBE', (on, text) => assertEndsClient(on, rawUnsubscribe([text]))],
]);

describe('1.5 data representation', () => {
  for (const [name, refuse] of FIELDS) {
    test(`[MQTT3-1.5.3-1] text that is not UTF-8 in ${name} closes the connection`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (const bytes of ILL_FORMED.values()) {
        refuse({ house, witness, says: /begins no allowed character/ }, bytes);
        refuse({ house, witness }, joined('plant/', bytes));
        refuse({ house, witness }, joined(bytes, '/line'));
      }
    });

    test(`[MQTT3-1.5.3-2] the null character in ${name} closes the connection`, () => {
      const house = createHarness();
      const witness = new Witness(house);
      for (const text of ['\0', 'a\0', '\0a', 'a/\0/b']) refuse({ house, witness }, Buffer.from(text));
    });
  }

  test('[MQTT3-1.5.3-1] well-formed text of every length of code points is served', () => {
    const house = createHarness();
    const subscriber = house.client('sub');
    subscriber.subscribe('#');
    const publisher = house.client('pub', { userName: 'ü€𝄞' });
    for (const topic of [
      '\u00ff',
      '\u07ff',
      '\u0800',
      '\ud7ff',
      '\ue000',
      '\ufffd',
      '\u{10000}',
      '\u{1d11e}/\u00fc/\u20ac',
      '\u{10fffd}',
    ]) {
      publisher.publish(topic, 'x');
      assert.equal(subscriber.expect('publish').topic, topic);
    }
  });

  test('[MQTT3-1.5.3-3] EF BB BF is a character of its own in topics and filters and is sent as it came', () => {
    const house = createHarness();
    const marked = house.client('marked');
    marked.subscribe('\ufeffa');
    const plain = house.client('plain');
    plain.subscribe('a');
    const publisher = house.client('pub');
    publisher.publish('\ufeffa', 'x');
    assert.deepEqual(Buffer.from(marked.link.takeSent()), Buffer.from('30070004efbbbf6178', 'hex'));
    plain.expectNothing();
    publisher.publish('a', 'y');
    marked.expectNothing();
    assert.equal(plain.expect('publish').text, 'y');
  });

  test('[MQTT3-1.5.3-3] a client identifier with a byte order mark is not the one without', () => {
    const house = createHarness();
    const plain = house.client('id');
    const marked = house.client('\ufeffid');
    assert.equal(plain.isClosed, false);
    assert.equal(marked.isClosed, false);
    assert.equal(house.broker.sizes().sessions, 2);
  });
});
