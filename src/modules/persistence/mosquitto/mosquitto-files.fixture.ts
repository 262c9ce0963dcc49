/** Stores of Mosquitto's made by hand, byte by byte, and what is read from them as plain text. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TestContext } from 'node:test';
import type { MosquittoSource } from './mosquitto-source.ts';

export type Format = 2 | 3 | 4 | 5 | 6;
export const FORMATS: readonly Format[] = [2, 3, 4, 5, 6];

/** A folder that lives as long as the test. */
export function folderFor(context: TestContext): string {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-mosquitto-'));
  context.after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** The path of a file with these bytes. */
export function fileFor(context: TestContext, bytes: Uint8Array): string {
  const file = join(folderFor(context), 'mosquitto.db');
  writeFileSync(file, bytes);
  return file;
}

export interface HandMessage {
  readonly id: number;
  readonly topic: string | Uint8Array;
  readonly payload?: string;
  readonly qos?: number;
  readonly retain?: boolean;
  readonly expiresAt?: number;
  readonly sourceId?: string;
  readonly userName?: string;
  readonly port?: number;
  /** Encoded, without their length. */
  readonly properties?: Uint8Array;
}

export interface HandRow {
  readonly clientId: string;
  readonly id: number;
  readonly packetId?: number;
  readonly qos?: number;
  readonly state: number;
  readonly isIncoming?: boolean;
  readonly retain?: boolean;
  readonly identifier?: number;
}

export interface HandClient {
  readonly clientId: string;
  readonly userName?: string;
  readonly port?: number;
  readonly expiresAt?: number;
  readonly expirySeconds?: number;
}

export interface HandSubscription {
  readonly clientId: string;
  readonly filter: string;
  readonly qos?: number;
  readonly options?: number;
  readonly identifier?: number;
}

/** Chunks of one format, and the file they make. */
export class HandFile {
  readonly #format: Format;
  readonly #parts: Uint8Array[] = [];

  constructor(format: Format) {
    this.#format = format;
    const isFixed = format >= 5;
    this.#chunk(1, isFixed ? [u64(99), 1, 8, zeros(6)] : [1, 8, u64(99)]);
  }

  get bytes(): Uint8Array {
    const head = Buffer.concat([Buffer.from([0, 0xb5, 0]), Buffer.from('mosquitto db'), u32(0), u32(this.#format)]);
    return Buffer.concat([head, ...this.#parts]);
  }

  message(message: HandMessage): this {
    const { id, payload = '', qos = 1, retain = false, expiresAt = 0, sourceId = 'source' } = message;
    const { userName = '', port = 1883, properties } = message;
    const topic = Buffer.from(message.topic);
    const flags = [qos, Number(retain)];
    if (this.#format >= 5) {
      const fixed = [u64(id), u64(expiresAt), u32(payload.length), u16(7), u16(sourceId.length), u16(userName.length)];
      const block = properties === undefined ? [] : [properties.length, properties];
      const texts = [sourceId, userName, topic, payload, ...block];
      return this.#chunk(2, [...fixed, u16(topic.length), u16(port), ...flags, ...texts]);
    }
    const who = this.#format === 4 ? [sized(userName), u16(port)] : [];
    const start = [u64(id), sized(sourceId), ...who, u16(7), u16(8), sized(topic)];
    return this.#chunk(2, [...start, ...flags, u32(payload.length), payload]);
  }

  row(row: HandRow): this {
    const { clientId, id, packetId = 0, qos = 1, state, isIncoming = false, retain = false, identifier } = row;
    const direction = isIncoming ? 0 : 1;
    if (this.#format >= 5) {
      const flags = [qos, state, retain ? 0x10 : 0, direction];
      const block = identifier === undefined ? [] : [2, 0x0b, identifier];
      return this.#chunk(3, [u64(id), u16(packetId), u16(clientId.length), ...flags, clientId, ...block]);
    }
    return this.#chunk(3, [sized(clientId), u64(id), u16(packetId), qos, Number(retain), direction, state, 0]);
  }

  retained(id: number): this {
    return this.#chunk(4, [u64(id)]);
  }

  subscription({ clientId, filter, qos = 1, options = 0, identifier = 0 }: HandSubscription): this {
    if (this.#format < 5) return this.#chunk(5, [sized(clientId), sized(filter), qos]);
    const fixed = [u32(identifier), u16(clientId.length), u16(filter.length), qos, options, zeros(2)];
    return this.#chunk(5, [...fixed, clientId, filter]);
  }

  client({ clientId, userName = '', port = 1883, expiresAt = 0, expirySeconds = 0xffff_ffff }: HandClient): this {
    if (this.#format < 5) {
      const time = this.#format === 2 ? [] : [u64(1_700_000_000)];
      return this.#chunk(6, [sized(clientId), u16(5), ...time]);
    }
    const fixed = [u64(expiresAt), u32(expirySeconds), u16(5), u16(clientId.length)];
    const since6 = this.#format === 6 ? [u16(port), u16(userName.length), zeros(4)] : [];
    return this.#chunk(6, [...fixed, ...since6, clientId, this.#format === 6 ? userName : '']);
  }

  /** A chunk of any kind. */
  other(kind: number, body: Uint8Array): this {
    return this.#chunk(kind, [body]);
  }

  #chunk(kind: number, fields: readonly (number | string | Uint8Array)[]): this {
    const body = Buffer.concat(
      fields.map((field) => (typeof field === 'number' ? Buffer.of(field) : Buffer.from(field))),
    );
    this.#parts.push(this.#format >= 5 ? u32(kind) : u16(kind), u32(body.length), body);
    return this;
  }
}

/** A file with one of everything: two clients, a message in flight, one queued, one that came in, one retained. */
export function oneOfEverything(format: Format): Uint8Array {
  return new HandFile(format)
    .message({ id: 1, topic: 'a/b', payload: 'first', qos: 2, userName: format >= 4 ? 'ann' : '' })
    .message({ id: 2, topic: 'a/c', payload: 'second' })
    .message({ id: 3, topic: 'a/kept', payload: 'third', retain: true, qos: 0 })
    .message({ id: 4, topic: 'b', payload: 'fourth', qos: 2 })
    .client({ clientId: 'one', userName: 'ann', port: 1884 })
    .row({ clientId: 'one', id: 1, packetId: 11, qos: 2, state: 5 })
    .row({ clientId: 'one', id: 2, packetId: 12, state: 11, identifier: 9 })
    .client({ clientId: 'two', expiresAt: 0 })
    .row({ clientId: 'two', id: 4, packetId: 40, qos: 2, state: 7, isIncoming: true })
    .subscription({ clientId: 'one', filter: 'a/#', qos: 2, options: 0x2c, identifier: 9 })
    .retained(3).bytes;
}

/** Everything that a source tells, a line each. */
export function linesOf(source: MosquittoSource): readonly string[] {
  const lines: string[] = [];
  const put = (kind: string, values: object) => lines.push(`${kind} ${Object.values(values).map(textOf).join(' ')}`);
  for (const client of source.clients()) put('client', client);
  for (const subscription of source.subscriptions()) put('subscription', subscription);
  for (const row of source.rows()) put('row', row);
  for (const id of source.retained()) lines.push(`retained ${id}`);
  for (const message of source.messages()) put('message', message);
  for (const will of source.wills()) put('will', will);
  return lines;
}

function textOf(value: unknown): string {
  return value instanceof Uint8Array ? `'${Buffer.from(value).toString('latin1')}'` : String(value);
}

const SQLITE_TABLES = `
CREATE TABLE version_info(component TEXT PRIMARY KEY NOT NULL, major INTEGER, minor INTEGER, patch INTEGER);
CREATE TABLE clients(client_id TEXT PRIMARY KEY, username TEXT, connection_time INT64, will_delay_time INT64,
  session_expiry_time INT64, listener_port INT, max_packet_size INT, max_qos INT, retain_available INT,
  session_expiry_interval INT, will_delay_interval INT);
CREATE TABLE subscriptions(client_id TEXT NOT NULL, topic TEXT NOT NULL, subscription_options INTEGER,
  subscription_identifier INTEGER, PRIMARY KEY (client_id, topic));
CREATE TABLE base_msgs(store_id INT64 PRIMARY KEY, expiry_time INT64, topic TEXT NOT NULL, payload BLOB, source_id TEXT,
  source_username TEXT, payloadlen INTEGER, source_mid INTEGER, source_port INTEGER, qos INTEGER, retain INTEGER,
  properties TEXT);
CREATE TABLE client_msgs(client_id TEXT NOT NULL, cmsg_id INT64, store_id INT64, dup INTEGER, direction INTEGER, mid INTEGER,
  qos INTEGER, retain INTEGER, state INTEGER, subscription_identifier INTEGER);
CREATE TABLE retains(topic TEXT PRIMARY KEY, store_id INT64);
CREATE TABLE wills(client_id TEXT PRIMARY KEY, payload BLOB, topic TEXT NOT NULL, payloadlen INTEGER, qos INTEGER,
  retain INTEGER, properties TEXT);
`;

/** A store of the plugin persist-sqlite with these rows. */
export function makeSqlite(file: string, rows: string, major = 1): void {
  const database = new DatabaseSync(file);
  database.exec('PRAGMA journal_mode = WAL');
  database.exec(SQLITE_TABLES);
  database.exec(`INSERT INTO version_info VALUES ('database_schema', ${major}, 1, 0)`);
  database.exec(rows);
  database.close();
}

function u16(value: number): Uint8Array {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(value);
  return bytes;
}

function u32(value: number): Uint8Array {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function u64(value: number): Uint8Array {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(value));
  return bytes;
}

function zeros(count: number): Uint8Array {
  return Buffer.alloc(count);
}

function sized(text: string | Uint8Array): Uint8Array {
  const bytes = Buffer.from(text);
  return Buffer.concat([u16(bytes.length), bytes]);
}
