/**
 * A broken promise of our own code. Inside one connection it closes that connection and is counted; in shared state the
 * process stops with the message.
 */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
}

/** States what must be true here. @throws AssertionError with `message` when it is not. */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new AssertionError(message);
}

/** Closes a switch over a union: does not compile when a case is missing. */
export function assertNever(value: never): never {
  throw new AssertionError(`case not handled: ${String(value)}`);
}
