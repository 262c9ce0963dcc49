/**
 * A session has ended, and the journal still holds messages that it got as a member of shared subscriptions and was not sent:
 * they go to other members, in order, a part at a time. The journal has the session until that is done, so a crash
 * meanwhile loses nothing: what was moved is durable together with its being taken from here.
 */
import { Timer, type TimerQueue } from '../../base/timer-queue.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Subscription } from '../model/subscription.ts';
import type { QueueRow, Ticket } from '../ports.ts';
import type { SessionParts } from './session-parts.ts';
import type { Subscriptions } from './subscriptions.ts';

/** Milliseconds until a read that failed is tried again. */
const READ_RETRY_MS = 1000;

export interface EndedTail {
  readonly clientId: string;
  /** Position of the last row before it. */
  readonly after: number;
  /** The shared subscriptions of the session, by their filters. */
  readonly shared: Map<string, Subscription>;
  /** Offers a message to another member. @returns false: there is none. */
  readonly move: (delivery: Delivery) => boolean;
}

/** By filter: those whose messages have to move when the session ends. */
export function sharedOf(subscriptions: Subscriptions): Map<string, Subscription> {
  const shared = new Map<string, Subscription>();
  const all = subscriptions.values();
  for (let next = all.next(); next.done !== true; next = all.next()) {
    if (next.value.filter.shareName !== null) shared.set(next.value.filter.text, next.value);
  }
  return shared;
}

/** Resolves when nothing is left that somebody else could take. Each part is durable before the next one is read. */
export async function moveTail(tail: EndedTail, parts: SessionParts): Promise<void> {
  let { after } = tail;
  while (tail.shared.size > 0) {
    const moved = await moveNext(tail, after, parts);
    if (moved === null) return;
    after = moved.last;
    await parts.durability.whenDurable(moved.ticket);
  }
}

/**
 * The rows are not held any more when it returns.
 * @returns the position of the last one, and what to wait for; null: there are none
 */
async function moveNext(
  tail: EndedTail,
  after: number,
  parts: SessionParts,
): Promise<{ readonly last: number; readonly ticket: Ticket } | null> {
  const rows = await readPart(tail.clientId, after, parts);
  const last = rows.at(-1)?.position;
  return last === undefined ? null : { last, ticket: movePart(tail, rows, parts) };
}

async function readPart(clientId: string, after: number, parts: SessionParts): Promise<readonly QueueRow[]> {
  const { reads, settings, log, timers } = parts;
  for (let saidFailed = false; ; saidFailed = true) {
    try {
      return await reads.read(clientId, after, settings.queueHeadMax);
    } catch (error) {
      if (!saidFailed) {
        log.write('error', `Error: Reading the queue of ${clientId} failed and is tried again: ${String(error)}.`);
      }
      await pause(timers, READ_RETRY_MS);
    }
  }
}

/** In one turn, so that a crash takes all of it or nothing. @returns the ticket of the last change. */
function movePart({ clientId, shared, move }: EndedTail, rows: readonly QueueRow[], parts: SessionParts): Ticket {
  let ticket: Ticket = 0;
  for (const { position, delivery, sharedFilter } of rows) {
    const subscription = delivery.shared ?? shared.get(sharedFilter ?? '');
    if (subscription === undefined) continue;
    if (move({ ...delivery, shared: subscription })) {
      ticket = parts.durability.journal.append({ kind: 'done', clientId, position });
    } else shared.delete(subscription.filter.text);
  }
  return ticket;
}

function pause(timers: TimerQueue, ms: number): Promise<void> {
  return new Promise((resolve) => timers.add(new Timer(resolve), timers.now + ms));
}
