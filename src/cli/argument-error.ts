/** A command line that cannot be used. The message is what the user is told, without 'Error: '. */
export class ArgumentError extends Error {
  override readonly name = 'ArgumentError';
  /** False: the message alone, without a hint at --help. */
  readonly wantsHint: boolean;

  constructor(message: string, wantsHint = true) {
    super(message);
    this.wantsHint = wantsHint;
  }
}

/** A whole number in decimal, or null. */
export function integerOf(text: string): number | null {
  return /^[+-]?\d{1,15}$/.test(text.trim()) ? Number(text) : null;
}
