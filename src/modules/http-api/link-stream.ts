/**
 * A Link as the stream that node:http reads and writes. So the HTTP API stands on any transport: what TLS, client
 * certificates or a PROXY header are to a listener is decided below it, in one place for all protocols.
 *
 * What a link does not do: after the peer has ended its side nothing more is sent than what was ready in that turn. HTTP
 * clients keep their side open until they have their answer.
 */
import { Duplex } from 'node:stream';
import type { Link, LinkEvents } from '../../base/link.ts';

export interface LinkStream {
  readonly stream: Duplex;
  /** What the link has to tell. */
  readonly events: LinkEvents;
}

/** How long a peer may take for the rest of what it was sent, once the stream has ended. */
const LINGER_MS = 5_000;
/** Input that waits for the reader before the link is paused. */
const INPUT_BYTES_MAX = 16 * 1024;

type Done = (error?: Error | null) => void;

export function openLinkStream(link: Link): LinkStream {
  let isOver = false;
  /** The write that the link is busy with. */
  let leftBytes = 0;
  let onTaken: Done | null = null;

  const send = (chunks: readonly Uint8Array[], done: Done): void => {
    leftBytes = chunks.reduce((sum, { length }) => sum + length, 0);
    if (leftBytes === 0) {
      done();
      return;
    }
    // It may be reported inside `send` that all is taken.
    onTaken = done;
    for (const chunk of chunks) link.send(chunk, 0, chunk.length);
  };

  const stream = new Duplex({
    readableHighWaterMark: INPUT_BYTES_MAX,
    read() {
      if (!isOver) link.resume();
    },
    write: (chunk: Buffer, _encoding, done) => send([chunk], done),
    writev: (parts, done) => {
      send(
        parts.map(({ chunk }) => chunk),
        done,
      );
    },
    final(done) {
      link.close(LINGER_MS);
      done();
    },
    destroy(error, done) {
      if (!isOver) link.destroy();
      done(error);
    },
  });

  const events: LinkEvents = {
    onBytes(bytes, start, end) {
      // They are borrowed, and the stream keeps what its reader does not take at once.
      if (!stream.push(Buffer.from(bytes.subarray(start, end)))) link.pause();
    },
    onSent(byteCount) {
      leftBytes -= byteCount;
      const done = leftBytes > 0 ? null : onTaken;
      if (done === null) return;
      onTaken = null;
      done();
    },
    onEnd(end) {
      isOver = true;
      stream.destroy(end.kind === 'error' ? end.error : undefined);
    },
  };
  return { stream, events };
}
