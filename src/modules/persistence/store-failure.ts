/** The store cannot be opened, or what it holds cannot be read. `lines`: for the log, the mend included. */
export class StoreFailure extends Error {
  override readonly name = 'StoreFailure';
  readonly lines: readonly string[];
  /** True: what was damaged has been set aside, and opening again finds a sound store in its place. */
  readonly isRenewed: boolean;

  constructor(lines: readonly string[], isRenewed: boolean) {
    super(lines.join('\n'));
    this.lines = lines;
    this.isRenewed = isRenewed;
  }
}
