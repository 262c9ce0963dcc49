/**
 * One link to a server as packets: cuts and decodes what comes, gathers what goes, and ends once, with one reason. What
 * the packets mean is its owner's business. Whatever a server sends, nothing is thrown out of the link's callbacks: a
 * broken rule ends this connection with a reason `[MQTT-4.8.0-1]` `[MQTT-4.13.1-1]`.
 */
import type { Link, LinkEnd, LinkEvents } from '../base/link.ts';
import { decodePacket } from '../protocol/decode/packet.ts';
import { encodeDisconnect } from '../protocol/encode/packet.ts';
import type { FrameHeader } from '../protocol/frame.ts';
import { EMPTY_PROPERTIES, type Packet } from '../protocol/packets.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { CLIENT_DISCONNECT_REASONS, Reason, type ReasonCode } from '../protocol/reasons.ts';
import { TopicNames } from '../protocol/topic.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import { ClientOutbox } from './client-outbox.ts';
import type { ClosedReason, ConnectOptions, TracedPacket } from './client-types.ts';
import { FrameAssembler } from './frame-assembler.ts';

/** How long a farewell may take. */
const LINGER_MS = 10_000;
/** The same, when the server broke the protocol: it may never read it. */
const ERROR_LINGER_MS = 1000;
/** Before CONNACK nothing large is expected. */
const FIRST_PACKET_BYTES_MAX = 256 * 1024;
/** Topics remembered, so that the same topic again is no new string. */
const TOPIC_SLOTS = 256;

export interface ConnectionOwner {
  /** Called for each packet; a PUBLISH is borrowed. May throw ProtocolError. */
  onPacket(packet: Packet): void;
  /** Once, as the last. */
  onEnd(closed: ClosedReason): void;
  /** The operating system took some bytes. */
  onSent(): void;
  onReceived(): void;
}

export class Connection {
  readonly version: ProtocolVersion;
  readonly outbox: ClientOutbox;
  readonly events: LinkEvents;
  /** Fulfilled once the link has ended. */
  readonly closed: Promise<ClosedReason>;
  owner: ConnectionOwner;
  readonly #link: Link;
  readonly #trace: NonNullable<ConnectOptions['onTrace']> | null;
  readonly #assembler: FrameAssembler;
  readonly #topics = new TopicNames(TOPIC_SLOTS);
  #isAccepted = false;
  /** Why it ends, from the moment that is known. */
  #closedReason: ClosedReason | null = null;
  #hasEnded = false;
  #resolveClosed: (closed: ClosedReason) => void = () => {};

  constructor(link: Link, options: Pick<ConnectOptions, 'version' | 'onTrace'>, owner: ConnectionOwner) {
    this.version = options.version;
    this.owner = owner;
    this.#link = link;
    this.#trace = options.onTrace ?? null;
    this.outbox = new ClientOutbox(link);
    this.#assembler = new FrameAssembler(FIRST_PACKET_BYTES_MAX, (bytes, start, header) =>
      this.#onFrame(bytes, start, header),
    );
    this.closed = new Promise((resolve) => {
      this.#resolveClosed = resolve;
    });
    this.events = {
      onBytes: (bytes, start, end) => this.#onBytes(bytes, start, end),
      onSent: (byteCount) => this.#onSent(byteCount),
      onEnd: (end) => this.#onEnd(end),
    };
  }

  /** False as soon as it is known that it ends. */
  get isOpen(): boolean {
    return this.#closedReason === null;
  }

  /** Why it ends or has ended; null while it is open. */
  get closedReason(): ClosedReason | null {
    return this.#closedReason;
  }

  /** CONNACK came: from now on a DISCONNECT is in place, and packets up to `packetBytesMax`. */
  accept(packetBytesMax: number): void {
    this.#isAccepted = true;
    this.#assembler.packetBytesMax = packetBytesMax;
  }

  /** Appends a packet; it leaves at the end of the microtask. `[MQTT-3.14.4-1]`: nothing after DISCONNECT. */
  send(bytes: Uint8Array, packet: TracedPacket): void {
    if (!this.isOpen) return;
    this.#trace?.('sending', packet);
    this.outbox.append(bytes);
  }

  trace(packet: TracedPacket): void {
    this.#trace?.('sending', packet);
  }

  get isTraced(): boolean {
    return this.#trace !== null;
  }

  setPaused(isPaused: boolean): void {
    if (isPaused) this.#link.pause();
    else this.#link.resume();
  }

  /** Sends DISCONNECT and closes `[MQTT-3.14.4-2]`. */
  disconnect(reason: ReasonCode, properties = EMPTY_PROPERTIES): void {
    if (!this.isOpen) return;
    this.send(encodeDisconnect({ type: 'disconnect', reason, properties }, this.version), {
      type: 'disconnect',
      reason,
      properties,
    });
    this.#close({ kind: 'disconnected' }, LINGER_MS);
  }

  /** Ends because of `closed`. A v5 server that had accepted is told `reason`. */
  fail(closed: ClosedReason, reason: ReasonCode | null): void {
    if (!this.isOpen) return;
    if (reason !== null && this.#isAccepted && this.version === 5) {
      const code = CLIENT_DISCONNECT_REASONS[reason] ?? Reason.ProtocolError;
      const packet = { type: 'disconnect', reason: code, properties: EMPTY_PROPERTIES } as const;
      this.send(encodeDisconnect(packet, this.version), packet);
    }
    this.#close(closed, ERROR_LINGER_MS);
  }

  /** Ends now, without a word: for the server it looks like a lost connection. */
  destroy(): void {
    this.#closedReason ??= { kind: 'destroyed' };
    this.#link.destroy();
  }

  #close(closed: ClosedReason, lingerMs: number): void {
    this.outbox.flush();
    this.#closedReason = closed;
    this.#link.close(lingerMs);
  }

  #onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (!this.isOpen) return;
    try {
      this.owner.onReceived();
      this.#assembler.push(bytes, start, end);
    } catch (error) {
      this.#onError(error);
    }
  }

  /** False when nothing more is wanted. */
  #onFrame(bytes: Uint8Array, start: number, header: FrameHeader): boolean {
    const packet = decodePacket(bytes, start, header, this.version, this.#topics, 'server');
    if (this.#trace !== null) this.#trace('received', traced(packet));
    this.owner.onPacket(packet);
    return this.isOpen;
  }

  #onError(error: unknown): void {
    if (error instanceof ProtocolError) {
      this.fail({ kind: 'protocol-error', error }, error.reason);
      return;
    }
    this.fault(error);
  }

  /** A promise of ours, or of the caller's handler, was broken. */
  fault(error: unknown): void {
    const known = error instanceof Error ? error : new Error(String(error));
    this.fail({ kind: 'fault', error: known }, Reason.ImplementationSpecificError);
  }

  #onSent(byteCount: number): void {
    this.outbox.taken(byteCount);
    if (!this.#hasEnded) this.owner.onSent();
  }

  #onEnd(end: LinkEnd): void {
    this.#hasEnded = true;
    this.#closedReason ??= { kind: 'lost', error: end.kind === 'error' ? end.error : null };
    this.outbox.end();
    this.owner.onEnd(this.#closedReason);
    this.#resolveClosed(this.#closedReason);
  }
}

function traced(packet: Packet): TracedPacket {
  if (packet.type !== 'publish') return packet;
  const { type, dup, qos, retain, packetId } = packet;
  const payloadBytes = packet.payloadEnd - packet.payloadStart;
  return { type, dup, qos, retain, packetId, topic: packet.topic?.text ?? '', payloadBytes };
}
