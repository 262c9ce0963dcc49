import type { Qos } from '../../protocol/version.ts';
import type { Delivery } from '../model/delivery.ts';
import type { Message } from '../model/message.ts';
import type { Subscription } from '../model/subscription.ts';

/**
 * Makes deliveries. A message goes to its receivers one after the other, and to most of them in the same way: those that
 * follow each other share one delivery, so that a message in a thousand queues is a thousand references.
 */
export class DeliveryMaker {
  /** The one made last; it keeps one message alive. */
  #last: Delivery | null = null;

  make(message: Message, subscription: Subscription, qos: Qos, retain: boolean): Delivery {
    const owned = message.own();
    const shared = subscription.filter.shareName === null ? null : subscription;
    const subscriptionIdentifiers = subscription.identifiers;
    const last = this.#last;
    if (
      last !== null &&
      last.message === owned &&
      last.qos === qos &&
      last.retain === retain &&
      last.subscriptionIdentifiers === subscriptionIdentifiers &&
      last.shared === shared
    )
      return last;
    this.#last = { message: owned, qos, retain, subscriptionIdentifiers, shared };
    return this.#last;
  }
}
