/**
 * What the hot path of the codec costs, in nanoseconds per call: `node bench/codec.bench.ts`. Each case runs several
 * rounds and the fastest counts, since a disturbed round says nothing about the code. Topics change from call to call, as
 * in a plant, so that the memo of topics is asked and not just a lucky cache line.
 */
import { createAckFields, decodeAckInto } from '../src/protocol/decode/ack.ts';
import { createPublishPacket, decodePublish } from '../src/protocol/decode/publish.ts';
import { writeAck } from '../src/protocol/encode/ack.ts';
import { encodePublishPacket } from '../src/protocol/encode/packet.ts';
import { type PublishFields, publishFrameBytes, writePublish } from '../src/protocol/encode/publish.ts';
import { createFrameHeader, readFrame } from '../src/protocol/frame.ts';
import { parseTopicName, TopicNames } from '../src/protocol/topic.ts';
import { readUtf8 } from '../src/protocol/utf8.ts';
import type { ProtocolVersion, Qos } from '../src/protocol/version.ts';
import { copyInto } from '../src/protocol/write.ts';

const ROUNDS = 60;
const CALLS = 20_000;
const TOPICS = 250;

interface Stream {
  readonly bytes: Uint8Array;
  /** Where each frame begins; one more for the end. */
  readonly starts: readonly number[];
}

/** Nothing that is measured may be found useless and dropped. */
let sink = 0;

function measure(name: string, run: (calls: number) => number): void {
  let best = Infinity;
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    sink += run(CALLS);
    best = Math.min(best, ((performance.now() - startMs) * 1e6) / CALLS);
  }
  console.log(`${name.padEnd(62)} ${best.toFixed(1).padStart(7)} ns`);
}

function publishFields(index: number, qos: Qos, payloadBytes: number): PublishFields {
  const text = `Plant1/Line${index % 4}/Robot${index % 50}/Sensor${index}/Temperature`;
  const topic = parseTopicName(text);
  if (topic === null) throw new Error(`no topic name: ${text}`);
  return {
    topic,
    packetId: 1 + index,
    qos,
    retain: false,
    dup: false,
    topicAlias: 0,
    messageExpiryInterval: null,
    subscriptionIdentifiers: null,
    forwardedProperties: new Uint8Array(0),
    bytes: new Uint8Array(payloadBytes).fill(0x41),
    payloadStart: 0,
    payloadEnd: payloadBytes,
  };
}

function streamOf(frames: readonly Uint8Array[]): Stream {
  const starts = [0];
  for (const frame of frames) starts.push((starts.at(-1) ?? 0) + frame.length);
  const bytes = new Uint8Array(starts.at(-1) ?? 0);
  for (const [index, frame] of frames.entries()) bytes.set(frame, starts[index]);
  return { bytes, starts };
}

function publishStream(version: ProtocolVersion, qos: Qos, change: Partial<PublishFields>): Stream {
  const frames = Array.from({ length: TOPICS }, (_, index) =>
    encodePublishPacket({ ...publishFields(index, qos, 64), ...change }, version),
  );
  return streamOf(frames);
}

function measureDecodePublish(name: string, version: ProtocolVersion, { bytes, starts }: Stream): void {
  const header = createFrameHeader();
  const packet = createPublishPacket();
  const topics = new TopicNames();
  measure(`readFrame + decodePublish, ${name}`, (calls) => {
    let sum = 0;
    for (let call = 0, index = 0; call < calls; call++, index = index + 1 === TOPICS ? 0 : index + 1) {
      const start = starts[index] ?? 0;
      readFrame(bytes, start, bytes.length, header);
      decodePublish(bytes, start, header, version, topics, packet);
      sum += packet.payloadStart + (packet.topic === null ? 0 : packet.topic.bytes.length);
    }
    return sum;
  });
}

function measureWritePublish(name: string, version: ProtocolVersion, change: Partial<PublishFields>, bytes = 64): void {
  const all = Array.from({ length: TOPICS }, (_, index) => ({ ...publishFields(index, 1, bytes), ...change }));
  const into = new Uint8Array(65_536);
  measure(`publishFrameBytes + writePublish, ${name}`, (calls) => {
    let at = 0;
    for (let call = 0, index = 0; call < calls; call++, index = index + 1 === TOPICS ? 0 : index + 1) {
      const fields = all[index];
      if (fields === undefined) break;
      const frameBytes = publishFrameBytes(version, fields);
      if (at + frameBytes > into.length) at = 0;
      at = writePublish(version, fields, frameBytes, into, at, true);
    }
    return at;
  });
}

function measureReadFrame(): void {
  const { bytes } = publishStream(4, 0, {});
  const header = createFrameHeader();
  measure('readFrame', (calls) => {
    let at = 0;
    for (let call = 0; call < calls; call++) {
      readFrame(bytes, at, bytes.length, header);
      at = header.bodyEnd === bytes.length ? 0 : header.bodyEnd;
    }
    return at;
  });
}

function measureAcks(): void {
  const into = new Uint8Array(8);
  const header = createFrameHeader();
  const fields = createAckFields();
  measure('writeAck + readFrame + decodeAckInto, v5 PUBACK', (calls) => {
    let sum = 0;
    for (let call = 0; call < calls; call++) {
      const end = writeAck(5, 'puback', (call & 0x7fff) + 1, 0, into, 0);
      readFrame(into, 0, end, header);
      decodeAckInto(into, header, 5, fields);
      sum += fields.packetId;
    }
    return sum;
  });
}

function measureTopics(): void {
  const { bytes, starts } = publishStream(4, 0, {});
  const spans = starts.slice(0, -1).map((start) => ({ start: start + 4, end: start + 4 + (bytes[start + 3] ?? 0) }));
  for (const [name, slots] of [
    ['hit', 4096],
    ['miss', 2],
  ] as const) {
    const topics = new TopicNames(slots);
    measure(`TopicNames.read, ${name}`, (calls) => {
      let sum = 0;
      for (let call = 0, index = 0; call < calls; call++, index = index + 1 === TOPICS ? 0 : index + 1) {
        const span = spans[index];
        if (span !== undefined) sum += topics.read(bytes, span.start, span.end).bytes.length;
      }
      return sum;
    });
  }
}

function measureCopies(): void {
  const from = new Uint8Array(4096).fill(7);
  const into = new Uint8Array(4096);
  for (const count of [16, 32, 64, 65, 128, 1024]) {
    measure(`copyInto, ${count} bytes`, (calls) => {
      let sum = 0;
      for (let call = 0; call < calls; call++) sum += copyInto(from, call & 63, (call & 63) + count, into, call & 31);
      return sum;
    });
  }
  measure('readUtf8, 24 bytes of ASCII', (calls) => {
    let sum = 0;
    from.fill(0x61);
    for (let call = 0; call < calls; call++) sum += readUtf8(from, call & 63, (call & 63) + 24).length;
    return sum;
  });
}

const userProperty = Uint8Array.of(0x26, 0, 4, 0x75, 0x6e, 0x69, 0x74, 0, 2, 0x6d, 0x6d);
measureReadFrame();
measureDecodePublish('3.1.1 QoS 0', 4, publishStream(4, 0, {}));
measureDecodePublish('3.1.1 QoS 1', 4, publishStream(4, 1, {}));
measureDecodePublish('5.0 QoS 1, no properties', 5, publishStream(5, 1, {}));
const rich = { messageExpiryInterval: 60, forwardedProperties: userProperty };
measureDecodePublish('5.0 QoS 1, expiry and user property', 5, publishStream(5, 1, rich));
measureDecodePublish('5.0 QoS 1, alias only', 5, publishStream(5, 1, { topic: null, topicAlias: 3 }));
measureWritePublish('3.1.1 QoS 1, 64 bytes', 4, {});
measureWritePublish('3.1.1 QoS 1, 1024 bytes', 4, {}, 1024);
measureWritePublish('5.0 QoS 1, 64 bytes, no properties', 5, {});
measureWritePublish('5.0 QoS 1, expiry, user property, identifier', 5, { ...rich, subscriptionIdentifiers: [7] });
measureAcks();
measureTopics();
measureCopies();
console.log(`(${sink === 0 ? 'nothing was done' : `${TOPICS} topics of about 42 bytes, payload 64 bytes`})`);
