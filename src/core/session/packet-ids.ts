/** The largest packet identifier; also the most messages that can be in flight. */
export const PACKET_ID_MAX = 65535;

/** Gives out packet identifiers: 1 to 65535 in turn, leaving out those in use [MQTT-2.2.1-4]. */
export class PacketIds {
  #last = 0;

  /** @param isUsed at least one id must be free. */
  next(isUsed: (id: number) => boolean): number {
    do {
      this.#last = this.#last === PACKET_ID_MAX ? 1 : this.#last + 1;
    } while (isUsed(this.#last));
    return this.#last;
  }
}
