/** Something outside keeps the broker from starting: a taken port, a missing right. Ends the start with exit code 1. */
export class StartFailure extends Error {
  override readonly name = 'StartFailure';
  /** What is still to be told: what it means and what to do. */
  readonly lines: readonly string[];

  constructor(message: string, lines: readonly string[]) {
    super(message);
    this.lines = lines;
  }
}
