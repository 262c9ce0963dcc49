import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { encodeProperties } from '../../../test/fixtures/encode-properties.ts';
import { rowFacts } from '../../../test/fixtures/journal-suite.ts';
import { NO_BYTES, OwnedMessage } from '../../core/model/message.ts';
import { EMPTY_PROPERTIES, PacketType, type Properties } from '../../protocol/packets.ts';
import { isMqttText } from '../../protocol/utf8.ts';
import {
  BodyError,
  decodeMessage,
  decodeRetained,
  decodeRow,
  decodeSession,
  decodeSubscription,
  decodeWill,
  encodeMessage,
  encodeRetained,
  encodeRow,
  encodeRowShared,
  encodeSession,
  encodeSubscription,
  encodeWill,
  keyOf,
  lendRow,
} from './bodies.ts';
import {
  deliveryOf,
  filterOf,
  messageOf,
  payloadOf,
  SHIFTED_SCALE as scale,
  subscriptionOf,
  topicOf,
} from './records.fixture.ts';

/** Objects as a program writes them. */
function plain<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

const qos = fc.constantFrom(0 as const, 1 as const, 2 as const);
const mqttText = fc.string({ unit: 'binary', maxLength: 40 }).filter(isMqttText);
/** Also what MQTT does not allow: it may come out of a certificate. */
const anyText = fc.string({ unit: 'binary', maxLength: 300 }).filter((text) => text.isWellFormed());
const userName = fc.option(anyText);
const listenerId = fc.nat(60_000);
const topic = mqttText.filter((text) => text !== '' && !/[+#]/.test(text) && text.split('/').length < 200).map(topicOf);
const filter = fc.constantFrom('a/b', '#', '+/x', '$share/g/a/+', '$SYS/#', 'ä/ö').map(filterOf);
const identifiers = fc.option(fc.array(fc.integer({ min: 1, max: 268_435_455 }), { minLength: 1, maxLength: 5 }));
const moment = fc.oneof(fc.integer({ min: -1e12, max: 1e12 }), fc.constant(Number.POSITIVE_INFINITY));
const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
const properties = fc.option(
  plain({
    contentType: mqttText,
    responseTopic: fc.constant('answer/here'),
    correlationData: fc.uint8Array({ maxLength: 300 }),
    userProperties: fc.array(plain({ name: mqttText, value: mqttText }), { maxLength: 4 }),
  }),
);

const message: fc.Arbitrary<OwnedMessage> = plain({
  topic,
  qos,
  retain: fc.boolean(),
  expiresAtMs: moment,
  properties,
  publisherId: mqttText,
  publisher: fc.option(plain({ clientId: mqttText, userName, listenerId })),
  isOwnId: fc.boolean(),
  bytes: fc.uint8Array({ maxLength: 5000 }),
}).map(({ properties: given, publisher, isOwnId, ...fields }) =>
  messageOf('', {
    ...fields,
    publisher: publisher !== null && isOwnId ? { ...publisher, clientId: fields.publisherId } : publisher,
    forwardedProperties: given === null ? NO_BYTES : forwardedOf(given),
  }),
);

function forwardedOf(given: Partial<Properties>): Uint8Array {
  return encodeProperties({ ...EMPTY_PROPERTIES, ...given }, PacketType.Publish);
}

const delivery = plain({
  message,
  qos,
  retain: fc.boolean(),
  subscriptionIdentifiers: identifiers,
  isShared: fc.boolean(),
}).map(({ isShared, ...fields }) => ({ ...fields, shared: isShared ? subscriptionOf('$share/grüße/a/#') : null }));

const session = plain({
  clientId: anyText,
  userName,
  listenerId,
  expirySeconds: u32,
  offlineSinceMs: fc.option(fc.integer({ min: -1e12, max: 1e12 })),
});

function messageFacts(given: OwnedMessage): object {
  return rowFacts({ position: 0, delivery: deliveryOf(given) });
}

describe('what is written is read', () => {
  test('sessions', () => {
    fc.assert(
      fc.property(session, (given) => {
        assert.deepEqual(decodeSession(encodeSession(given, scale), scale), given);
      }),
    );
  });

  test('subscriptions', () => {
    const options = { qos, noLocal: fc.boolean(), retainAsPublished: fc.boolean() };
    const handling = fc.constantFrom(0 as const, 1 as const, 2 as const);
    fc.assert(
      fc.property(plain({ filter, ...options, retainHandling: handling, identifiers }), (given) => {
        assert.deepEqual(decodeSubscription(keyOf(given.filter.text), encodeSubscription(given)), given);
      }),
    );
  });

  test('rows with their message', () => {
    fc.assert(
      fc.property(delivery, (given) => {
        const row = decodeRow(7, encodeRow(given, scale), null, scale);
        assert.deepEqual(rowFacts(row), rowFacts({ position: 7, delivery: given }));
        assert.equal(row.delivery.shared, null);
      }),
    );
  });

  test('rows whose message stands by itself', () => {
    fc.assert(
      fc.property(delivery, (given) => {
        const owned = decodeMessage(encodeMessage(given.message, scale), scale);
        const row = decodeRow(7, encodeRowShared(given), owned, scale);
        assert.deepEqual(rowFacts(row), rowFacts({ position: 7, delivery: given }));
        assert.equal(row.delivery.message, owned);
      }),
    );
  });

  test('retained messages', () => {
    fc.assert(
      fc.property(message, moment, (given, sinceMs) => {
        const read = decodeRetained(given.topic.bytes, encodeRetained(given, sinceMs, scale), scale);
        assert.deepEqual(messageFacts(read.message), messageFacts(given));
        assert.equal(read.sinceMs, sinceMs);
      }),
    );
  });

  test('wills', () => {
    const will = plain({ message, delaySeconds: u32, expirySeconds: fc.option(u32) });
    fc.assert(
      fc.property(plain({ clientId: anyText, userName, listenerId }), will, (owner, given) => {
        const { will: read, ...readOwner } = decodeWill(keyOf(owner.clientId), encodeWill(owner, given, scale), scale);
        assert.deepEqual(readOwner, owner);
        assert.deepEqual(messageFacts(read.message), messageFacts(given.message));
        assert.deepEqual([read.delaySeconds, read.expirySeconds], [given.delaySeconds, given.expirySeconds]);
      }),
    );
  });
});

test('moments and listeners are stored as they are called outside of this process', () => {
  const other = { ...scale, fromStored: (ms: number) => ms - 1_000_500, idOf: () => 77 };
  const given = messageOf('m', { expiresAtMs: 5000 });
  const read = decodeMessage(encodeMessage(given, scale), other);
  assert.equal(read.expiresAtMs, 4500);
  assert.deepEqual(read.publisher, { clientId: 'pub', userName: null, listenerId: 77 });
});

test('what is read does not hang on the bytes that it was read from', () => {
  const body = encodeRow(deliveryOf(messageOf('text')), scale);
  const row = decodeRow(1, body, null, scale);
  body.fill(0xee);
  assert.equal(payloadOf(row.delivery.message), 'text');
  assert.deepEqual([...row.delivery.message.topic.bytes], [...keyOf('t')]);
});

test('bodies that are handed out do not change, those that are lent do', () => {
  const kept = encodeRow(deliveryOf(messageOf('first')), scale);
  const copy = kept.slice();
  lendRow(deliveryOf(messageOf('second and longer')), scale);
  assert.deepEqual(kept, copy);
});

test('a long text and a large payload fit, and a small body follows', () => {
  const big = messageOf('', { bytes: new Uint8Array(3_000_000).fill(7), publisherId: 'ä'.repeat(30_000) });
  const read = decodeMessage(encodeMessage(big, scale), scale);
  assert.equal(read.payloadEnd, 3_000_000);
  assert.equal(read.publisherId, big.publisherId);
  assert.equal(payloadOf(decodeMessage(encodeMessage(messageOf('small'), scale), scale)), 'small');
});

describe('what is damaged is a BodyError, or something valid', () => {
  const rich = messageOf('payload', {
    topic: topicOf('plant/ä'),
    expiresAtMs: 5000,
    publisherId: 'robot',
    publisher: { clientId: 'other', userName: 'user', listenerId: 3 },
    forwardedProperties: forwardedOf({ contentType: 'text', userProperties: [{ name: 'a', value: 'b' }] }),
  });
  const row = deliveryOf(rich, { subscriptionIdentifiers: [1, 300], shared: subscriptionOf('$share/g/t') });
  const owner = { clientId: 'robot', userName: 'user', listenerId: 3 };
  const cases: readonly { name: string; body: Uint8Array; decode: (body: Uint8Array) => unknown }[] = [
    {
      name: 'session',
      body: encodeSession({ ...owner, expirySeconds: 60, offlineSinceMs: 12 }, scale),
      decode: (body) => decodeSession(body, scale),
    },
    {
      name: 'subscription',
      body: encodeSubscription(subscriptionOf('a/#', { identifiers: [12] })),
      decode: (body) => decodeSubscription(keyOf('a/#'), body),
    },
    { name: 'row', body: encodeRow(row, scale), decode: (body) => decodeRow(1, body, null, scale) },
    { name: 'shared row', body: encodeRowShared(row), decode: (body) => decodeRow(1, body, rich, scale) },
    { name: 'message', body: encodeMessage(rich, scale), decode: (body) => decodeMessage(body, scale) },
    {
      name: 'retained',
      body: encodeRetained(rich, 12, scale),
      decode: (body) => decodeRetained(keyOf('a'), body, scale),
    },
    {
      name: 'will',
      body: encodeWill(owner, { message: rich, delaySeconds: 5, expirySeconds: 6 }, scale),
      decode: (body) => decodeWill(keyOf('robot'), body, scale),
    },
  ];

  /** @returns whether it was refused */
  function isRefused(decode: (body: Uint8Array) => unknown, body: Uint8Array): boolean {
    try {
      const value = decode(body);
      const found = findMessage(value);
      // Whatever is taken for a message can be written and sent.
      if (found !== null)
        assert.deepEqual(messageFacts(decodeMessage(encodeMessage(found, scale), scale)), messageFacts(found));
      return false;
    } catch (error) {
      if (!(error instanceof BodyError)) throw error;
      return true;
    }
  }

  for (const { name, body, decode } of cases) {
    test(`${name}: cut off anywhere`, () => {
      const refused = Array.from({ length: body.length }, (_, end) => isRefused(decode, body.subarray(0, end)));
      // All but the payload has an end that is known.
      const payloadBytes = findMessage(decode(body)) === null ? 0 : name === 'shared row' ? 0 : 'payload'.length;
      assert.deepEqual(
        refused.map((isRefusedAt, end) => (isRefusedAt ? null : end)).filter((end) => end !== null),
        Array.from({ length: payloadBytes }, (_, index) => body.length - payloadBytes + index),
      );
    });

    test(`${name}: every flipped bit`, () => {
      for (let bit = 0; bit < 8 * body.length; bit += 1) {
        const flipped = body.slice();
        flipped[bit >>> 3] = (flipped[bit >>> 3] ?? 0) ^ (1 << (bit & 7));
        isRefused(decode, flipped);
      }
    });

    test(`${name}: any bytes`, () => {
      fc.assert(fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void isRefused(decode, bytes)));
      fc.assert(
        fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => void isRefused(decode, Uint8Array.of(1, ...bytes))),
      );
    });

    test(`${name}: a form of another program, and bytes behind the end`, () => {
      const other = body.slice();
      other[0] = 2;
      assert.throws(() => decode(other), /form is 2, this program knows 1/);
      if (findMessage(decode(body)) !== null && name !== 'shared row') return;
      assert.ok(isRefused(decode, Uint8Array.of(...body, 0)));
    });
  }

  test('keys that are no topic, filter or text', () => {
    const retained = encodeRetained(rich, 12, scale);
    for (const key of ['', 'a/+', 'a\u0000b']) {
      assert.throws(() => decodeRetained(keyOf(key), retained, scale), BodyError);
    }
    const subscription = encodeSubscription(subscriptionOf('a/#'));
    for (const key of ['', 'a/#/b', '$share/x']) {
      assert.throws(() => decodeSubscription(keyOf(key), subscription), BodyError);
    }
    const will = encodeWill(owner, { message: rich, delaySeconds: 5, expirySeconds: null }, scale);
    assert.throws(() => decodeWill(Uint8Array.of(0xff), will, scale), BodyError);
  });

  test('errors say nothing of what stands there', () => {
    const body = encodeMessage(messageOf('secret', { publisherId: 'hidden' }), scale);
    for (let end = 0; end < body.length; end += 1) {
      try {
        decodeMessage(body.subarray(0, end), scale);
      } catch (error) {
        assert.ok(error instanceof BodyError);
        assert.doesNotMatch(error.message, /secret|hidden/);
      }
    }
  });
});

/** The message in what was decoded, wherever it stands. */
function findMessage(value: unknown): OwnedMessage | null {
  if (value instanceof OwnedMessage) return value;
  if (typeof value !== 'object' || value === null) return null;
  for (const [key, inner] of Object.entries(value)) {
    if (key === 'message' || key === 'will' || key === 'delivery') return findMessage(inner);
  }
  return null;
}
