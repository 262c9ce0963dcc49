/**
 * Lets the shared suite of transports run on WebSockets: its peers are bare sockets, so this plays their WebSocket client
 * between the socket and the link under test. What the socket sends becomes masked frames of every form; of what the link
 * sends the payload goes on, by reference, and all the rest is looked at and thrown away.
 *
 *   bare socket ⇄ transport ⇄ PlainPeer ⇄ acceptWebSocket ⇄ the suite's recorder
 */
import assert from 'node:assert/strict';
import { SeededRandom } from '../../../test/fixtures/seeded-random.ts';
import type { Accept, Link, LinkEnd, LinkEvents, Transport } from '../../base/link.ts';
import { acceptWebSocket } from './accept-websocket.ts';
import { clientFrame, REPLY, requestOf } from './client-frame.fixture.ts';

const SPOILED = 0xaa;

/** `base`, with WebSockets on the links that it accepts. */
export function webSocketOver(base: Transport): Transport {
  return {
    listen: (at, accept) => base.listen(at, (link) => PlainPeer.open(link, accept)),
    connect: (to, accept) => base.connect(to, accept),
  };
}

/** Some of what was handed to us: passed on to the socket, or not. */
interface Span {
  readonly isPassed: boolean;
  byteCount: number;
}

class PlainPeer implements Link, LinkEvents {
  readonly remoteAddress: string;
  readonly remotePort: number;
  readonly localPort: number;
  readonly #link: Link;
  readonly #random = new SeededRandom(20_261_124);
  #events: LinkEvents | null = null;
  #isDestroyed = false;
  /** The reply, as far as it has come; null behind it. */
  #reply: string | null = '';
  #head = Buffer.alloc(0);
  #payloadBytes = 0;
  #isData = false;
  #isInMessage = false;
  readonly #spans: Span[] = [];

  private constructor(link: Link) {
    this.#link = link;
    this.remoteAddress = link.remoteAddress;
    this.remotePort = link.remotePort;
    this.localPort = link.localPort;
  }

  static open(link: Link, accept: Accept): LinkEvents {
    const peer = new PlainPeer(link);
    peer.#events = acceptWebSocket(accept, { origins: [], headerBytesMax: 4096 })(peer);
    const request = requestOf();
    if (!peer.#isDestroyed) peer.#events.onBytes(request, 0, request.length);
    return peer;
  }

  // --------------------------------------------------------------------------- what the link under test asks for

  get pendingBytes(): number {
    return this.#spans.reduce((sum, { byteCount }) => sum + byteCount, 0);
  }

  send(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; ) {
      if (this.#payloadBytes === 0) at = this.#takeHead(bytes, at);
      else at = this.#takePayload(bytes, at, end);
    }
    this.#tell(0);
  }

  pause(): void {
    this.#link.pause();
  }

  resume(): void {
    this.#link.resume();
  }

  close(lingerMs: number): void {
    this.#link.close(lingerMs);
  }

  destroy(): void {
    this.#isDestroyed = true;
    this.#link.destroy();
  }

  #takeHead(bytes: Uint8Array, at: number): number {
    const byte = bytes[at] ?? 0;
    this.#add(false, 1);
    if (this.#reply !== null) {
      this.#reply += String.fromCharCode(byte);
      if (!this.#reply.endsWith('\r\n\r\n')) return at + 1;
      assert.equal(this.#reply, REPLY);
      this.#reply = null;
      return at + 1;
    }
    this.#head = Buffer.concat([this.#head, Uint8Array.of(byte)]);
    const head = this.#head;
    const [first = 0, short = 0] = head;
    if (head.length < 2 || head.length < (short < 126 ? 2 : short === 126 ? 4 : 10)) return at + 1;
    assert.ok([0x82, 0x88, 0x8a].includes(first), `a frame that begins with ${first}`);
    this.#isData = first === 0x82;
    this.#payloadBytes = short < 126 ? short : short === 126 ? head.readUInt16BE(2) : Number(head.readBigUInt64BE(2));
    this.#head = Buffer.alloc(0);
    return at + 1;
  }

  #takePayload(bytes: Uint8Array, at: number, end: number): number {
    const stop = Math.min(end, at + this.#payloadBytes);
    this.#payloadBytes -= stop - at;
    this.#add(this.#isData, stop - at);
    if (this.#isData) this.#link.send(bytes, at, stop);
    return stop;
  }

  #add(isPassed: boolean, byteCount: number): void {
    const last = this.#spans.at(-1);
    if (last?.isPassed === isPassed) last.byteCount += byteCount;
    else this.#spans.push({ isPassed, byteCount });
  }

  /** Reports what was passed on and has left, with all that goes nowhere around it. */
  #tell(passedBytes: number): void {
    let left = passedBytes;
    let byteCount = 0;
    for (let first = this.#spans[0]; first !== undefined; first = this.#spans[0]) {
      const part = first.isPassed ? Math.min(left, first.byteCount) : first.byteCount;
      if (part === 0) break;
      byteCount += part;
      if (first.isPassed) left -= part;
      first.byteCount -= part;
      if (first.byteCount > 0) break;
      this.#spans.shift();
    }
    if (byteCount > 0 && !this.#isDestroyed) this.#events?.onSent(byteCount);
  }

  // ---------------------------------------------------------------------------------------- what the socket brings

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    const frames = this.#framesOf(Buffer.from(bytes.subarray(start, end)));
    this.#events?.onBytes(frames, 0, frames.length);
    frames.fill(SPOILED);
  }

  onSent(byteCount: number): void {
    this.#tell(byteCount);
  }

  onEnd(end: LinkEnd): void {
    this.#isDestroyed = true;
    this.#events?.onEnd(end);
  }

  /** In frames of any size, whole or as parts of messages that may end in a later chunk, with a Ping now and then. */
  #framesOf(bytes: Buffer): Buffer {
    const frames: Buffer[] = [];
    for (let at = 0; at < bytes.length; ) {
      const byteCount = this.#random.below(4) === 0 ? 1 + this.#random.below(50) : 1 + this.#random.below(100_000);
      const payload = bytes.subarray(at, at + byteCount);
      const isFinal = this.#random.below(3) > 0;
      frames.push(clientFrame({ opcode: this.#isInMessage ? 0 : 2, payload, isFinal, key: this.#random.uint32() }));
      this.#isInMessage = !isFinal;
      at += byteCount;
      if (this.#random.below(20) === 0) frames.push(clientFrame({ opcode: 9, payload: Buffer.from('are you there') }));
    }
    return Buffer.concat(frames);
  }
}
