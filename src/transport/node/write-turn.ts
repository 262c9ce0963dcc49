/**
 * The links of one transport that have something to write. Links are written when the code that sends has returned, so
 * that what it sent with several calls leaves in one system call; one tick serves all of them.
 */
export interface Writer {
  write(): void;
}

export class WriteTurn {
  #writers: Writer[] = [];
  #later: Writer[] = [];

  /** Writes `writer` as soon as the running code has returned, before anything else is read. */
  add(writer: Writer): void {
    if (this.#writers.push(writer) === 1) process.nextTick(() => this.#writeAll());
  }

  /** Writes `writer` in the next turn: one with much to send must not keep the others waiting. */
  addLater(writer: Writer): void {
    if (this.#later.push(writer) === 1) setImmediate(() => this.#writeLater());
  }

  #writeAll(): void {
    const writers = this.#writers;
    this.#writers = [];
    for (const writer of writers) writer.write();
  }

  #writeLater(): void {
    const writers = this.#later;
    this.#later = [];
    for (const writer of writers) writer.write();
  }
}
