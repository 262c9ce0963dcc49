/** The largest packet identifier; also the most messages that can be in flight. */
export const PACKET_ID_MAX = 65535;

/** Identifiers in use above which a map of bits is kept, so that a client that lets many lie cannot make the search long. */
const UNMAPPED_MAX = 256;

/**
 * Gives out packet identifiers: 1 to 65535 in turn, leaving out those in use [MQTT-2.2.1-4]. While few are in use the next
 * free one is near; beyond that a bit for each identifier (8 KiB) is searched a word of 32 at a time.
 */
export class PacketIds {
  #last = 0;
  #bits: Uint32Array | null = null;

  /** The next free identifier; `used` are those in use, not all of them. The caller puts it there and says `free` later. */
  next(used: ReadonlyMap<number, unknown>): number {
    if (used.size <= UNMAPPED_MAX) {
      this.#bits = null;
      do this.#last = this.#last === PACKET_ID_MAX ? 1 : this.#last + 1;
      while (used.has(this.#last));
      return this.#last;
    }
    this.#bits ??= bitsOf(used);
    this.#last = nextClear(this.#bits, this.#last);
    setBit(this.#bits, this.#last);
    return this.#last;
  }

  free(id: number): void {
    if (this.#bits !== null) this.#bits[id >>> 5] = (this.#bits[id >>> 5] ?? 0) & ~(1 << (id & 31));
  }
}

function bitsOf(used: ReadonlyMap<number, unknown>): Uint32Array {
  const bits = new Uint32Array((PACKET_ID_MAX + 1) / 32);
  // 0 is no identifier.
  setBit(bits, 0);
  for (const id of used.keys()) setBit(bits, id);
  return bits;
}

function setBit(bits: Uint32Array, id: number): void {
  bits[id >>> 5] = (bits[id >>> 5] ?? 0) | (1 << (id & 31));
}

/** The first clear bit after `last`, around the end. */
function nextClear(bits: Uint32Array, last: number): number {
  let word = ((last + 1) & PACKET_ID_MAX) >>> 5;
  // The bits before the start of the search do not count in the first word.
  let clear = ~(bits[word] ?? 0) & (-1 << ((last + 1) & 31));
  for (let left = bits.length; clear === 0 && left > 0; left -= 1) {
    word = (word + 1) % bits.length;
    clear = ~(bits[word] ?? 0);
  }
  return word * 32 + (31 - Math.clz32(clear & -clear));
}
