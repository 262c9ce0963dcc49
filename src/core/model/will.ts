import type { OwnedMessage } from './message.ts';

/** A will that its session keeps. `message.expiresAtMs` is set when it is published, from `expirySeconds`. */
export interface Will {
  readonly message: OwnedMessage;
  readonly delaySeconds: number;
  /** Seconds the published will lives; null = for ever. */
  readonly expirySeconds: number | null;
}
