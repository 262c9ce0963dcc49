/**
 * What each thing that can be stored (a session, a row, a retained message, ...) has been in the course of a test, and up to
 * where that was acknowledged. What a restart brings back is held against it: after a crash each thing is what was
 * acknowledged last, or what came after that.
 */
import assert from 'node:assert/strict';
import type { Delivery, JournalRecord, StoredRecord, Ticket } from '../../core/ports.ts';
import {
  deliveryOf,
  messageOf,
  payloadOf,
  queuedRecord,
  sessionRecord,
  subscriptionOf,
  topicOf,
} from './records.fixture.ts';

/** A thing's value in words; null = it is not there. */
type Value = string | null;

interface Moment {
  readonly value: Value;
  /** 0: nobody waited for it. */
  readonly ticket: Ticket;
}

interface Row {
  readonly position: number;
  readonly qos: 1 | 2;
  state: 'queued' | 'sent' | 'released';
}

export class KeyHistory {
  /** By thing, in order. */
  readonly #moments = new Map<string, Moment[]>();
  /** Rows that are not done, by client; a client without an entry has no session. */
  readonly #rows = new Map<string, Row[]>();
  #lastPosition = 0;
  #lastText = 0;

  /** Changes that can happen now, of the wanted kind. */
  recordsFor(kind: string, clientId: string, choice: number): readonly JournalRecord[] {
    const topic = `t${choice}`;
    const filter = `f${choice}`;
    switch (kind) {
      case 'connect':
        return [{ ...sessionRecord(clientId) }];
      case 'queue-all':
        return this.#queue([...this.#rows.keys()], choice);
      case 'retained':
      case 'retained0': {
        const qos = kind === 'retained' ? 1 : 0;
        const message = messageOf(this.#text(), { topic: topicOf(topic), qos, retain: true });
        return [{ kind: 'retained', message, sinceMs: Number.POSITIVE_INFINITY }];
      }
      case 'retained-removed':
        return [{ kind: 'retained-removed', topic: topicOf(topic) }];
      case 'will': {
        const will = { message: messageOf(this.#text()), delaySeconds: 1, expirySeconds: null };
        return [{ kind: 'will', clientId, userName: null, listenerId: 0, will }];
      }
      case 'will-removed':
        return [{ kind: 'will-removed', clientId }];
    }
    const rows = this.#rows.get(clientId);
    return rows === undefined ? [] : this.#recordsOf(rows, { kind, clientId, choice, filter });
  }

  #recordsOf(
    rows: readonly Row[],
    { kind, clientId, choice, filter }: { kind: string; clientId: string; choice: number; filter: string },
  ): readonly JournalRecord[] {
    switch (kind) {
      case 'offline':
        return [{ kind: 'session-offline', clientId, atMs: 1 }];
      case 'remove':
        return [{ kind: 'session-removed', clientId }];
      case 'queue':
        return this.#queue([clientId], choice);
      case 'subscribe':
        return [{ kind: 'subscribed', clientId, subscription: subscriptionOf(filter, { qos: choice > 1 ? 2 : 1 }) }];
      case 'unsubscribe':
        return [{ kind: 'unsubscribed', clientId, filter }];
      case 'received':
      case 'received-done':
        return [{ kind, clientId, packetId: choice + 1 }];
      case 'sent': {
        const row = rows.find(({ state }) => state === 'queued');
        return row === undefined ? [] : [{ kind, clientId, position: row.position, packetId: row.position }];
      }
      case 'released': {
        const row = rows.find(({ state, qos }) => state === 'sent' && qos === 2);
        return row === undefined ? [] : [{ kind, clientId, position: row.position }];
      }
      case 'done': {
        const row = rows[choice % Math.max(1, rows.length)];
        return row === undefined ? [] : [{ kind, clientId, position: row.position }];
      }
      default:
        return [];
    }
  }

  /** The same message to each of them. */
  #queue(clientIds: readonly string[], choice: number): readonly JournalRecord[] {
    const delivery = deliveryOf(messageOf(this.#text(), { qos: choice % 2 === 0 ? 1 : 2 }));
    this.#lastPosition += 1;
    const row = { position: this.#lastPosition, delivery };
    return clientIds.map((clientId) => queuedRecord(clientId, row));
  }

  #text(): string {
    this.#lastText += 1;
    return `text ${this.#lastText}`;
  }

  /** The record was appended, and has that ticket. */
  note(record: JournalRecord, ticket: Ticket): void {
    switch (record.kind) {
      case 'session':
        this.#rows.set(record.clientId, this.#rows.get(record.clientId) ?? []);
        this.#put(`session ${record.clientId}`, 'there', ticket);
        return;
      case 'session-removed':
        this.#remove(record.clientId, ticket);
        return;
      case 'subscribed': {
        const { filter, qos } = record.subscription;
        this.#put(`${record.clientId} filter ${filter.text}`, `${qos}`, ticket);
        return;
      }
      case 'unsubscribed':
        this.#put(`${record.clientId} filter ${record.filter}`, null, ticket);
        return;
      case 'received':
      case 'received-done':
        this.#put(
          `${record.clientId} received ${record.packetId}`,
          record.kind === 'received' ? 'there' : null,
          ticket,
        );
        return;
      case 'retained':
        this.#put(`retained ${record.message.topic.text}`, payloadOf(record.message), ticket);
        return;
      case 'retained-removed':
        this.#put(`retained ${record.topic.text}`, null, ticket);
        return;
      case 'will':
        this.#put(`will ${record.clientId}`, payloadOf(record.will.message), ticket);
        return;
      case 'will-removed':
        this.#put(`will ${record.clientId}`, null, ticket);
        return;
      case 'session-offline':
        return;
      default:
        this.#noteRow(record, ticket);
    }
  }

  #noteRow(record: JournalRecord & { kind: 'queued' | 'sent' | 'released' | 'done' }, ticket: Ticket): void {
    const rows = this.#rows.get(record.clientId) ?? [];
    const position = record.kind === 'queued' ? record.row.position : record.position;
    const key = `${record.clientId} row ${position}`;
    if (record.kind === 'queued') {
      const { delivery } = record.row;
      rows.push({ position, qos: delivery.qos === 2 ? 2 : 1, state: 'queued' });
      this.#put(key, `${rowWords(delivery)} queued 0`, ticket);
      return;
    }
    const index = rows.findIndex((row) => row.position === position);
    const row = rows[index];
    assert.ok(row !== undefined);
    if (record.kind === 'done') {
      rows.splice(index, 1);
      this.#put(key, null, ticket);
      return;
    }
    row.state = record.kind;
    const before = this.#moments.get(key)?.at(-1)?.value ?? assert.fail(`${key} is not there`);
    this.#put(key, `${before.split(' ').slice(0, ROW_WORDS).join(' ')} ${record.kind} ${position}`, ticket);
  }

  #remove(clientId: string, ticket: Ticket): void {
    this.#rows.delete(clientId);
    for (const key of this.#moments.keys()) {
      if (key === `session ${clientId}` || key.startsWith(`${clientId} `)) this.#put(key, null, ticket);
    }
  }

  #put(key: string, value: Value, ticket: Ticket): void {
    const moments = this.#moments.get(key) ?? [{ value: null, ticket: 0 }];
    moments.push({ value, ticket });
    this.#moments.set(key, moments);
  }

  /** Everything is as it was left. */
  checkAll(loaded: ReadonlyMap<string, string>): void {
    const expected = [...this.#moments].flatMap(([key, moments]) => {
      const value = moments.at(-1)?.value ?? null;
      return value === null ? [] : [`${key}: ${value}`];
    });
    assert.deepEqual([...loaded].map(([key, value]) => `${key}: ${value}`).sort(), expected.sort());
    this.#goOnFrom(loaded);
  }

  /** Everything is what was acknowledged of it last, or something later. */
  checkAcknowledged(loaded: ReadonlyMap<string, string>, durable: Ticket): void {
    for (const [key, moments] of this.#moments) {
      const from = moments.findLastIndex(({ ticket }, index) => index === 0 || (ticket > 0 && ticket <= durable));
      const allowed = moments.slice(from).map(({ value }) => value);
      const value = loaded.get(key) ?? null;
      assert.ok(allowed.includes(value), `${key} is ${value}, and should be one of: ${allowed.join(', ')}`);
    }
    for (const key of loaded.keys()) assert.ok(this.#moments.has(key), `${key} was never stored`);
    this.#goOnFrom(loaded);
  }

  /** The next process knows only what was loaded. */
  #goOnFrom(loaded: ReadonlyMap<string, string>): void {
    this.#moments.clear();
    this.#rows.clear();
    for (const [key, value] of loaded) {
      this.#moments.set(key, [{ value, ticket: 0 }]);
      if (key.startsWith('session ')) this.#rows.set(key.slice('session '.length), []);
    }
    for (const [key, value] of loaded) {
      const [clientId = '', kind, position] = key.split(' ');
      if (kind !== 'row') continue;
      const state = value.includes(' sent ') ? 'sent' : value.includes(' released ') ? 'released' : 'queued';
      const qos = value.includes(' q2 ') ? 2 : 1;
      this.#rows.get(clientId)?.push({ position: Number(position), qos, state });
    }
  }
}

/** Words of a row in front of its state: `text 7 q1`. */
const ROW_WORDS = 3;

function rowWords({ message, qos }: Delivery): string {
  return `${payloadOf(message)} q${qos}`;
}

/** What was loaded, by thing. */
export function loadedValues(records: readonly StoredRecord[]): ReadonlyMap<string, string> {
  const values = new Map<string, string>();
  for (const record of records) {
    switch (record.kind) {
      case 'session':
        values.set(`session ${record.clientId}`, 'there');
        break;
      case 'subscribed':
        values.set(`${record.clientId} filter ${record.subscription.filter.text}`, `${record.subscription.qos}`);
        break;
      case 'received':
        values.set(`${record.clientId} received ${record.packetId}`, 'there');
        break;
      case 'queued':
      case 'sent': {
        const { position, delivery } = record.row;
        const state =
          record.kind === 'queued' ? 'queued 0' : `${record.isReleased ? 'released' : 'sent'} ${record.packetId}`;
        values.set(`${record.clientId} row ${position}`, `${rowWords(delivery)} ${state}`);
        break;
      }
      case 'retained':
        values.set(`retained ${record.message.topic.text}`, payloadOf(record.message));
        break;
      case 'will':
        values.set(`will ${record.clientId}`, payloadOf(record.will.message));
        break;
      case 'tail':
        break;
    }
  }
  return values;
}
