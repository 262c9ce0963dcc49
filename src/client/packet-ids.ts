const PACKET_ID_MAX = 65_535;

/**
 * The packet identifiers of one session: those in use, and where to look for the next. They go up, so that one that
 * was just freed is not soon used again. `[MQTT-2.2.1-3]`: never 0, never one that is in use.
 */
export class PacketIds {
  readonly #used = new Set<number>();
  #last = 0;

  get usedCount(): number {
    return this.#used.size;
  }

  /** An unused identifier, or null when all 65535 are in use. */
  take(): number | null {
    if (this.#used.size >= PACKET_ID_MAX) return null;
    do {
      this.#last = this.#last === PACKET_ID_MAX ? 1 : this.#last + 1;
    } while (this.#used.has(this.#last));
    this.#used.add(this.#last);
    return this.#last;
  }

  release(packetId: number): void {
    this.#used.delete(packetId);
  }
}
