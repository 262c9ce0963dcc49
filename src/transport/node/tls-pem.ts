/** PEM: blocks of base64 between BEGIN and END, with anything around them. */

export interface PemBlock {
  /** From BEGIN to END. */
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** Blocks of `label` in a file, in order. Lines that are no base64 are skipped over, as OpenSSL leaves them to the parser. */
export function pemBlocks(file: Uint8Array, label: string): readonly PemBlock[] {
  const [begin, end] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`];
  const text = Buffer.from(file.buffer, file.byteOffset, file.byteLength).toString('latin1');
  const blocks: PemBlock[] = [];
  for (let at = text.indexOf(begin); at >= 0; ) {
    const endAt = text.indexOf(end, at);
    if (endAt < 0) break;
    const bytes = Buffer.from(text.slice(at + begin.length, endAt), 'base64');
    blocks.push({ text: text.slice(at, endAt + end.length), bytes });
    at = text.indexOf(begin, endAt);
  }
  return blocks;
}

/** True when the file is not PEM but begins as DER does. */
export function isDer(file: Uint8Array): boolean {
  return file[0] === 0x30 && (file[1] ?? 0) >= 0x80;
}
