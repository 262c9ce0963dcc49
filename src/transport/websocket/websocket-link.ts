/**
 * A Link of MQTT bytes over a Link that carries a WebSocket.
 *
 * Out: each `send` is one binary frame. While the link below is idle a small one is put behind its header in one buffer,
 * so that it leaves in one piece; a large one, and what has to wait anyway, stays where the user has it and leaves by
 * reference, behind a header of its own. `onSent` and `pendingBytes` count the user's bytes alone.
 *
 * In: the frames of a chunk become one range of it (frame-reader.ts), so there is one `onBytes` for one chunk, and a pause
 * inside it leaves nothing behind that would have to be kept. This changes the borrowed bytes in place, which every
 * transport allows: what it reads into belongs to the reader until `onBytes` returns.
 *
 *                 good request        close(), Close frame, wrong frame
 *   handshake ──────────────────▶ open ───────────────────────────────▶ closing ──▶ onEnd
 *       └──────────────── bad request, close() ──────────────────────────▶
 *
 * The user exists from the beginning: its deadline for the first packet is the one for the handshake. What it sends before
 * there is a WebSocket waits; when there never is one it is lost. The end of a bad request or frame is an error that says
 * what was wrong; a Close frame is an orderly end by the peer.
 */
import type { Link, LinkEnd, LinkEvents, PeerSecurity } from '../../base/link.ts';
import { RingQueue } from '../../base/ring-queue.ts';
import { CloseCode, closeFrame, headerBytesFor, writeBinaryHeader } from './frame.ts';
import { type FrameEnd, FrameReader } from './frame-reader.ts';
import { Handshake, type HandshakeAnswer, type WebSocketOptions } from './handshake.ts';
import { SentLedger } from './sent-ledger.ts';

/** Up to so many bytes a copy costs less than a second system call and a second packet on the network. */
const TOGETHER_BYTES_MAX = 16 * 1024;
/** How long a client may take for our last words after it, or its first request, was wrong. */
const LINGER_MS = 2_000;

/** Hears the events of a link whose `Accept` has not returned. */
const NOBODY: LinkEvents = { onBytes() {}, onSent() {}, onEnd() {} };

interface Range {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

type Phase = 'handshake' | 'open' | 'closing';

export class WebSocketLink implements Link, LinkEvents {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly security?: PeerSecurity;
  pendingBytes = 0;
  readonly #link: Link;
  #events: LinkEvents = NOBODY;
  #phase: Phase = 'handshake';
  #isPaused = false;
  /** Only during the handshake. */
  #handshake: Handshake | null;
  /** What the user has sent before there was a WebSocket. Its limit is the user's. */
  #held: RingQueue<Range> | null = null;
  readonly #frames = new FrameReader();
  readonly #ledger = new SentLedger();
  /** The header of a frame was sent, its payload was not: nothing else may be. */
  #isInFrame = false;
  /** The user's bytes that were sent and not told of, because a frame was being sent. */
  #untoldBytes = 0;
  /** Up to where our last Pong reaches, in bytes handed to the link; another one waits until it has left. */
  #pongEnd = 0;
  #waitingPong: Uint8Array | null = null;
  /** Why the link ends, when the link below does not know. */
  #end: LinkEnd | null = null;

  /** `setEvents` must follow. */
  constructor(link: Link, options: WebSocketOptions) {
    this.#link = link;
    this.#handshake = new Handshake(options);
    this.remoteAddress = link.remoteAddress;
    this.remotePort = link.remotePort;
    this.localPort = link.localPort;
    if (link.security !== undefined) this.security = link.security;
  }

  /** Says who hears the events from now on. */
  setEvents(events: LinkEvents): void {
    this.#events = events;
  }

  // -------------------------------------------------------------------------------------------------------- Link

  send(bytes: Uint8Array, start: number, end: number): void {
    if (this.#phase === 'closing' || start >= end) return;
    this.pendingBytes += end - start;
    if (this.#phase === 'handshake' || this.#held !== null) {
      this.#held ??= new RingQueue();
      this.#held.push({ bytes, start, end });
      return;
    }
    this.#sendFrame(bytes, start, end);
  }

  pause(): void {
    this.#isPaused = true;
    // The request is none of the user's bytes.
    if (this.#phase === 'open') this.#link.pause();
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#phase === 'open') this.#link.resume();
  }

  close(lingerMs: number): void {
    if (this.#phase === 'closing') return;
    const isOpen = this.#phase === 'open';
    this.#startClosing();
    if (isOpen) this.#sendOwn(closeFrame(CloseCode.Normal, ''));
    this.#link.close(lingerMs);
  }

  destroy(): void {
    this.#startClosing();
    this.#link.destroy();
  }

  // --------------------------------------------------------------------------------------------------- LinkEvents

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.#phase === 'open') this.#readFrames(bytes, start, end);
    else if (this.#phase === 'handshake') this.#readRequest(bytes, start, end);
  }

  onSent(byteCount: number): void {
    this.#untoldBytes += this.#ledger.take(byteCount);
    if (this.#isInFrame) return;
    this.#tellSent();
    this.#sendWaitingPong();
  }

  onEnd(end: LinkEnd): void {
    this.#startClosing();
    this.#events.onEnd(this.#end ?? end);
  }

  // -------------------------------------------------------------------------------------------------------- input

  #readRequest(bytes: Uint8Array, start: number, end: number): void {
    const answer = this.#handshake?.read(bytes, start, end) ?? null;
    if (answer === null) return;
    this.#handshake = null;
    if (answer.refusal === null) this.#open(answer);
    else this.#refuse(answer.reply, `WebSocket handshake refused: ${answer.refusal}`);
  }

  #open({ reply }: HandshakeAnswer): void {
    this.#phase = 'open';
    // Before anything of the user's, which may send more when it hears of that.
    const held = this.#held ?? new RingQueue<Range>();
    this.#held = held;
    this.#sendOwn(reply);
    if (this.#isPaused) this.#link.pause();
    for (let range = held.shift(); range !== undefined && this.#isOpen; range = held.shift()) {
      this.#sendFrame(range.bytes, range.start, range.end);
    }
    this.#held = null;
  }

  #readFrames(bytes: Uint8Array, start: number, end: number): void {
    const frames = this.#frames;
    frames.read(bytes, start, end);
    if (frames.pong !== null) {
      this.#waitingPong = frames.pong;
      this.#sendWaitingPong();
    }
    const { dataStart, dataEnd } = frames;
    if (dataEnd > dataStart && this.#isOpen) this.#events.onBytes(bytes, dataStart, dataEnd);
    if (frames.end !== null && this.#isOpen) this.#endBy(frames.end);
  }

  /** The client has said goodbye, or sent what it must not. */
  #endBy({ code, text }: FrameEnd): void {
    if (text !== '') {
      this.#refuse(closeFrame(code, text), `WebSocket closed with ${code}: ${text}`);
      return;
    }
    this.#startClosing();
    this.#end = { kind: 'peer' };
    this.#sendOwn(closeFrame(code, ''));
    // A client that said goodbye is not waited for, unless it still has to take what it was sent.
    this.#link.close(this.#link.pendingBytes > 0 ? LINGER_MS : 0);
  }

  #refuse(lastWords: Uint8Array, reason: string): void {
    this.#startClosing();
    this.#end = { kind: 'error', error: new Error(reason) };
    this.#sendOwn(lastWords);
    this.#link.close(LINGER_MS);
  }

  // ------------------------------------------------------------------------------------------------------- output

  #sendFrame(bytes: Uint8Array, start: number, end: number): void {
    const byteCount = end - start;
    const headerBytes = headerBytesFor(byteCount);
    this.#ledger.addOwn(headerBytes);
    this.#ledger.addUsers(byteCount);
    if (byteCount <= TOGETHER_BYTES_MAX && this.#link.pendingBytes === 0) {
      const frame = Buffer.allocUnsafe(headerBytes + byteCount);
      writeBinaryHeader(frame, byteCount);
      frame.set(bytes.subarray(start, end), headerBytes);
      this.#link.send(frame, 0, frame.length);
      return;
    }
    const header = Buffer.allocUnsafe(headerBytes);
    writeBinaryHeader(header, byteCount);
    // A report inside the first of the two calls must not bring another frame in between.
    this.#isInFrame = true;
    this.#link.send(header, 0, headerBytes);
    this.#isInFrame = false;
    this.#link.send(bytes, start, end);
    this.#tellSent();
  }

  #sendOwn(bytes: Uint8Array): void {
    this.#ledger.addOwn(bytes.length);
    this.#link.send(bytes, 0, bytes.length);
  }

  #tellSent(): void {
    const byteCount = this.#untoldBytes;
    if (byteCount === 0) return;
    this.#untoldBytes = 0;
    this.pendingBytes -= byteCount;
    this.#events.onSent(byteCount);
  }

  /** One Pong at a time: one that asks and does not read must not fill our memory with answers. */
  #sendWaitingPong(): void {
    const pong = this.#waitingPong;
    if (pong === null || !this.#isOpen || this.#ledger.sentBytes < this.#pongEnd) return;
    this.#waitingPong = null;
    this.#pongEnd = this.#ledger.handedBytes + pong.length;
    this.#sendOwn(pong);
  }

  // ---------------------------------------------------------------------------------------------------------- end

  get #isOpen(): boolean {
    return this.#phase === 'open';
  }

  /** From here on the user's sends are ignored and input is not looked at. */
  #startClosing(): void {
    this.#phase = 'closing';
    this.#handshake = null;
    this.#held = null;
    this.#waitingPong = null;
  }
}
