import type { TopicFilter } from '../../protocol/topic.ts';
import type { Qos } from '../../protocol/version.ts';
import type { DeliveryTarget } from './delivery-target.ts';

/** One subscription of one session. Replaced as a whole when the client subscribes to the same filter again. */
export interface Subscription {
  readonly target: DeliveryTarget;
  readonly filter: TopicFilter;
  /** The granted QoS. */
  readonly qos: Qos;
  readonly noLocal: boolean;
  readonly retainAsPublished: boolean;
  readonly retainHandling: 0 | 1 | 2;
  /** v5 Subscription Identifier as a list of one, so that deliveries share it; null = none. */
  readonly identifiers: readonly number[] | null;
}
