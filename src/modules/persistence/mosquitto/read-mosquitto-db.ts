/**
 * Reads mosquitto.db, the file of Mosquitto's built-in persistence, formats 2 to 6 (Mosquitto 1.0 to 2.1).
 *
 *      | 00 B5 00 "mosquitto db" | crc, 4 | format, 4 | chunk | chunk | ...          chunk: | kind | length, 4 | body |
 *
 * Formats 2 to 4 have a kind of two bytes and fields one behind the other; 5 and 6 a kind of four bytes and the fields of
 * fixed size first, then the texts. Numbers have their high byte first, those of 64 bits the low one. The crc is 0.
 * The file is walked several times, because what belongs together stands apart in it, and nothing of it is held: a store
 * larger than memory can be read. All lengths are checked before anything is used.
 */

import { readVariableInteger, variableIntegerBytes } from '../../../protocol/frame.ts';
import { PropertyId } from '../../../protocol/property-table.ts';
import { ProtocolError } from '../../../protocol/protocol-error.ts';
import { type Chunk, ChunkFields, ChunkFile } from './chunk-file.ts';
import {
  type MosquittoClient,
  MosquittoDbError,
  type MosquittoMessage,
  type MosquittoRow,
  type MosquittoSource,
  type MosquittoSubscription,
  NEVER_EXPIRES,
  type StoreId,
} from './mosquitto-source.ts';

export const MOSQUITTO_MAGIC: Uint8Array = Uint8Array.from([0x00, 0xb5, 0x00, ...Buffer.from('mosquitto db')]);
export const FORMAT_MIN = 2;
export const FORMAT_MAX = 6;
/** Of the magic, the crc and the format. */
export const HEADER_BYTES = 23;

export const ChunkKind = { Config: 1, Message: 2, Row: 3, Retained: 4, Subscription: 5, Client: 6 } as const;

const EMPTY = new Uint8Array(0);

/** Opens the file and looks at all of its chunks. @throws MosquittoDbError, or the error of the file system */
export function openMosquittoDb(file: string): MosquittoSource {
  const chunks = new ChunkFile(file);
  try {
    return new MosquittoDb(chunks, readFormat(chunks));
  } catch (error) {
    chunks.close();
    throw error;
  }
}

function readFormat(file: ChunkFile): number {
  const head = file.bytes(0, Math.min(HEADER_BYTES, file.size), 'the head');
  const magicEnd = MOSQUITTO_MAGIC.length;
  if (head.length < magicEnd || !MOSQUITTO_MAGIC.every((byte, at) => head[at] === byte)) {
    throw new MosquittoDbError('expected the mark of a mosquitto.db (00 B5 00 "mosquitto db")', 0);
  }
  const fields = new ChunkFields(head.subarray(magicEnd), magicEnd);
  fields.skip(4, 'the check sum');
  const format = fields.u32('the format');
  if (format >= FORMAT_MIN && format <= FORMAT_MAX) return format;
  throw new MosquittoDbError(`expected format ${FORMAT_MIN} to ${FORMAT_MAX}, found ${format}`, magicEnd + 4);
}

class MosquittoDb implements MosquittoSource {
  readonly description: string;
  readonly hasUserNames: boolean;
  readonly #file: ChunkFile;
  readonly #format: number;
  /** Bytes of a store id: Mosquitto's are 8, a build of old could have 4. */
  #idBytes = 8;

  constructor(file: ChunkFile, format: number) {
    this.description = `mosquitto.db, format ${format}`;
    this.hasUserNames = format >= 6;
    this.#file = file;
    this.#format = format;
    // All of it: a file that is cut off is found before anything of it is used.
    for (const chunk of this.#chunks()) {
      if (chunk.kind === ChunkKind.Config) this.#readConfig(this.#fields(chunk));
    }
  }

  close(): void {
    this.#file.close();
  }

  *clients(): Generator<MosquittoClient> {
    for (const fields of this.#bodies(ChunkKind.Client)) {
      yield this.#format >= 5 ? fixedClient(fields, this.#format) : oldClient(fields);
    }
  }

  *subscriptions(): Generator<MosquittoSubscription> {
    for (const fields of this.#bodies(ChunkKind.Subscription)) {
      yield this.#format >= 5 ? fixedSubscription(fields) : oldSubscription(fields);
    }
  }

  *rows(): Generator<MosquittoRow> {
    for (const fields of this.#bodies(ChunkKind.Row)) {
      yield this.#format >= 5 ? fixedRow(fields) : oldRow(fields, this.#idBytes);
    }
  }

  *retained(): Generator<StoreId> {
    for (const fields of this.#bodies(ChunkKind.Retained)) yield storeId(fields, this.#idBytes);
  }

  /** The file has none. */
  *wills(): Generator<never> {}

  *messages(): Generator<MosquittoMessage> {
    for (const fields of this.#bodies(ChunkKind.Message)) {
      yield this.#format >= 5 ? fixedMessage(fields) : oldMessage(fields, this.#format, this.#idBytes);
    }
  }

  #readConfig(fields: ChunkFields): void {
    if (this.#format >= 5) fields.skip(8, 'the last store id');
    fields.skip(1, 'the mark of an orderly end');
    const idBytes = fields.u8('the size of store ids');
    const isKnown = idBytes === 8 || (idBytes === 4 && this.#format < 5);
    if (!isKnown) fields.fail(`expected store ids of 8 bytes, found ${idBytes}`);
    this.#idBytes = idBytes;
  }

  #chunks(): Generator<Chunk> {
    return this.#file.chunks(HEADER_BYTES, this.#format >= 5 ? 4 : 2);
  }

  *#bodies(kind: number): Generator<ChunkFields> {
    for (const chunk of this.#chunks()) if (chunk.kind === kind) yield this.#fields(chunk);
  }

  #fields({ start, end }: Chunk): ChunkFields {
    return new ChunkFields(this.#file.bytes(start, end, 'a chunk'), start);
  }
}

function storeId(fields: ChunkFields, idBytes: number): StoreId {
  if (idBytes === 4) return fields.u32('a store id');
  return asStoreId(fields.u64('a store id'));
}

/** When a client went whose session ends at `expiresAt`; 0 = that does not say. */
export function wentAt(expiresAt: number, expirySeconds: number): number {
  return expiresAt > 0 && expirySeconds < NEVER_EXPIRES ? expiresAt - expirySeconds : 0;
}

/** A number where it holds the value: an index of numbers takes half the memory. */
export function asStoreId(value: bigint): StoreId {
  return value >= 0n && value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
}

// ------------------------------------------------------------------------------------------------ formats 5 and 6

function fixedClient(fields: ChunkFields, format: number): MosquittoClient {
  const expiresAt = fields.seconds('the end of a session');
  const expirySeconds = fields.u32('a session expiry interval');
  fields.skip(2, 'the last packet id of a client');
  const idBytes = fields.u16('the length of a client id');
  const listenerPort = format === 6 ? fields.u16('the port of a listener') : 0;
  const userBytes = format === 6 ? fields.u16('the length of a user name') : 0;
  if (format === 6) fields.skip(4, 'the filling of a client');
  const clientId = fields.take(idBytes, 'a client id');
  const userName = userBytes === 0 ? null : fields.take(userBytes, 'a user name');
  return { clientId, userName, listenerPort, goneAt: wentAt(expiresAt, expirySeconds), expirySeconds };
}

function fixedSubscription(fields: ChunkFields): MosquittoSubscription {
  const identifier = fields.u32('a subscription identifier');
  const idBytes = fields.u16('the length of a client id');
  const filterBytes = fields.u16('the length of a topic filter');
  const qos = fields.u8('the QoS of a subscription');
  const options = fields.u8('the options of a subscription');
  fields.skip(2, 'the filling of a subscription');
  const clientId = fields.take(idBytes, 'a client id');
  return { clientId, filter: fields.take(filterBytes, 'a topic filter'), qos, options, identifier };
}

function fixedMessage(fields: ChunkFields): MosquittoMessage {
  const id = storeId(fields, 8);
  const expiresAt = fields.seconds('the expiry of a message');
  const payloadBytes = fields.u32('the length of a payload');
  fields.skip(2, 'the packet id of a message');
  const idBytes = fields.u16('the length of a client id');
  const userBytes = fields.u16('the length of a user name');
  const topicBytes = fields.u16('the length of a topic');
  const sourcePort = fields.u16('the port of a listener');
  const qos = fields.u8('the QoS of a message');
  const isRetained = fields.u8('the retain flag of a message') !== 0;
  const sourceId = fields.take(idBytes, 'a client id');
  const sourceUserName = fields.take(userBytes, 'a user name');
  const topic = fields.take(topicBytes, 'a topic');
  const payload = fields.take(payloadBytes, 'a payload');
  const properties = propertyBlock(fields);
  return { storeId: id, topic, payload, qos, isRetained, expiresAt, sourceId, sourceUserName, sourcePort, properties };
}

function fixedRow(fields: ChunkFields): MosquittoRow {
  const id = storeId(fields, 8);
  const packetId = fields.u16('a packet id');
  const idBytes = fields.u16('the length of a client id');
  const qos = fields.u8('the QoS of a message');
  const state = fields.u8('the state of a message');
  const isRetained = fields.u8('the flags of a message') >>> 4 !== 0;
  const isOutgoing = fields.u8('the direction of a message') === 1;
  const clientId = fields.take(idBytes, 'a client id');
  const identifier = identifierOf(propertyBlock(fields));
  return { clientId, storeId: id, packetId, qos, state, isRetained, isOutgoing, identifier };
}

/** What is left of a chunk: properties with their length, or nothing. */
function propertyBlock(fields: ChunkFields): Uint8Array {
  if (fields.left === 0) return EMPTY;
  const block = fields.take(fields.left, 'properties');
  try {
    const byteCount = readVariableInteger(block, 0, block.length);
    const start = variableIntegerBytes(byteCount);
    if (start + byteCount <= block.length) return block.subarray(start, start + byteCount);
    return fields.fail(`expected ${byteCount} bytes of properties, found ${block.length - start}`);
  } catch (error) {
    if (error instanceof ProtocolError) return fields.fail(`expected the length of properties: ${error.message}`);
    throw error;
  }
}

/** The subscription identifier, which is all that stands among the properties of a row; 0 = none. */
function identifierOf(properties: Uint8Array): number {
  if (properties[0] !== PropertyId.SubscriptionIdentifier) return 0;
  try {
    return readVariableInteger(properties, 1, properties.length);
  } catch (error) {
    if (error instanceof ProtocolError) return 0;
    throw error;
  }
}

// ------------------------------------------------------------------------------------------------ formats 2 to 4

/** What follows the client id is the time at which it went (formats 3 and 4), which nothing follows from. */
function oldClient(fields: ChunkFields): MosquittoClient {
  const clientId = fields.text('a client id');
  return { clientId, userName: null, listenerPort: 0, goneAt: 0, expirySeconds: NEVER_EXPIRES };
}

function oldSubscription(fields: ChunkFields): MosquittoSubscription {
  const clientId = fields.text('a client id');
  const filter = fields.text('a topic filter');
  return { clientId, filter, qos: fields.u8('the QoS of a subscription'), options: 0, identifier: 0 };
}

function oldMessage(fields: ChunkFields, format: number, idBytes: number): MosquittoMessage {
  const id = storeId(fields, idBytes);
  const sourceId = fields.text('a client id');
  const sourceUserName = format === 4 ? fields.text('a user name') : EMPTY;
  const sourcePort = format === 4 ? fields.u16('the port of a listener') : 0;
  fields.skip(4, 'the packet ids of a message');
  const topic = fields.text('a topic');
  const qos = fields.u8('the QoS of a message');
  const isRetained = fields.u8('the retain flag of a message') !== 0;
  const payload = fields.take(fields.u32('the length of a payload'), 'a payload');
  return {
    storeId: id,
    topic,
    payload,
    qos,
    isRetained,
    expiresAt: 0,
    sourceId,
    sourceUserName,
    sourcePort,
    properties: EMPTY,
  };
}

function oldRow(fields: ChunkFields, idBytes: number): MosquittoRow {
  const clientId = fields.text('a client id');
  const id = storeId(fields, idBytes);
  const packetId = fields.u16('a packet id');
  const qos = fields.u8('the QoS of a message');
  const isRetained = fields.u8('the retain flag of a message') !== 0;
  const isOutgoing = fields.u8('the direction of a message') === 1;
  const state = fields.u8('the state of a message');
  return { clientId, storeId: id, packetId, qos, state, isRetained, isOutgoing, identifier: 0 };
}
