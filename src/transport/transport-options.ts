/** What every transport is told when it is made. */
export interface TransportOptions {
  /**
   * Told of an exception out of a LinkEvents method or an Accept: a defect of ours. That link alone has ended; the
   * process goes on. The exception is also the error of its `onEnd`.
   */
  readonly onFault?: (error: Error) => void;
  /** Told when a connection could not be accepted. The listener goes on. */
  readonly onAcceptError?: (error: Error) => void;
  /** For tests: each chunk is overwritten after `onBytes`, so that whoever keeps a borrow notices. */
  readonly isInputSpoiled?: boolean;
}

/** What was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(`thrown: ${String(thrown)}`);
}
