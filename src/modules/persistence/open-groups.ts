/** Groups that are on their way to the disk, oldest first, and what the last commits were like. */
import { RingQueue } from '../../base/ring-queue.ts';
import type { Ticket } from '../../core/ports.ts';
import type { FromStore } from './thread-messages.ts';

export interface Group {
  /** Everything up to this ticket is in it, or in one before. */
  readonly ticket: Ticket;
  readonly changes: number;
  readonly byteCount: number;
}

/** Nearly always one at most; each read of a queue may add another. */
export class OpenGroups {
  readonly #groups = new RingQueue<Group>();
  byteCount = 0;
  changeCount = 0;
  commits = 0;
  lastCommitMs = 0;
  longestCommitMs = 0;
  fileBytes = 0;
  logBytes = 0;

  get isEmpty(): boolean {
    return this.#groups.length === 0;
  }

  add(group: Group): void {
    this.#groups.push(group);
    this.byteCount += group.byteCount;
    this.changeCount += group.changes;
  }

  /** The oldest is on the disk. */
  take({ tookMs, fileBytes, logBytes }: FromStore & { readonly kind: 'committed' }): Group | undefined {
    const group = this.#groups.shift();
    if (group === undefined) return undefined;
    this.byteCount -= group.byteCount;
    this.changeCount -= group.changes;
    this.commits += 1;
    this.lastCommitMs = tookMs;
    this.longestCommitMs = Math.max(this.longestCommitMs, tookMs);
    this.fileBytes = fileBytes;
    this.logBytes = logBytes;
    return group;
  }
}
