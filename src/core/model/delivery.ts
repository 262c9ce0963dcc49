import type { Qos } from '../../protocol/version.ts';
import type { OwnedMessage } from './message.ts';
import type { Subscription } from './subscription.ts';

/** A message as one session is to get it: what stands in queues and in-flight windows. Immutable, shareable. */
export interface Delivery {
  readonly message: OwnedMessage;
  /** min(published, granted). */
  readonly qos: Qos;
  /** RETAIN as it will be sent. */
  readonly retain: boolean;
  /** v5 Subscription Identifiers to be sent with it; null = none. */
  readonly subscriptionIdentifiers: readonly number[] | null;
  /** Set when it came through a shared subscription: while it is not sent, it can still go to another member. */
  readonly shared: Subscription | null;
}
