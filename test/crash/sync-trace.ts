/**
 * Reads what strace wrote of a broker's system calls, and finds acknowledgements that left before the sync that covers
 * them. A call is one line, or two when another thread came between its begin and its end:
 *
 *   123 sendto(21<socket:[77]>, "\x40\x02...", 4, MSG_NOSIGNAL, NULL, 0) = 4
 *   124 fdatasync(27</tmp/zanzara.db-wal> <unfinished ...>
 *   124 <... fdatasync resumed>) = 0
 *
 * The order of lines is the order of events. strace writes texts and paths as \x.. (option -xx).
 */
import { FrameAssembler } from '../../src/client/frame-assembler.ts';
import { decodePacket } from '../../src/protocol/decode/packet.ts';
import { FRAME_BYTES_MAX } from '../../src/protocol/frame.ts';
import type { Packet, PublishPacket } from '../../src/protocol/packets.ts';
import { TopicNames } from '../../src/protocol/topic.ts';
import type { ProtocolVersion } from '../../src/protocol/version.ts';

/** What strace is asked for. */
export const TRACE_ARGUMENTS = [
  '-f',
  '-y',
  '-xx',
  '-s',
  '100000',
  '-e',
  'trace=read,recvfrom,recvmsg,sendto,sendmsg,write,writev,fsync,fdatasync',
] as const;

const INPUT_CALLS: ReadonlySet<string> = new Set(['read', 'recvfrom', 'recvmsg']);
const OUTPUT_CALLS: ReadonlySet<string> = new Set(['sendto', 'sendmsg', 'write', 'writev']);
const SYNC_CALLS: ReadonlySet<string> = new Set(['fsync', 'fdatasync']);
/** The first byte of a connection. */
const CONNECT_BYTE = 0x10;

export interface SystemCall {
  readonly name: string;
  /** What its descriptor is: a path, or `socket:[inode]`. */
  readonly target: string;
  /** Lines at which it began and ended. */
  readonly begin: number;
  readonly end: number;
  /** What it read or wrote. */
  readonly bytes: Uint8Array;
  readonly result: number;
}

/** The calls in the order of their ends. Calls that never ended and lines that are no calls are left out. */
export function readTrace(text: string): readonly SystemCall[] {
  const unfinished = new Map<string, { readonly head: string; readonly begin: number }>();
  const calls: SystemCall[] = [];
  for (const [line, content] of text.split('\n').entries()) {
    const [, thread = '', rest = ''] = /^(\d+) +(.*)$/.exec(content) ?? [];
    const head = / *<unfinished \.\.\.>$/.exec(rest);
    if (head !== null) {
      unfinished.set(thread, { head: rest.slice(0, head.index), begin: line });
      continue;
    }
    const tail = /^<\.\.\. \w+ resumed>/.exec(rest);
    const before = tail === null ? null : unfinished.get(thread);
    const whole = before === undefined || tail === null ? rest : `${before?.head ?? ''}${rest.slice(tail[0].length)}`;
    const call = callOf(whole, before?.begin ?? line, line);
    if (call !== null) calls.push(call);
  }
  return calls;
}

function callOf(text: string, begin: number, end: number): SystemCall | null {
  const [, name, target] = /^(\w+)\(\d+<([^>]*)>/.exec(text) ?? [];
  const [, result] = / = (-?\d+)/.exec(text.slice(text.lastIndexOf(')'))) ?? [];
  if (name === undefined || target === undefined || result === undefined) return null;
  const parts = [...text.matchAll(/"((?:\\x[0-9a-f]{2})*)"(\.\.\.)?/g)];
  if (parts.some(([, , isCut]) => isCut !== undefined) && target.includes('socket')) {
    throw new Error(`line ${end + 1} of the trace is cut off: strace needs a larger -s`);
  }
  const bytes = Buffer.concat(parts.map(([, hex = '']) => bytesOfText(hex)));
  return {
    name,
    target: bytesOfText(target).toString(),
    begin,
    end,
    bytes: bytes.subarray(0, Number(result)),
    result: Number(result),
  };
}

/** Text of which each byte is \x.., or plain text. */
function bytesOfText(text: string): Buffer {
  return text.startsWith('\\x') ? Buffer.from(text.replaceAll('\\x', ''), 'hex') : Buffer.from(text);
}

export interface SyncFindings {
  /** What was looked at, by packet. */
  readonly lookedAt: Readonly<Record<string, number>>;
  /** One sentence each. */
  readonly early: readonly string[];
  /** PUBACKs that needed no sync: the receiver had acknowledged the message before it was written, and it is over. */
  readonly over: number;
  readonly syncs: number;
}

/** What an answer waits for. */
interface Cause {
  /** Line at which it had been read. */
  readonly line: number;
  /** Of a PUBLISH of QoS 1 that is not retained: what it carries. */
  readonly payload: string | null;
}

interface Sync {
  readonly begin: number;
  readonly end: number;
}

/** Looks at every acknowledgement in a trace. All clients must have sessions that last, and each message one receiver. */
export function checkSyncOrder(calls: readonly SystemCall[], isStore: (path: string) => boolean): SyncFindings {
  const syncs = calls.filter(({ name, target, result }) => SYNC_CALLS.has(name) && result === 0 && isStore(target));
  const check = new SyncCheck(syncs);
  for (const event of socketEvents(calls)) check.take(event);
  return { lookedAt: Object.fromEntries(check.lookedAt), early: check.early, over: check.over, syncs: syncs.length };
}

interface SocketEvent {
  readonly isInput: boolean;
  readonly call: SystemCall;
  /** Input counts when it has been read, output when it begins to be written. */
  readonly line: number;
}

function socketEvents(calls: readonly SystemCall[]): readonly SocketEvent[] {
  const events: SocketEvent[] = [];
  for (const call of calls) {
    const isInput = INPUT_CALLS.has(call.name);
    if (call.result <= 0 || !call.target.includes('socket:')) continue;
    if (isInput || OUTPUT_CALLS.has(call.name)) events.push({ isInput, call, line: isInput ? call.end : call.begin });
  }
  return events.toSorted((a, b) => a.line - b.line);
}

class SyncCheck {
  readonly lookedAt = new Map<string, number>();
  readonly early: string[] = [];
  over = 0;
  readonly #syncs: readonly Sync[];
  readonly #peers = new Map<string, Peer>();
  /** By the name of the answer. */
  readonly #causes = new Map<string, Cause>();
  /** What a PUBLISH of QoS 1 carried that went out, by socket and packet id. */
  readonly #underWay = new Map<string, string>();
  /** What receivers have acknowledged with PUBACK. */
  readonly #received = new Set<string>();

  constructor(syncs: readonly Sync[]) {
    this.#syncs = syncs;
  }

  take({ isInput, call, line }: SocketEvent): void {
    const { target, bytes } = call;
    // Only clients begin with CONNECT: the broker's own output may be a socket, too.
    if (isInput && bytes[0] === CONNECT_BYTE && !this.#peers.has(target)) this.#peers.set(target, new Peer());
    const peer = this.#peers.get(target);
    if (peer === undefined) return;
    for (const packet of peer.read(bytes, isInput)) {
      if (isInput) this.#note(target, packet, line);
      else this.#look(target, packet, line);
    }
  }

  #note(socket: string, packet: Packet, line: number): void {
    if (packet.type === 'puback') this.#received.add(this.#underWay.get(`${packet.packetId} ${socket}`) ?? '');
    const isOverEarly = packet.type === 'publish' && packet.qos === 1 && !packet.retain;
    const payload = isOverEarly ? payloadText(packet) : null;
    for (const answer of answersTo(socket, packet)) this.#causes.set(answer, { line, payload });
  }

  #look(socket: string, packet: Packet, line: number): void {
    if (packet.type === 'publish' && packet.qos === 1) {
      this.#underWay.set(`${packet.packetId} ${socket}`, payloadText(packet));
    }
    const name = nameAsAnswer(socket, packet);
    if (name === null) return;
    this.lookedAt.set(packet.type, (this.lookedAt.get(packet.type) ?? 0) + 1);
    const cause = this.#causes.get(name);
    if (cause === undefined) {
      this.early.push(`line ${line + 1}: ${name} left, and nothing was read that it could answer`);
      return;
    }
    if (this.#syncs.some(({ begin, end }) => begin > cause.line && end < line)) return;
    if (cause.payload !== null && this.#received.has(cause.payload)) this.over += 1;
    else
      this.early.push(`line ${line + 1}: ${name} left; no sync since line ${cause.line + 1}, where its cause was read`);
  }
}

/** The names of the packets that may leave once this one is safe. */
function answersTo(socket: string, packet: Packet): readonly string[] {
  switch (packet.type) {
    case 'connect':
      return [`connack ${socket}`];
    case 'publish':
      return [
        `${packet.qos === 2 ? 'pubrec' : 'puback'} ${packet.packetId} ${socket}`,
        `publish ${payloadText(packet)}`,
      ];
    case 'pubrec':
      return [`pubrel ${packet.packetId} ${socket}`];
    case 'pubrel':
      return [`pubcomp ${packet.packetId} ${socket}`];
    case 'subscribe':
      return [`suback ${packet.packetId} ${socket}`];
    case 'unsubscribe':
      return [`unsuback ${packet.packetId} ${socket}`];
    default:
      return [];
  }
}

/** Null: this packet waits for nothing. An outgoing PUBLISH of QoS 1 does not: its row is durable before PUBACK. */
function nameAsAnswer(socket: string, packet: Packet): string | null {
  switch (packet.type) {
    case 'connack':
      return `connack ${socket}`;
    case 'puback':
    case 'pubrec':
    case 'pubrel':
    case 'pubcomp':
    case 'suback':
    case 'unsuback':
      return `${packet.type} ${packet.packetId} ${socket}`;
    case 'publish':
      return packet.qos === 2 ? `publish ${payloadText(packet)}` : null;
    default:
      return null;
  }
}

function payloadText({ topic, bytes, payloadStart, payloadEnd }: PublishPacket): string {
  return `${topic?.text ?? ''} ${Buffer.from(bytes.subarray(payloadStart, payloadEnd)).toString()}`;
}

/** The two byte streams of one connection, as packets. */
class Peer {
  #version: ProtocolVersion = 4;
  #packets: Packet[] = [];
  readonly #topics = new TopicNames(16);
  readonly #input = this.#assembler('client');
  readonly #output = this.#assembler('server');

  read(bytes: Uint8Array, isInput: boolean): readonly Packet[] {
    this.#packets = [];
    (isInput ? this.#input : this.#output).push(bytes, 0, bytes.length);
    return this.#packets;
  }

  #assembler(from: 'client' | 'server'): FrameAssembler {
    return new FrameAssembler(FRAME_BYTES_MAX, (bytes, start, header) => {
      // The assembler uses its buffer again; names are made from packets later.
      const own = bytes.slice(start, header.bodyEnd);
      const moved = { ...header, bodyStart: header.bodyStart - start, bodyEnd: header.bodyEnd - start };
      const packet = decodePacket(own, 0, moved, this.#version, this.#topics, from);
      if (packet.type === 'connect') this.#version = packet.version;
      this.#packets.push(packet);
      return true;
    });
  }
}
