/**
 * Writes what our store holds as a mosquitto.db of format 6, so that one can go back to Mosquitto (1.6 or later). It is
 * written from beginning to end as the store is read, whatever its size; what is only known at the end of a session (its last
 * packet id) or of everything (the last store id) is put into its place afterwards.
 *
 * Mosquitto has nothing for wills here, and hands a QoS 2 message on only when PUBREL comes, so the packet ids of those that
 * we have handed on already would make it hand them on again: both are left out and counted.
 */
import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import type { OwnedMessage } from '../../../core/model/message.ts';
import { type QueueRow, UNKNOWN_OWNER } from '../../../core/ports.ts';
import { variableIntegerBytes, writeVariableInteger } from '../../../protocol/frame.ts';
import { PropertyId } from '../../../protocol/property-table.ts';
import { copyInto, writeU16, writeU32 } from '../../../protocol/write.ts';
import { decodeMessage, decodeRetained, decodeRow, decodeSession, decodeSubscription, keyOf } from '../bodies.ts';
import { type OpVisitor, type RowPlace, RowState, readOps } from '../ops.ts';
import type { ClockPair } from '../store-time.ts';
import { MosquittoState, NEVER_EXPIRES } from './mosquitto-source.ts';
import { PORT_SCALE } from './port-scale.ts';
import { ChunkKind, FORMAT_MAX, MOSQUITTO_MAGIC } from './read-mosquitto-db.ts';

const BUFFER_BYTES = 1024 * 1024;
const PACKET_ID_MAX = 65_535;
const SECOND_MS = 1000;
const CHUNK_HEADER_BYTES = 8;
/** Where the body of the first chunk stands, which begins with the last store id. */
const LAST_ID_AT = 31;
/** Where in a client's chunk the last packet id stands. */
const LAST_PACKET_ID_AT = CHUNK_HEADER_BYTES + 12;

export interface ExportCounts {
  readonly sessions: number;
  readonly subscriptions: number;
  readonly rows: number;
  readonly retained: number;
  /** Of what the format has no place for. */
  readonly leftWills: number;
  readonly leftReceived: number;
}

export interface ExportOptions {
  /** Must not be there yet. */
  readonly file: string;
  /** What the store holds, as loading gives it: sessions in front of what belongs to them. */
  readonly pieces: Iterable<Uint8Array>;
  /** The two clocks when the store was written last; null = never. */
  readonly time: ClockPair | null;
  readonly wallMs: number;
}

/**
 * Writes and syncs the file, readable by its owner only.
 * @throws BodyError when the store holds what is not its own; the error of the file system. What was written then is worth nothing.
 */
export function writeMosquittoDb({ file, pieces, time, wallMs }: ExportOptions): ExportCounts {
  const output = new PatchedFile(file);
  try {
    const writer = new MosquittoDbWriter(output, time ?? { storeMs: 0, wallMs }, wallMs);
    for (const piece of pieces) readOps(piece, writer);
    return writer.end();
  } finally {
    output.close();
  }
}

/** A file that is written from beginning to end, and in which earlier bytes can be exchanged. */
class PatchedFile {
  readonly #descriptor: number;
  readonly #buffer = new Uint8Array(BUFFER_BYTES);
  #used = 0;
  #written = 0;

  constructor(file: string) {
    this.#descriptor = openSync(file, 'wx', 0o600);
  }

  get end(): number {
    return this.#written + this.#used;
  }

  append(bytes: Uint8Array): void {
    if (this.#used + bytes.length > BUFFER_BYTES) this.#flush();
    if (bytes.length > BUFFER_BYTES) {
      this.#writeAll(bytes, this.#written);
      this.#written += bytes.length;
      return;
    }
    this.#used = copyInto(bytes, 0, bytes.length, this.#buffer, this.#used);
  }

  patch(at: number, bytes: Uint8Array): void {
    if (at < this.#written) this.#flush();
    if (at < this.#written) this.#writeAll(bytes, at);
    else copyInto(bytes, 0, bytes.length, this.#buffer, at - this.#written);
  }

  sync(): void {
    this.#flush();
    fsyncSync(this.#descriptor);
  }

  close(): void {
    closeSync(this.#descriptor);
  }

  #flush(): void {
    this.#writeAll(this.#buffer.subarray(0, this.#used), this.#written);
    this.#written += this.#used;
    this.#used = 0;
  }

  #writeAll(bytes: Uint8Array, at: number): void {
    let done = 0;
    while (done < bytes.length) done += writeSync(this.#descriptor, bytes, done, bytes.length - done, at + done);
  }
}

/** The session that is being written. */
interface OpenSession {
  readonly session: number;
  readonly clientId: Uint8Array;
  /** Where its chunk stands in the file. */
  readonly at: number;
  readonly sentIds: Set<number>;
  lastPacketId: number;
}

class MosquittoDbWriter implements OpVisitor {
  readonly #output: PatchedFile;
  #time: ClockPair;
  readonly #wallMs: number;
  #open: OpenSession | null = null;
  #lastStoreId = 0;
  /** Store ids of messages that rows share. */
  readonly #shared = new Map<number, number>();
  /** Stands for the message of such a row while it is read: the row's own part is all that is needed. */
  #standIn: OwnedMessage | null = null;
  readonly #counts = { sessions: 0, subscriptions: 0, rows: 0, retained: 0, leftWills: 0, leftReceived: 0 };

  constructor(output: PatchedFile, time: ClockPair, wallMs: number) {
    this.#output = output;
    this.#time = time;
    this.#wallMs = wallMs;
    const head = new Uint8Array(8);
    writeU32(FORMAT_MAX, head, 4);
    output.append(MOSQUITTO_MAGIC);
    output.append(head);
    const config = new ChunkWriter(ChunkKind.Config, 16);
    config.u64(0);
    config.u8(1);
    config.u8(8);
    config.fill(6);
    output.append(config.bytes);
  }

  end(): ExportCounts {
    this.#closeSession();
    const lastId = new Uint8Array(8);
    new DataView(lastId.buffer).setBigUint64(0, BigInt(this.#lastStoreId), true);
    this.#output.patch(LAST_ID_AT, lastId);
    this.#output.sync();
    return this.#counts;
  }

  time(storeMs: number, wallMs: number): void {
    this.#time = { storeMs, wallMs };
  }

  session(session: number, body: Uint8Array): void {
    this.#closeSession();
    const { clientId, userName, listenerId, expirySeconds, offlineSinceMs } = decodeSession(body, PORT_SCALE);
    const id = keyOf(clientId);
    const user = keyOf(userName === UNKNOWN_OWNER ? '' : (userName ?? ''));
    const chunk = new ChunkWriter(ChunkKind.Client, 24 + id.length + user.length);
    const goneMs = offlineSinceMs === null ? this.#wallMs : this.#wallOf(offlineSinceMs);
    chunk.u64(expirySeconds >= NEVER_EXPIRES ? 0 : Math.ceil(goneMs / SECOND_MS) + expirySeconds);
    chunk.u32(expirySeconds);
    chunk.u16(0);
    chunk.u16(id.length);
    chunk.u16(listenerId);
    chunk.u16(user.length);
    chunk.fill(4);
    chunk.put(id);
    chunk.put(user);
    this.#open = { session, clientId: id, at: this.#output.end, sentIds: new Set(), lastPacketId: 0 };
    this.#output.append(chunk.bytes);
    this.#counts.sessions += 1;
  }

  subscribed(session: number, filter: Uint8Array, body: Uint8Array): void {
    const { clientId } = this.#sessionOf(session);
    const { qos, noLocal, retainAsPublished, retainHandling, identifiers } = decodeSubscription(filter, body);
    const chunk = new ChunkWriter(ChunkKind.Subscription, 12 + clientId.length + filter.length);
    chunk.u32(identifiers?.[0] ?? 0);
    chunk.u16(clientId.length);
    chunk.u16(filter.length);
    chunk.u8(qos);
    chunk.u8((noLocal ? 4 : 0) | (retainAsPublished ? 8 : 0) | (retainHandling << 4));
    chunk.fill(2);
    chunk.put(clientId);
    chunk.put(filter);
    this.#output.append(chunk.bytes);
    this.#counts.subscriptions += 1;
  }

  message(message: number, body: Uint8Array): void {
    const own = decodeMessage(body, PORT_SCALE);
    this.#standIn ??= own;
    this.#shared.set(message, this.#writeMessage(own));
  }

  queued(place: RowPlace, body: Uint8Array): void {
    const row = decodeRow(place.position, body, null, PORT_SCALE);
    this.#writeRow(place, row, this.#writeMessage(row.delivery.message));
  }

  queuedShared(place: RowPlace, message: number, body: Uint8Array): void {
    const storeId = this.#shared.get(message);
    if (storeId === undefined) throw new TypeError(`a row needs the message ${message}, which did not come before it`);
    this.#writeRow(place, decodeRow(place.position, body, this.#standIn, PORT_SCALE), storeId);
  }

  received(): void {
    this.#counts.leftReceived += 1;
  }

  retained(topic: Uint8Array, body: Uint8Array): void {
    this.#closeSession();
    const { message } = decodeRetained(topic, body, PORT_SCALE);
    const chunk = new ChunkWriter(ChunkKind.Retained, 8);
    chunk.u64(this.#writeMessage(message));
    this.#output.append(chunk.bytes);
    this.#counts.retained += 1;
  }

  will(): void {
    this.#counts.leftWills += 1;
  }

  /** Loading tells only what is there. */
  sessionRemoved(): void {}
  unsubscribed(): void {}
  moved(): void {}
  done(): void {}
  receivedDone(): void {}
  retainedRemoved(): void {}
  willRemoved(): void {}
  tail(): void {}

  #sessionOf(session: number): OpenSession {
    if (this.#open?.session === session) return this.#open;
    throw new TypeError('what belongs to a session stands behind another one');
  }

  /** @returns its store id */
  #writeMessage(message: OwnedMessage): number {
    const { topic, publisher, forwardedProperties, bytes, expiresAtMs } = message;
    const sourceId = keyOf(message.publisherId);
    const user = keyOf(publisher?.userName ?? '');
    const blockBytes = forwardedProperties.length === 0 ? 0 : sizedBytes(forwardedProperties.length);
    const textBytes = sourceId.length + user.length + topic.bytes.length + bytes.length;
    const chunk = new ChunkWriter(ChunkKind.Message, 32 + textBytes + blockBytes);
    this.#lastStoreId += 1;
    chunk.u64(this.#lastStoreId);
    // 0 would be a message that does not expire.
    chunk.u64(
      expiresAtMs === Number.POSITIVE_INFINITY ? 0 : Math.max(1, Math.ceil(this.#wallOf(expiresAtMs) / SECOND_MS)),
    );
    chunk.u32(bytes.length);
    chunk.u16(0);
    chunk.u16(sourceId.length);
    chunk.u16(user.length);
    chunk.u16(topic.bytes.length);
    chunk.u16(publisher?.listenerId ?? 0);
    chunk.u8(message.qos);
    chunk.u8(message.retain ? 1 : 0);
    chunk.put(sourceId);
    chunk.put(user);
    chunk.put(topic.bytes);
    chunk.put(bytes);
    if (blockBytes > 0) chunk.variable(forwardedProperties.length);
    chunk.put(forwardedProperties);
    this.#output.append(chunk.bytes);
    return this.#lastStoreId;
  }

  #writeRow(place: RowPlace, { delivery }: QueueRow, storeId: number): void {
    const open = this.#sessionOf(place.session);
    const { qos, retain, subscriptionIdentifiers } = delivery;
    const identifier = subscriptionIdentifiers?.[0] ?? null;
    const propertyBytes = identifier === null ? 0 : 1 + variableIntegerBytes(identifier);
    const blockBytes = propertyBytes === 0 ? 0 : sizedBytes(propertyBytes);
    const chunk = new ChunkWriter(ChunkKind.Row, 16 + open.clientId.length + blockBytes);
    chunk.u64(storeId);
    chunk.u16(packetIdOf(open, place, qos));
    chunk.u16(open.clientId.length);
    chunk.u8(qos);
    chunk.u8(stateOf(place.state, qos));
    chunk.u8((retain ? 0x10 : 0) | (place.state === RowState.Queued ? 0 : 1));
    chunk.u8(1);
    chunk.put(open.clientId);
    if (identifier !== null) {
      chunk.variable(propertyBytes);
      chunk.u8(PropertyId.SubscriptionIdentifier);
      chunk.variable(identifier);
    }
    this.#output.append(chunk.bytes);
    this.#counts.rows += 1;
  }

  /** Puts in what is only known now. */
  #closeSession(): void {
    if (this.#open === null) return;
    const id = new Uint8Array(2);
    writeU16(this.#open.lastPacketId, id, 0);
    this.#output.patch(this.#open.at + LAST_PACKET_ID_AT, id);
    this.#open = null;
  }

  /** A moment of the store's clock as the time of day. */
  #wallOf(storeMs: number): number {
    return storeMs - this.#time.storeMs + this.#time.wallMs;
  }
}

/** Mosquitto gives a message its packet id when it joins the queue, not when it is sent. */
function packetIdOf(open: OpenSession, { state, packetId }: RowPlace, qos: number): number {
  if (state !== RowState.Queued) {
    open.sentIds.add(packetId);
    open.lastPacketId = Math.max(open.lastPacketId, packetId);
    return packetId;
  }
  if (qos === 0) return 0;
  do open.lastPacketId = (open.lastPacketId % PACKET_ID_MAX) + 1;
  while (open.sentIds.has(open.lastPacketId) && open.sentIds.size < PACKET_ID_MAX);
  return open.lastPacketId;
}

function stateOf(state: RowState, qos: number): number {
  if (state === RowState.Queued) return MosquittoState.Queued;
  if (state === RowState.Released) return MosquittoState.WaitForPubcomp;
  return qos === 2 ? MosquittoState.WaitForPubrec : MosquittoState.WaitForPuback;
}

/** Of a block of properties with its length in front. */
function sizedBytes(byteCount: number): number {
  return variableIntegerBytes(byteCount) + byteCount;
}

/** One chunk, its header included. */
class ChunkWriter {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  #at = CHUNK_HEADER_BYTES;

  constructor(kind: number, bodyBytes: number) {
    this.bytes = new Uint8Array(CHUNK_HEADER_BYTES + bodyBytes);
    this.#view = new DataView(this.bytes.buffer);
    this.#view.setUint32(0, kind);
    this.#view.setUint32(4, bodyBytes);
  }

  u8(value: number): void {
    this.bytes[this.#at] = value;
    this.#at += 1;
  }

  u16(value: number): void {
    this.#at = writeU16(value, this.bytes, this.#at);
  }

  u32(value: number): void {
    this.#at = writeU32(value, this.bytes, this.#at);
  }

  /** With the low byte first, as the machines have it that Mosquitto runs on. */
  u64(value: number): void {
    this.#view.setBigInt64(this.#at, BigInt(value), true);
    this.#at += 8;
  }

  variable(value: number): void {
    this.#at = writeVariableInteger(value, this.bytes, this.#at);
  }

  put(bytes: Uint8Array): void {
    this.#at = copyInto(bytes, 0, bytes.length, this.bytes, this.#at);
  }

  fill(count: number): void {
    this.#at += count;
  }
}
