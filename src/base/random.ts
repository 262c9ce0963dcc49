/** Unpredictable bytes, given to the core so that a test can seed them. */
export interface Random {
  /** Fills and returns `into`. */
  fill(into: Uint8Array): Uint8Array;
}
