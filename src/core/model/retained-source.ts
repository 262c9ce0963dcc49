import type { Message } from './message.ts';

/** Retained messages that match a filter, handed out in slices so that a million of them do not stop the loop. */
export interface RetainedSource {
  readonly isDone: boolean;
  /**
   * Up to `limit` more; may be fewer, even none, before it is done, because the work of one call is bounded. They are
   * found while they are gone through, once; each is lent until the next one, so whoever keeps it calls `own`.
   * `isUrgent`: not as one of many who share the time of a turn, because there will be no other call.
   */
  next(limit: number, isUrgent: boolean): Iterable<Message>;
}
