/** Lines of a stream of bytes, one at a time, in memory bounded by the longest line. */
const LINE_FEED = 0x0a;

export class LineTooLongError extends Error {
  override readonly name = 'LineTooLongError';
}

/**
 * The lines of `chunks` without their line feeds, as many at a time as a chunk completes; a last line without a line feed
 * counts, an empty rest does not. Nothing is read ahead while the consumer is busy. (One line at a time costs a promise
 * each: measured 3 times the CPU of this.)
 * @throws LineTooLongError when a line has more than `lineBytesMax` bytes
 */
export async function* linesOf(
  chunks: AsyncIterable<Uint8Array>,
  lineBytesMax: number,
): AsyncGenerator<readonly Uint8Array[]> {
  let parts: Uint8Array[] = [];
  let partBytes = 0;
  for await (const chunk of chunks) {
    const lines: Uint8Array[] = [];
    let start = 0;
    for (let end = chunk.indexOf(LINE_FEED); end !== -1; end = chunk.indexOf(LINE_FEED, start)) {
      const rest = chunk.subarray(start, end);
      lines.push(parts.length === 0 ? rest : Buffer.concat([...parts, rest]));
      parts = [];
      partBytes = 0;
      start = end + 1;
    }
    if (start < chunk.length) parts.push(chunk.subarray(start));
    partBytes += chunk.length - start;
    if (lines.length > 0) yield lines;
    if (partBytes > lineBytesMax) throw new LineTooLongError(`a line has more than ${lineBytesMax} bytes`);
  }
  if (parts.length > 0) yield [Buffer.concat(parts)];
}
