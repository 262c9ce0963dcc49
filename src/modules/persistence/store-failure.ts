/** The store cannot be opened, or what it holds cannot be read. `lines`: for the log, the mend included. */
export class StoreFailure extends Error {
  override readonly name = 'StoreFailure';
  readonly lines: readonly string[];
  /** True: what was damaged has been set aside, and opening again begins a new store. */
  readonly isSetAside: boolean;

  constructor(lines: readonly string[], isSetAside: boolean) {
    super(lines.join('\n'));
    this.lines = lines;
    this.isSetAside = isSetAside;
  }
}
