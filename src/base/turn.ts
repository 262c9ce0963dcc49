/**
 * The end of the present turn of the event loop: after all input that is ready now has been handled. Output is
 * gathered until then, so that a connection gets one send per turn.
 */
export interface Turn {
  /** Runs `run` once at the end of this turn. Calls are few (one per turn and user), their order is kept. */
  atEnd(run: () => void): void;
}
