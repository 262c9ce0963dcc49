/**
 * A WebSocket frame as RFC 6455, section 5.2, lays it out. Ours carry no mask, a client's do.
 *
 *   | FIN 1 | RSV 3 | opcode 4 | MASK 1 | length 7 | longer length 0, 2 or 8 bytes | key 0 or 4 bytes | payload |
 */

export const Opcode = { Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 } as const;

/** Codes of a Close frame (section 7.4.1). */
export const CloseCode = { Normal: 1000, ProtocolError: 1002, UnsupportedType: 1003, TooBig: 1009 } as const;

export const FINAL = 0x80;
export const RESERVED = 0x70;
export const MASKED = 0x80;
/** Values of the 7 bits of length that say how long the longer length is. */
export const LENGTH_IN_2 = 126;
export const LENGTH_IN_8 = 127;
/** The most that a header can have. */
export const HEADER_BYTES_MAX = 14;
/** The most that a control frame may carry (section 5.5). */
export const CONTROL_BYTES_MAX = 125;

const CODE_BYTES = 2;

/** How long the header of one of our frames is. */
export function headerBytesFor(payloadBytes: number): number {
  if (payloadBytes < LENGTH_IN_2) return 2;
  return payloadBytes <= 0xffff ? 4 : 10;
}

/** Writes the header of a binary frame that is a whole message to the start of `into`. */
export function writeBinaryHeader(into: Buffer, payloadBytes: number): void {
  into[0] = FINAL | Opcode.Binary;
  if (payloadBytes < LENGTH_IN_2) {
    into[1] = payloadBytes;
  } else if (payloadBytes <= 0xffff) {
    into[1] = LENGTH_IN_2;
    into.writeUInt16BE(payloadBytes, 2);
  } else {
    into[1] = LENGTH_IN_8;
    into.writeUInt32BE(Math.trunc(payloadBytes / 2 ** 32), 2);
    into.writeUInt32BE(payloadBytes % 2 ** 32, 6);
  }
}

/**
 * A Close frame.
 * @param code null: the other side has given none
 * @param text for people, ASCII; cut to what a control frame can carry
 */
export function closeFrame(code: number | null, text: string): Uint8Array {
  if (code === null) return Uint8Array.of(FINAL | Opcode.Close, 0);
  const reason = Buffer.from(text.slice(0, CONTROL_BYTES_MAX - CODE_BYTES), 'latin1');
  const frame = Buffer.alloc(2 + CODE_BYTES + reason.length);
  frame[0] = FINAL | Opcode.Close;
  frame[1] = CODE_BYTES + reason.length;
  frame.writeUInt16BE(code, 2);
  frame.set(reason, 2 + CODE_BYTES);
  return frame;
}

/** Whether a peer may close with this code: not one that only stands for what happened on one's own side. */
export function isCloseCode(code: number): boolean {
  if (code >= 3000) return code <= 4999;
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006;
}
