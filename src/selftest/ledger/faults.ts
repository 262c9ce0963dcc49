/** What a campaign finds wrong. */

/** Faults that are kept with their text; the others are counted only. */
export const FAULTS_LISTED_MAX = 100;

export const FAULT_WORDS = {
  lost: 'acknowledged messages lost',
  unacknowledged: 'messages sent again and again, and never acknowledged',
  twice: 'QoS 2 messages delivered twice',
  'never-sent': 'messages delivered that were never sent',
  disorder: 'messages out of order',
  'wrong-qos': 'messages with another QoS than they must have',
  'retained-missing': 'acknowledged retained messages missing',
  'retained-old': 'retained messages older than the acknowledged one',
  'retained-back': 'retained messages that came back after they were cleared',
  'retained-unknown': 'retained messages that were never sent',
  'will-missing': 'wills missing',
  'will-early': 'wills before their delay',
  'will-unexpected': 'wills that had been dropped, or came twice, or were never given',
  'session-lost': 'sessions lost',
  'session-back': 'sessions that came back after they were removed',
  'subscription-lost': 'subscriptions lost',
  'subscription-back': 'subscriptions that came back after they were removed',
  'subscription-changed': 'subscriptions with other options than the acknowledged ones',
  refused: 'packets refused',
  'broker-failed': 'failures of the broker itself',
} as const;

export type FaultKind = keyof typeof FAULT_WORDS;

export interface Fault {
  readonly kind: FaultKind;
  readonly cycle: number;
  /** What ended the broker before it was found. */
  readonly killedBy: string;
  readonly text: string;
}

/** How ledgers tell of a fault: one sentence that names the message or the client, and what was acknowledged when. */
export type Report = (kind: FaultKind, text: string) => void;

export class FaultList {
  /** The first FAULTS_LISTED_MAX. */
  readonly listed: Fault[] = [];
  readonly counts = new Map<FaultKind, number>();
  cycle = 0;
  killedBy = 'nothing yet';

  readonly report: Report = (kind, text) => {
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    if (this.listed.length >= FAULTS_LISTED_MAX) return;
    this.listed.push({ kind, cycle: this.cycle, killedBy: this.killedBy, text });
  };

  get count(): number {
    let sum = 0;
    for (const count of this.counts.values()) sum += count;
    return sum;
  }
}
