/**
 * What has no acknowledgement of its own (a session that a clean CONNECT removed, a will that DISCONNECT dropped) is
 * certain once something that was sent later was acknowledged: the journal makes changes durable in their order. Acts are
 * numbered for that. Acts that are not proven when the broker dies never will be: who keeps their numbers forgets them.
 */
export class OrderOfActs {
  #last = 0;
  #proven = 0;

  /** The number of an act that has just been seen to have happened, or of a packet that is just being sent. */
  next(): number {
    this.#last += 1;
    return this.#last;
  }

  /** What was sent as number `act` is acknowledged. */
  acknowledged(act: number): void {
    if (act > this.#proven) this.#proven = act;
  }

  /** Whether something that was sent after `act` has been acknowledged. */
  isProven(act: number): boolean {
    return this.#proven > act;
  }
}
