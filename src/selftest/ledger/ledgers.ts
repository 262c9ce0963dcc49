/** All accounts of a campaign. */
import { FaultList } from './faults.ts';
import { MessageLedger } from './message-ledger.ts';
import { OrderOfActs } from './order-of-acts.ts';
import { RetainedLedger } from './retained-ledger.ts';
import { SessionLedger } from './session-ledger.ts';
import { WillLedger } from './will-ledger.ts';

export class Ledgers {
  readonly faults = new FaultList();
  readonly acts = new OrderOfActs();
  readonly messages: MessageLedger;
  readonly retained: RetainedLedger;
  readonly sessions: SessionLedger;
  readonly wills: WillLedger;

  /** `now`: milliseconds of the monotonic clock. */
  constructor(now: () => number) {
    const { report } = this.faults;
    this.messages = new MessageLedger(report, now);
    this.retained = new RetainedLedger(report);
    this.sessions = new SessionLedger(report, this.acts);
    this.wills = new WillLedger(report, this.acts, now);
  }

  /** The broker died, and everything that it had sent has been seen. */
  crash(): void {
    this.messages.crash();
    this.sessions.crash();
    this.wills.crash();
  }
}
