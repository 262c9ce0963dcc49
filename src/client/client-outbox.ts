/**
 * Everything the client sends, in order. Small packets are gathered in a chunk that leaves once per microtask, so that
 * a thousand publishes in a loop are a few sends; a large payload is lent to the link as it is, without a copy.
 *
 *   chunk: [ lent, not yet taken | from: gathered, at: free ]
 *
 * A lent range is never written again; only when everything was taken does the chunk start over.
 */
import type { Link } from '../base/link.ts';
import { RingQueue } from '../base/ring-queue.ts';
import type { PublishFields } from '../protocol/encode/publish.ts';
import { publishFrameBytes, writePublish } from '../protocol/encode/publish.ts';
import type { ProtocolVersion } from '../protocol/version.ts';

const CHUNK_BYTES = 16 * 1024;
/** From here on bytes are lent instead of copied. */
const LENT_BYTES_MIN = 4 * 1024;

interface Mark {
  readonly at: number;
  readonly reached: (isTaken: boolean) => void;
}

export class ClientOutbox {
  /** Called before bytes leave. */
  onFlush: () => void = () => {};
  readonly #link: Link;
  #chunk: Uint8Array | null = null;
  #from = 0;
  #at = 0;
  #isScheduled = false;
  #isEnded = false;
  #appendedBytes = 0;
  #takenBytes = 0;
  /** Who waits until the operating system has what was appended so far; as many as there are QoS 0 publishes in it. */
  readonly #marks = new RingQueue<Mark>();

  constructor(link: Link) {
    this.#link = link;
  }

  /** Bytes appended that the operating system has not taken. */
  get pendingBytes(): number {
    return this.#appendedBytes - this.#takenBytes;
  }

  /** Appends a whole packet. `bytes` must not change any more. */
  append(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    if (bytes.length >= LENT_BYTES_MIN) {
      this.#lend(bytes, 0, bytes.length);
      return;
    }
    const chunk = this.#room(bytes.length);
    chunk.set(bytes, this.#at);
    this.#advance(bytes.length);
  }

  /** Appends a PUBLISH. Its payload must not change until it was taken. */
  appendPublish(version: ProtocolVersion, fields: PublishFields): void {
    if (this.#isEnded) return;
    const frameBytes = publishFrameBytes(version, fields);
    const payloadBytes = fields.payloadEnd - fields.payloadStart;
    if (frameBytes < LENT_BYTES_MIN) {
      writePublish(version, fields, frameBytes, this.#room(frameBytes), this.#at, true);
      this.#advance(frameBytes);
      return;
    }
    const header = new Uint8Array(frameBytes - payloadBytes);
    writePublish(version, fields, frameBytes, header, 0, false);
    this.append(header);
    this.#lend(fields.bytes, fields.payloadStart, fields.payloadEnd);
  }

  /** Runs `reached` when the operating system has all that was appended up to now, or never will. */
  whenTaken(reached: (isTaken: boolean) => void): void {
    this.#marks.push({ at: this.#appendedBytes, reached });
  }

  /** Hands what was gathered to the link. */
  flush(): void {
    if (this.#chunk === null || this.#from === this.#at || this.#isEnded) return;
    const start = this.#from;
    this.#from = this.#at;
    this.onFlush();
    this.#link.send(this.#chunk, start, this.#at);
  }

  /** The link's report. */
  taken(byteCount: number): void {
    this.#takenBytes += byteCount;
    for (let mark = this.#marks.peek(); mark !== undefined && mark.at <= this.#takenBytes; mark = this.#marks.peek()) {
      this.#marks.shift();
      mark.reached(true);
    }
    if (this.#takenBytes !== this.#appendedBytes) return;
    this.#from = 0;
    this.#at = 0;
  }

  /** Nothing leaves any more. */
  end(): void {
    this.#isEnded = true;
    this.#chunk = null;
    for (let mark = this.#marks.shift(); mark !== undefined; mark = this.#marks.shift()) mark.reached(false);
  }

  #room(byteCount: number): Uint8Array {
    if (this.#chunk !== null && this.#at + byteCount <= CHUNK_BYTES) return this.#chunk;
    this.flush();
    this.#from = 0;
    this.#at = 0;
    this.#chunk = new Uint8Array(CHUNK_BYTES);
    return this.#chunk;
  }

  #advance(byteCount: number): void {
    this.#at += byteCount;
    this.#appendedBytes += byteCount;
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      this.flush();
    });
  }

  #lend(bytes: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    this.flush();
    this.#appendedBytes += end - start;
    this.onFlush();
    this.#link.send(bytes, start, end);
  }
}
