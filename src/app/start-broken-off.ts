/** A signal to end came while the broker started: it ends in order, with exit code 0. */
export class StartBrokenOff extends Error {
  override readonly name = 'StartBrokenOff';

  constructor() {
    super('the start was broken off');
  }
}
