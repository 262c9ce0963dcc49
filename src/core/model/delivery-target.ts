import type { Message } from './message.ts';
import type { Subscription } from './subscription.ts';
import type { Ticket } from './ticket.ts';

/** Whoever routing delivers to: a session. Routing knows nothing else of it. */
export interface DeliveryTarget {
  readonly clientId: string;
  readonly isOnline: boolean;
  /** Online, and a message of QoS 1 or 2 offered now could be sent at once. */
  readonly hasRoom: boolean;
  /** Keeps its queue while offline. */
  readonly isDurable: boolean;
  /**
   * Takes a message that matched `subscription`. `isRetained`: it comes from the retained store because of a new
   * subscription. The target itself applies the rules of delivery (no-local, QoS, expiry, limits).
   * @returns the ticket that must be durable before the publisher may be told that the message is safe; 0 = none.
   */
  offer(message: Message, subscription: Subscription, isRetained: boolean): Ticket;
}
