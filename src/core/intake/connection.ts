/**
 * One connection from accept to end: bytes become frames, frames become packets, packets go to the handler that the
 * phase allows.
 *
 *      connecting --CONNECT--> authenticating --CONNACK--> connected
 *          \______________________\_________________________\-----> closing
 *
 *  connecting       only CONNECT; a deadline runs
 *  authenticating   the Gatekeeper thinks, or the id is being claimed (reading is off), or the client owes an AUTH (it is on)
 *  connected        packets go to HANDLERS, one after the other
 *  closing          nothing is read or sent any more
 *
 * While an answer is awaited the unread rest is copied and reading is off; a hang-up still closes. Every exception of
 * decoding and handling ends here, closes this connection and no other.
 */
import type { Link, LinkEnd, LinkEvents, PeerSecurity } from '../../base/link.ts';
import { NOT_SET, type Timed } from '../../base/timer-queue.ts';
import { decodeAuth } from '../../protocol/decode/auth.ts';
import { decodeConnect, readProtocolVersion } from '../../protocol/decode/connect.ts';
import { encodeConnack, encodeDisconnect } from '../../protocol/encode/packet.ts';
import { type FrameHeader, FrameStatus, readFrame, requireShortest } from '../../protocol/frame.ts';
import { EMPTY_PROPERTIES, PacketType } from '../../protocol/packets.ts';
import { ProtocolError } from '../../protocol/protocol-error.ts';
import { connackReturnCode, Reason, type ReasonCode } from '../../protocol/reasons.ts';
import { Channel, type ChannelOwner, type ChannelParts } from '../delivery/channel.ts';
import type { Client, EndReason } from '../handle/client.ts';
import { handleConnect } from '../handle/connect.ts';
import type { HandleContext } from '../handle/context.ts';
import type { Entrant } from '../handle/entrant.ts';
import { HANDLERS } from '../handle/table.ts';
import type { ListenerSettings } from '../model/listener.ts';
import type { MountPoint } from '../model/mount-point.ts';
import type { BrokerSettings } from '../model/settings.ts';
import { wordsFor } from './end-words.ts';
import { FrameAssembly } from './frame-assembly.ts';
import { bodyBytesMax } from './frame-limits.ts';
import { StallWatch } from './stall-watch.ts';

type Phase = 'connecting' | 'authenticating' | 'connected' | 'closing';

/** Why reading is to be off, several may hold at once; and that it is. */
const PAUSED_FOR_ANSWER = 1;
const PAUSED_FOR_OUTPUT = 2;
const READING_IS_OFF = 4;

/** Milliseconds that the last packets of a connection have to leave. */
const LINGER_MS = 2000;
/** Acknowledgements that may wait for the journal before the client is not read any more. */
const HELD_MAX = 2048;
/** While more than this is missing of a large packet, its bytes count as a sign of life. */
const LARGE_REST_BYTES = 1000;
const CLOSED_BY_CLIENT = 'connection closed by client';
/** Read as MQTT it is a CONNECT with flags that no client sets. */
const TLS_HANDSHAKE_BYTE = 0x16;
const TLS_HINT = '; it appears to be using TLS to connect to a non-TLS listener';

/** What connections share that came through one door in the same circumstances. One object for all of them. */
export interface ConnectionParts {
  readonly context: HandleContext;
  readonly channelParts: ChannelParts;
  readonly listener: ListenerSettings;
  /** Of that listener. */
  readonly mount: MountPoint | null;
  /** See Entrant.promised. */
  readonly promised: BrokerSettings;
  /** Told when the connection is over. */
  readonly onGone: (connection: Connection) => void;
}

/** What is only known of a connection while its CONNECT is answered. */
interface Entry {
  clientId: string;
  /** What the log adds to an error. */
  hint: string;
  /** Hears the client's next AUTH. */
  onAuth: ((data: Uint8Array | null, method: string | null) => void | Promise<void>) | null;
  abandonAuth: (() => void) | null;
}

/**
 * There is one for each client, most of them idle: what an idle one has no use for is made when it is needed and given up
 * after it (docs/performance.md has the bytes). It is its own timer: first the deadline of CONNECT, then keep alive.
 */
export class Connection implements LinkEvents, Entrant, ChannelOwner, Timed {
  readonly link: Link;
  readonly channel: Channel;
  readonly #parts: ConnectionParts;
  #phase: Phase = 'connecting';
  #entry: Entry | null = { clientId: '', hint: '', onAuth: null, abandonAuth: null };
  #client: Client | null = null;
  #assembly: FrameAssembly | null = null;
  /** A copy of what came while an answer was awaited. It stays while it is handled: its rest is not copied again. */
  #unread: Uint8Array | null = null;
  #pauses = 0;
  #keepAliveMs = 0;
  #lastPacketMs: number;
  #stallWatch: StallWatch | null = null;
  /** The link has ended while an answer was awaited: what had come before is still handled. */
  #isLinkOver = false;
  dueMs = 0;
  timerIndex = NOT_SET;
  timerOrder = 0;

  constructor(link: Link, parts: ConnectionParts) {
    this.link = link;
    this.#parts = parts;
    this.channel = new Channel(this, parts.channelParts);
    const { timers, settings } = parts.context;
    this.#lastPacketMs = timers.now;
    timers.add(this, this.#lastPacketMs + settings.connectDeadlineMs);
  }

  get clientId(): string {
    return this.#client?.session.clientId ?? this.#entry?.clientId ?? '';
  }

  set clientId(clientId: string) {
    if (this.#entry !== null) this.#entry.clientId = clientId;
  }

  get remoteAddress(): string {
    return addressOf(this.link, this.#parts.listener);
  }

  get remotePort(): number {
    return this.link.remotePort;
  }

  get security(): PeerSecurity | null {
    return this.link.security ?? null;
  }

  get listener(): ListenerSettings {
    return this.#parts.listener;
  }

  get promised(): BrokerSettings {
    return this.#parts.promised;
  }

  /** Null: not yet, or no more. */
  get client(): Client | null {
    return this.#client;
  }

  get isOpen(): boolean {
    return this.#phase !== 'closing';
  }

  /** It came by this listener, and its CONNECT has not been answered yet. */
  isEntering(listenerId: number): boolean {
    return this.isOpen && this.#phase !== 'connected' && this.#parts.listener.id === listenerId;
  }

  // ---------------------------------------------------------------------------------------------- LinkEvents

  onBytes(bytes: Uint8Array, start: number, end: number): void {
    if (this.#phase === 'closing') return;
    this.#parts.context.counters.bytesReceived += end - start;
    if (this.#isAwaitingAnswer) this.#keepUnread(bytes, start, end);
    else this.#consume(bytes, start, end);
  }

  onSent(byteCount: number): void {
    this.#parts.context.counters.bytesSent += byteCount;
    const wasCongested = this.channel.isCongested;
    this.channel.onSent(byteCount);
    this.#stallWatch?.onSent(this.channel.stuckBytes);
    if (wasCongested && !this.channel.isCongested) this.onRelief();
  }

  onEnd(end: LinkEnd): void {
    const { timers, settings } = this.#parts.context;
    this.#isLinkOver = true;
    if (this.#phase === 'connected' && end.kind === 'peer' && this.#isAwaitingAnswer) {
      // A client that publishes, disconnects and hangs up at once is heard to the end.
      timers.add(this, timers.now + settings.connectDeadlineMs);
      return;
    }
    try {
      if (this.#phase !== 'closing') {
        this.#finish(end.kind === 'error' ? `connection lost (${end.error.message})` : CLOSED_BY_CLIENT);
      }
    } finally {
      this.#leaveHouse();
    }
  }

  #leaveHouse(): void {
    this.channel.end();
    this.#parts.onGone(this);
  }

  // ------------------------------------------------------------------------------------------------- Entrant

  refuse(reason: ReasonCode, words: EndReason, returnCode?: number): void {
    if (this.#phase === 'closing') return;
    this.#sendConnack(reason, returnCode);
    this.#close(words);
  }

  beginAuth(abandon: () => void): void {
    if (this.#entry !== null) this.#entry.abandonAuth = abandon;
  }

  awaitAuth(next: (data: Uint8Array | null, method: string | null) => void | Promise<void>): void {
    if (this.#entry !== null) this.#entry.onAuth = next;
  }

  endAuth(): void {
    if (this.#entry === null) return;
    this.#entry.abandonAuth = null;
    this.#entry.onAuth = null;
  }

  admit(client: Client, keepAliveSeconds: number): void {
    const { context } = this.#parts;
    const { timers } = context;
    context.connectedCount += 1;
    this.#client = client;
    this.#entry = null;
    this.#phase = 'connected';
    this.#lastPacketMs = timers.now;
    // [MQTT-3.1.2-22] 3.1.1: [MQTT-3.1.2-24]
    this.#keepAliveMs = keepAliveSeconds * 1500;
    timers.remove(this);
    if (this.#keepAliveMs > 0) timers.add(this, this.#lastPacketMs + this.#keepAliveMs);
  }

  /** Ends the connection from our side: a v5 client is told why, unless it has had no CONNACK [MQTT-3.14.0-1]. */
  disconnect(reason: ReasonCode, words: EndReason): void {
    if (this.#phase === 'closing') return;
    if (this.#phase === 'connected' && this.channel.version === 5) this.#sendDisconnect(reason);
    this.#close(words);
  }

  /** Ends the connection of a client that has said goodbye, without a word to it [MQTT-3.14.4-1]. */
  leave(words: EndReason | null): void {
    if (this.#phase !== 'closing') this.#close(words, 0);
  }

  // --------------------------------------------------------------------------------------------------- input

  #consume(bytes: Uint8Array, start: number, end: number): void {
    const { counters, timers } = this.#parts.context;
    const packetsBefore = counters.packetsReceived;
    try {
      this.#readFrames(bytes, start, end);
    } catch (error) {
      this.#fail(error);
    }
    // Once for all packets of a chunk: the clock costs as much as a small packet's decoding.
    if (counters.packetsReceived !== packetsBefore) this.#lastPacketMs = timers.now;
    if (this.#phase !== 'closing') this.#checkOutput();
  }

  #readFrames(bytes: Uint8Array, start: number, end: number): void {
    let at = start;
    const { header } = this.#parts.context;
    if (this.#assembly !== null) at = this.#continueFrame(this.#assembly, bytes, at, end, header);
    while (at < end && this.#mayRead()) {
      const status = readFrame(bytes, at, end, header);
      if (status !== FrameStatus.NeedMore) this.#checkFrame(header, header.bodyStart - at);
      else this.#checkFirstByte(bytes[at]!);
      if (status !== FrameStatus.Complete) {
        this.#assembly = new FrameAssembly(status === FrameStatus.HeaderOnly ? header.bodyEnd - at : 0, end - at);
        at = this.#continueFrame(this.#assembly, bytes, at, end, header);
        continue;
      }
      const frameStart = at;
      at = header.bodyEnd;
      this.#take(this.#dispatch(bytes, frameStart, header));
    }
    if (at < end && this.#phase !== 'closing') this.#keepUnread(bytes, at, end);
  }

  /** @returns where the next frame begins, or `end`. */
  #continueFrame(assembly: FrameAssembly, bytes: Uint8Array, start: number, end: number, header: FrameHeader): number {
    let at = start;
    if (!assembly.isMeasured) {
      at = assembly.takeHeader(bytes, at, end, header);
      if (!assembly.isMeasured) return at;
      this.#checkFrame(header, header.bodyStart);
    }
    at = assembly.takeBody(bytes, at, end);
    if (assembly.missingBytes > 0) {
      if (assembly.missingBytes > LARGE_REST_BYTES) this.#lastPacketMs = this.#parts.context.timers.now;
      return at;
    }
    this.#assembly = null;
    readFrame(assembly.bytes, 0, assembly.bytes.length, header);
    const { context } = this.#parts;
    context.isFrameKept = true;
    try {
      this.#take(this.#dispatch(assembly.bytes, 0, header));
    } finally {
      context.isFrameKept = false;
    }
    return at;
  }

  #mayRead(): boolean {
    return this.#phase !== 'closing' && !this.#isAwaitingAnswer;
  }

  /** What can be refused before a body has come: the type in this phase, and the size. */
  #checkFrame(header: FrameHeader, headerBytes: number): void {
    this.#checkFirstByte(header.firstByte);
    if (this.channel.version === 5) requireShortest(header);
    const type = header.firstByte >> 4;
    const bodyBytes = header.bodyEnd - header.bodyStart;
    if (bodyBytes <= bodyBytesMax(type, this.channel.version, this.#parts.promised, headerBytes)) return;
    const statement = type === PacketType.Publish ? 'MQTT-3.2.2-15' : '';
    throw new ProtocolError(
      Reason.PacketTooLarge,
      statement,
      `packet of type ${type} with ${bodyBytes} bytes is too large`,
    );
  }

  #checkFirstByte(firstByte: number): void {
    const type = firstByte >> 4;
    if (this.#phase === 'connecting') {
      if (type === PacketType.Connect) return;
      throw new ProtocolError(Reason.ProtocolError, 'MQTT-3.1.0-1', 'the first packet is not CONNECT');
    }
    if (
      this.#phase === 'connected'
        ? HANDLERS[type] !== undefined
        : type === PacketType.Auth || type === PacketType.Disconnect
    )
      return;
    const early = this.#phase === 'connected' ? '' : 'MQTT-3.1.2-30';
    const statement = type === PacketType.Connect ? 'MQTT-3.1.0-2' : early;
    throw new ProtocolError(Reason.ProtocolError, statement, `packet of type ${type} while ${this.#phase}`);
  }

  #dispatch(bytes: Uint8Array, frameStart: number, header: FrameHeader): void | Promise<void> {
    const { context } = this.#parts;
    context.counters.packetsReceived += 1;
    const client = this.#client;
    if (client === null) return this.#dispatchEntry(bytes, header);
    const handler = HANDLERS[header.firstByte >> 4];
    return handler?.(context, client, bytes, frameStart, header);
  }

  /** CONNECT, and AUTH or DISCONNECT while its answer is awaited. */
  #dispatchEntry(bytes: Uint8Array, header: FrameHeader): void | Promise<void> {
    const type = header.firstByte >> 4;
    if (type === PacketType.Disconnect) {
      this.#close(null);
      return undefined;
    }
    if (type === PacketType.Auth) {
      const packet = decodeAuth(bytes, header, 5);
      const entry = this.#entry;
      const onAuth = entry?.onAuth ?? null;
      if (entry === null || onAuth === null || packet.reason !== Reason.ContinueAuthentication) {
        throw new ProtocolError(Reason.ProtocolError, 'MQTT-4.12.0-3', 'AUTH that was not asked for');
      }
      entry.onAuth = null;
      return onAuth(packet.properties.authenticationData, packet.properties.authenticationMethod);
    }
    return this.#onConnect(bytes, header);
  }

  #onConnect(bytes: Uint8Array, header: FrameHeader): void | Promise<void> {
    const { context, listener, mount } = this.#parts;
    context.counters.connectsReceived += 1;
    if (header.firstByte === TLS_HANDSHAKE_BYTE && this.#entry !== null) this.#entry.hint = TLS_HINT;
    const { version } = readProtocolVersion(bytes, header.bodyStart, header.bodyEnd);
    this.channel.setPeer({ version, packetBytesMax: Number.POSITIVE_INFINITY, aliasesMax: 0 });
    if (!listener.protocolVersions.includes(version)) {
      const words = `listener ${listener.name} does not accept protocol version ${version}`;
      this.refuse(Reason.UnsupportedProtocolVersion, words);
      return undefined;
    }
    if (version === 5) requireShortest(header);
    const packet = decodeConnect(bytes, header);
    this.clientId = packet.clientId;
    this.#phase = 'authenticating';
    const { maximumPacketSize, topicAliasMaximum } = packet.properties;
    const aliasesMax = Math.min(topicAliasMaximum ?? 0, listener.maxTopicAliasBroker);
    const packetBytesMax = maximumPacketSize ?? Number.POSITIVE_INFINITY;
    this.channel.setPeer({ version, packetBytesMax, aliasesMax, mount });
    return handleConnect(context, this, packet);
  }

  // ------------------------------------------------------------------------------------- waiting for an answer

  #take(pending: void | Promise<void>): void {
    if (pending === undefined) return;
    this.#pause(PAUSED_FOR_ANSWER);
    pending.then(
      () => this.#onAnswer(),
      (error: unknown) => this.#fail(error),
    );
  }

  #onAnswer(): void {
    if (this.#phase === 'closing') return;
    // First what came before, then what the link still has.
    this.#pauses &= ~PAUSED_FOR_ANSWER;
    const unread = this.#unread;
    if (unread !== null) this.#consume(unread, 0, unread.length);
    // All of it was handled; otherwise the rest stands there.
    if (this.#unread === unread) this.#unread = null;
    if (!this.isOpen) return;
    if (this.#isLinkOver && !this.#isAwaitingAnswer) this.#close(CLOSED_BY_CLIENT);
    else this.#resumeReading();
  }

  get #isAwaitingAnswer(): boolean {
    return (this.#pauses & PAUSED_FOR_ANSWER) !== 0;
  }

  #keepUnread(bytes: Uint8Array, start: number, end: number): void {
    const before = this.#unread;
    if (bytes === before) {
      this.#unread = bytes.subarray(start, end);
      return;
    }
    const kept = new Uint8Array((before?.length ?? 0) + end - start);
    if (before !== null) kept.set(before);
    kept.set(bytes.subarray(start, end), before?.length ?? 0);
    this.#unread = kept;
  }

  #pause(why: number): void {
    if ((this.#pauses & READING_IS_OFF) === 0) this.link.pause();
    this.#pauses |= why | READING_IS_OFF;
  }

  #resumeReading(): void {
    if (this.#pauses !== READING_IS_OFF) return;
    this.#pauses = 0;
    // The silence was ours.
    this.#lastPacketMs = this.#parts.context.timers.now;
    this.link.resume();
  }

  // -------------------------------------------------------------------------------------------------- output

  /** A client that does not take its answers is not read; one that takes nothing at all is ended. */
  #checkOutput(): void {
    const { channel } = this;
    if (channel.pendingBytes > this.#parts.context.settings.outboxBytesMax) {
      this.#destroy('it does not read what it is sent');
      return;
    }
    if (channel.isCongested || channel.heldCount > HELD_MAX) this.#pause(PAUSED_FOR_OUTPUT);
  }

  /** Bytes wait for the socket: it must take some within the stated time. */
  onUnsent(): void {
    if (this.#phase === 'closing') return;
    const { settings, timers } = this.#parts.context;
    this.#stallWatch ??= new StallWatch(timers, settings.stalledWriteMs, (isStalled) => this.#onWatched(isStalled));
    this.#stallWatch.start();
  }

  /** The watch is over: the socket takes its bytes again, or it has not taken any for too long. */
  #onWatched(isStalled: boolean): void {
    this.#stallWatch = null;
    if (isStalled) this.#destroy('it takes no bytes');
  }

  /** The socket or the journal has caught up: what waited in the session may go, and the client is read again. */
  onRelief(): void {
    if (this.#phase === 'closing') return;
    // Not at once: this may be inside a send.
    this.#client?.session.outgoing.pumpLater();
    if (this.channel.isCongested || this.channel.heldCount > HELD_MAX) return;
    this.#pauses &= ~PAUSED_FOR_OUTPUT;
    this.#resumeReading();
  }

  /** `returnCode`: for 3.x, where it is not the usual one. */
  #sendConnack(reason: ReasonCode, returnCode: number = connackReturnCode(reason)): void {
    const { version } = this.channel;
    const { log } = this.#parts.context;
    const code = version === 5 ? reason : returnCode;
    if (log.has('debug')) log.write('debug', `Sending CONNACK to ${this.#shortName()} (0, ${code})`);
    const packet = { type: 'connack', sessionPresent: false, reason: code, properties: EMPTY_PROPERTIES } as const;
    const bytes = encodeConnack(packet, version);
    if (this.channel.fits(bytes.length)) this.channel.send(bytes);
  }

  #sendDisconnect(reason: ReasonCode): void {
    const { log } = this.#parts.context;
    if (log.has('debug')) log.write('debug', `Sending DISCONNECT to ${this.#shortName()} (rc${reason})`);
    const packet = encodeDisconnect({ type: 'disconnect', reason, properties: EMPTY_PROPERTIES }, 5);
    this.channel.send(packet);
  }

  // ----------------------------------------------------------------------------------------------------- end

  /** The deadline of CONNECT, of what a link that has ended still owes an answer to, or keep alive. */
  onDue(): void {
    const { timers, settings } = this.#parts.context;
    if (this.#isLinkOver) {
      this.#close(CLOSED_BY_CLIENT);
      return;
    }
    if (this.#phase !== 'connected') {
      this.#parts.context.log.write(
        'notice',
        `Client ${this.#name()} has not completed CONNECT in ${settings.connectDeadlineMs / 1000} s.`,
      );
      this.#close('exceeded timeout');
      return;
    }
    const dueMs = this.#lastPacketMs + this.#keepAliveMs;
    if (this.#pauses !== 0) timers.add(this, timers.now + this.#keepAliveMs);
    else if (dueMs > timers.now) timers.add(this, dueMs);
    else this.disconnect(Reason.KeepAliveTimeout, 'exceeded timeout');
  }

  /** Whatever decoding or handling has thrown. */
  #fail(error: unknown): void {
    if (this.#phase === 'closing') return;
    const { counters, log } = this.#parts.context;
    if (!(error instanceof ProtocolError)) {
      counters.internalErrors += 1;
      const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
      log.write('error', `Error: Internal error while serving ${this.#name()}, please report it: ${text}`);
      this.disconnect(Reason.UnspecifiedError, 'internal error');
      return;
    }
    counters.protocolErrors += 1;
    const statement = error.statement === '' ? '' : ` [${error.statement}]`;
    // Who has no id yet is told by the address.
    const name = this.clientId === '' ? this.#name() : this.clientId;
    log.write('notice', `Protocol error from ${name}: ${error.message}${statement}${this.#entry?.hint ?? ''}.`);
    const words = wordsFor(error.reason);
    if (this.#phase === 'connected') this.disconnect(error.reason, words);
    else this.#failEntry(error.reason, words);
  }

  /** Only a CONNECT whose version is known is answered; 3.x knows no code for a malformed one [MQTT-3.1.4-1]. */
  #failEntry(reason: ReasonCode, words: EndReason): void {
    const isAnswered = reason === Reason.UnsupportedProtocolVersion || this.channel.version === 5;
    if (isAnswered) this.#sendConnack(reason);
    this.#close(words);
  }

  #close(words: EndReason | null, lingerMs = LINGER_MS): void {
    try {
      this.#finish(words);
    } finally {
      if (this.#isLinkOver) this.#leaveHouse();
      else this.link.close(lingerMs);
    }
  }

  #destroy(words: EndReason): void {
    try {
      this.#finish(words);
    } finally {
      if (this.#isLinkOver) this.#leaveHouse();
      else this.link.destroy();
    }
  }

  /** Everything but the link: nothing more is sent, the session goes offline. */
  #finish(words: EndReason | null): void {
    const { context } = this.#parts;
    const { timers, log, settings } = context;
    this.#phase = 'closing';
    timers.remove(this);
    this.#stallWatch?.end();
    this.channel.close();
    this.#assembly = null;
    this.#unread = null;
    this.#entry?.abandonAuth?.();
    this.endAuth();
    if (settings.hasConnectionMessages && log.has('notice')) {
      log.write('notice', `Client ${this.#name()} disconnected${words === null ? '' : `: ${words}`}.`);
    }
    const client = this.#client;
    this.#client = null;
    if (client === null) return;
    context.connectedCount -= 1;
    client.reauthentication?.abandon();
    client.session.detach();
  }

  #name(): string {
    return `${this.#shortName()} [${this.remoteAddress}:${this.remotePort}]`;
  }

  #shortName(): string {
    return this.clientId === '' ? '<unknown>' : this.clientId;
  }
}

/** How a peer is named. One behind a unix socket has no address, and is named by the path, as by Mosquitto. */
export function addressOf(link: Link, listener: ListenerSettings): string {
  return link.remoteAddress === '' ? listener.name : link.remoteAddress;
}
