/** Where a line of configuration stands. */
export interface Place {
  readonly file: string;
  /** From 1. */
  readonly line: number;
}

/** A configuration that cannot be used. The message says what was given and what to do, without file and line. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly place: Place;

  constructor(place: Place, message: string) {
    super(message);
    this.place = place;
  }
}
