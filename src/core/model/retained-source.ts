import type { OwnedMessage } from './message.ts';

/** Retained messages that match a filter, handed out in slices so that a million of them do not stop the loop. */
export interface RetainedSource {
  readonly isDone: boolean;
  /** Up to `limit` more; may be fewer, even none, before it is done, because the work of one call is bounded. */
  next(limit: number): readonly OwnedMessage[];
}
