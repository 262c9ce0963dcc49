/** A store in a temporary folder, operations written in a line, and the plain model that it is compared with. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type OpVisitor, OpWriter, type RowPlace, RowState, readOps } from '../ops.ts';
import type { StoreOptions } from '../thread-messages.ts';
import type { Store } from './store.ts';

/** 2026-11-24 12:00:00 UTC. */
export const WALL_MS = Date.UTC(2026, 10, 24, 12);

/** Makes a folder, runs `use`, removes the folder. */
export function withFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-store-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export function optionsFor(folder: string, more: Partial<StoreOptions> = {}): StoreOptions {
  return { folder, isDamageRefused: false, mosquittoFile: null, wallMs: WALL_MS, ...more };
}

export function opsOf(write: (writer: OpWriter) => void): Uint8Array<ArrayBuffer> {
  const writer = new OpWriter();
  write(writer);
  return writer.finish();
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function row(session: number, position: number, more: Partial<RowPlace> = {}): RowPlace {
  return { session, position, state: RowState.Queued, packetId: 0, payloadBytes: 1, ...more };
}

/** What `load` tells, one line for each operation. */
export function loadedLines(store: Store, headMax: number): string[] {
  const teller = new LineTeller();
  for (const chunk of store.load(headMax)) readOps(chunk, teller);
  return teller.lines;
}

/** Operations as lines. */
export function linesOf(ops: Uint8Array): string[] {
  const teller = new LineTeller();
  readOps(ops, teller);
  return teller.lines;
}

/** Everything that `load` tells, as a model. */
export function modelOf(store: Store): PlainStore {
  const model = new PlainStore();
  for (const chunk of store.load(Number.POSITIVE_INFINITY)) model.apply(chunk);
  return model;
}

/** The store as plain maps: the reference. */
export class PlainStore implements OpVisitor {
  /** Tails that were told, each as its session and the position that it begins after. */
  readonly tails: [session: number, after: number][] = [];
  /** Of the row told last. */
  lastPosition = 0;
  readonly #sessions = new Map<number, string>();
  readonly #subscriptions = new Map<string, string>();
  readonly #rows = new Map<string, { place: RowPlace; text: string }>();
  readonly #received = new Set<string>();
  readonly #retained = new Map<string, string>();
  readonly #wills = new Map<string, string>();
  readonly #messages = new Map<number, string>();

  apply(ops: Uint8Array): void {
    readOps(ops, this);
  }

  /** All of it as sorted lines; rows of sessions that are not there do not count. */
  lines(): string[] {
    const lines: string[] = [];
    const isThere = (key: string) => this.#sessions.has(Number(key.split('|')[0]));
    for (const [session, body] of this.#sessions) lines.push(`session ${session} ${body}`);
    for (const [key, body] of this.#subscriptions) if (isThere(key)) lines.push(`subscription ${key} ${body}`);
    for (const [key, { place, text }] of this.#rows) if (isThere(key)) lines.push(`row ${placeText(place)} ${text}`);
    for (const key of this.#received) if (isThere(key)) lines.push(`received ${key}`);
    for (const [topic, body] of this.#retained) lines.push(`retained ${topic} ${body}`);
    for (const [clientId, body] of this.#wills) lines.push(`will ${clientId} ${body}`);
    return lines.sort();
  }

  session(session: number, body: Uint8Array): void {
    this.#sessions.set(session, text(body));
  }

  sessionRemoved(session: number): void {
    this.#sessions.delete(session);
  }

  subscribed(session: number, filter: Uint8Array, body: Uint8Array): void {
    this.#subscriptions.set(`${session}|${text(filter)}`, text(body));
  }

  unsubscribed(session: number, filter: Uint8Array): void {
    this.#subscriptions.delete(`${session}|${text(filter)}`);
  }

  queued(place: RowPlace, body: Uint8Array): void {
    this.lastPosition = place.position;
    this.#rows.set(`${place.session}|${place.position}`, { place, text: text(body) });
  }

  message(message: number, body: Uint8Array): void {
    this.#messages.set(message, text(body));
  }

  queuedShared(place: RowPlace, message: number, body: Uint8Array): void {
    this.lastPosition = place.position;
    const whole = `${text(body)} of ${this.#messages.get(message)}`;
    this.#rows.set(`${place.session}|${place.position}`, { place, text: whole });
  }

  moved(session: number, position: number, state: RowState, packetId: number): void {
    const key = `${session}|${position}`;
    const found = this.#rows.get(key);
    if (found !== undefined) this.#rows.set(key, { ...found, place: { ...found.place, state, packetId } });
  }

  done(session: number, position: number): void {
    this.#rows.delete(`${session}|${position}`);
  }

  received(session: number, packetId: number): void {
    this.#received.add(`${session}|${packetId}`);
  }

  receivedDone(session: number, packetId: number): void {
    this.#received.delete(`${session}|${packetId}`);
  }

  retained(topic: Uint8Array, body: Uint8Array): void {
    this.#retained.set(text(topic), text(body));
  }

  retainedRemoved(topic: Uint8Array): void {
    this.#retained.delete(text(topic));
  }

  will(clientId: Uint8Array, body: Uint8Array): void {
    this.#wills.set(text(clientId), text(body));
  }

  willRemoved(clientId: Uint8Array): void {
    this.#wills.delete(text(clientId));
  }

  time(): void {
    // The clock is no part of what is compared.
  }

  tail(session: number, after: number): void {
    this.tails.push([session, after]);
  }
}

class LineTeller implements OpVisitor {
  readonly lines: string[] = [];

  session(session: number, body: Uint8Array): void {
    this.lines.push(`session ${session} ${text(body)}`);
  }

  sessionRemoved(session: number): void {
    this.lines.push(`sessionRemoved ${session}`);
  }

  subscribed(session: number, filter: Uint8Array, body: Uint8Array): void {
    this.lines.push(`subscribed ${session} ${text(filter)} ${text(body)}`);
  }

  unsubscribed(session: number, filter: Uint8Array): void {
    this.lines.push(`unsubscribed ${session} ${text(filter)}`);
  }

  queued(place: RowPlace, body: Uint8Array): void {
    this.lines.push(`queued ${placeText(place)} ${text(body)}`);
  }

  message(message: number, body: Uint8Array): void {
    this.lines.push(`message ${message} ${text(body)}`);
  }

  queuedShared(place: RowPlace, message: number, body: Uint8Array): void {
    this.lines.push(`queuedShared ${placeText(place)} ${message} ${text(body)}`);
  }

  moved(session: number, position: number, state: RowState, packetId: number): void {
    this.lines.push(`moved ${session} ${position} ${state} ${packetId}`);
  }

  done(session: number, position: number): void {
    this.lines.push(`done ${session} ${position}`);
  }

  received(session: number, packetId: number): void {
    this.lines.push(`received ${session} ${packetId}`);
  }

  receivedDone(session: number, packetId: number): void {
    this.lines.push(`receivedDone ${session} ${packetId}`);
  }

  retained(topic: Uint8Array, body: Uint8Array): void {
    this.lines.push(`retained ${text(topic)} ${text(body)}`);
  }

  retainedRemoved(topic: Uint8Array): void {
    this.lines.push(`retainedRemoved ${text(topic)}`);
  }

  will(clientId: Uint8Array, body: Uint8Array): void {
    this.lines.push(`will ${text(clientId)} ${text(body)}`);
  }

  willRemoved(clientId: Uint8Array): void {
    this.lines.push(`willRemoved ${text(clientId)}`);
  }

  time(storeMs: number, wallMs: number): void {
    this.lines.push(`time ${storeMs} ${wallMs}`);
  }

  tail(session: number, after: number, count: number, payloadBytes: number, lastPosition: number): void {
    this.lines.push(`tail ${session} ${after} ${count} ${payloadBytes} ${lastPosition}`);
  }
}

function placeText({ session, position, state, packetId, payloadBytes }: RowPlace): string {
  return `${session} ${position} ${['queued', 'sent', 'released'][state]} ${packetId} ${payloadBytes}`;
}

function text(body: Uint8Array): string {
  return new TextDecoder('latin1').decode(body);
}
