/**
 * What stands in the place of a QoS 2 message whose row is damaged while it was on its way: its packet id is still known, and
 * must not be given to another message, which the client would take for the same one again. As released, it is ended with
 * the client by PUBREL and PUBCOMP; the message itself is never sent.
 */
import { NO_BYTES, OwnedMessage } from '../../../core/model/message.ts';
import { readTopicName } from '../../../protocol/topic.ts';
import { encodeRow, type StoreScale } from '../bodies.ts';

/** Nothing of it depends on clocks or listeners. */
const SCALE: StoreScale = { toStored: (ms) => ms, fromStored: (ms) => ms, nameOf: () => '', idOf: () => 0 };
const TOPIC = new TextEncoder().encode('damaged');
/** Where a row's body has its flags, and in them its QoS; see bodies.ts. */
const FLAGS_AT = 1;
const QOS_MASK = 3;

/** The body of the row. */
export function standInBody(): Uint8Array {
  const message = new OwnedMessage({
    topic: readTopicName(TOPIC, 0, TOPIC.length),
    qos: 2,
    retain: false,
    expiresAtMs: Number.POSITIVE_INFINITY,
    forwardedProperties: NO_BYTES,
    publisherId: '',
    bytes: NO_BYTES,
  });
  return encodeRow({ message, qos: 2, retain: false, subscriptionIdentifiers: null, shared: null }, SCALE);
}

/** Whether a damaged row may be one of QoS 2: no single bit makes QoS 1 of it. */
export function mayBeQos2(body: unknown): boolean {
  return !(body instanceof Uint8Array) || ((body[FLAGS_AT] ?? 0) & QOS_MASK) !== 1;
}
