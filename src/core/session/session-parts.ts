import type { Log } from '../../base/log.ts';
import type { TimerQueue } from '../../base/timer-queue.ts';
import type { Turn } from '../../base/turn.ts';
import type { TopicName } from '../../protocol/topic.ts';
import type { Durability } from '../delivery/durability.ts';
import type { Delivery } from '../model/delivery.ts';
import type { MemoryGuard } from '../model/memory-guard.ts';
import type { BrokerSettings } from '../model/settings.ts';
import type { StoredMessages } from '../model/stored-messages.ts';
import type { Will } from '../model/will.ts';
import type { Counters, Identity } from '../ports.ts';
import type { DeliveryMaker } from './delivery-maker.ts';
import type { Endings } from './endings.ts';
import type { QueueReads } from './queue-reads.ts';
import type { Session } from './session.ts';

/** What all sessions of a broker share. The callbacks lead to routing, which sessions know nothing of. */
export interface SessionParts {
  /** Those in force now: a reload exchanges them, so they are read at each use. */
  readonly settings: BrokerSettings;
  readonly timers: TimerQueue;
  readonly turn: Turn;
  readonly durability: Durability;
  readonly counters: Counters;
  /** What waits in the queues and windows of all sessions. */
  readonly stored: StoredMessages;
  readonly memory: MemoryGuard;
  readonly reads: QueueReads;
  /** Sessions that have ended, and whose messages still move to others: the journal has them. */
  readonly endingSessions: Endings;
  readonly log: Log;
  readonly deliveries: DeliveryMaker;
  /** Null: everybody may receive everything. */
  readonly mayReceive: ((identity: Identity, topic: TopicName) => boolean) | null;
  /** The will of this client is to be published now, and taken off the journal then. */
  readonly onWillDue: (identity: Identity, will: Will) => void;
  /** The session has ended: its subscriptions go. */
  readonly onEnded: (session: Session) => void;
  /**
   * Offers an unsent message of a shared subscription to another member: one that is online, or any that is there to
   * keep it when `from` has ended. @returns false: there is none.
   */
  readonly moveShared: (delivery: Delivery, from: Session) => boolean;
}
