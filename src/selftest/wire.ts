/**
 * A connection to the broker that shows every packet the moment it is read and keeps nothing to itself: no session, no
 * acknowledgements of its own. What a client of the campaign does at a packet is its own business.
 */
import { connect, type Socket } from 'node:net';
import { FrameAssembler } from '../client/frame-assembler.ts';
import { decodePacket } from '../protocol/decode/packet.ts';
import { FRAME_BYTES_MAX, type FrameHeader } from '../protocol/frame.ts';
import { type Packet, PacketType, type PublishPacket } from '../protocol/packets.ts';
import { readProperties } from '../protocol/properties.ts';
import { TopicNames } from '../protocol/topic.ts';
import type { ProtocolVersion, Qos } from '../protocol/version.ts';

const TOPIC_SLOTS = 64;

/** A PUBLISH with bytes of its own. */
export interface ReceivedPublish {
  readonly type: 'publish';
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: Qos;
  readonly dup: boolean;
  readonly retain: boolean;
  readonly packetId: number;
  /** Subscription identifiers (v5). */
  readonly identifiers: readonly number[];
}

export type ReceivedPacket = Exclude<Packet, PublishPacket> | ReceivedPublish;

export interface WireEvents {
  onPacket(packet: ReceivedPacket): void;
  /** Bytes came that are no MQTT. The connection ends. */
  onNonsense(error: Error): void;
  /** Once, as the last; also when the connection could not be made. */
  onEnd(): void;
}

export class Wire {
  readonly #socket: Socket;
  readonly #version: ProtocolVersion;
  readonly #events: WireEvents;
  readonly #topics = new TopicNames(TOPIC_SLOTS);
  readonly #assembler: FrameAssembler;
  #isDeaf = false;

  /** Connects to a port of 127.0.0.1. What is sent before it is connected waits. */
  constructor(port: number, version: ProtocolVersion, events: WireEvents) {
    this.#version = version;
    this.#events = events;
    this.#assembler = new FrameAssembler(FRAME_BYTES_MAX, (bytes, start, header) => this.#take(bytes, start, header));
    this.#socket = connect({ host: '127.0.0.1', port, noDelay: true });
    this.#socket.on('data', (chunk: Buffer) => this.#read(chunk));
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => events.onEnd());
  }

  get isDeaf(): boolean {
    return this.#isDeaf;
  }

  send(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes);
  }

  /** From now on nothing that comes is seen, as if it had been lost on the way. */
  goDeaf(): void {
    this.#isDeaf = true;
  }

  /** Ends it without a word. */
  drop(): void {
    this.#isDeaf = true;
    this.#socket.destroy();
  }

  #read(chunk: Uint8Array): void {
    if (this.#isDeaf) return;
    try {
      this.#assembler.push(chunk, 0, chunk.length);
    } catch (error) {
      this.drop();
      this.#events.onNonsense(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #take(bytes: Uint8Array, start: number, header: FrameHeader): boolean {
    const packet = decodePacket(bytes, start, header, this.#version, this.#topics, 'server');
    this.#events.onPacket(packet.type === 'publish' ? ownPublish(packet) : packet);
    return !this.#isDeaf;
  }
}

function ownPublish(packet: PublishPacket): ReceivedPublish {
  const { topic, bytes, propertiesStart, propertiesEnd, payloadStart, payloadEnd, qos, dup, retain, packetId } = packet;
  const properties = readProperties(bytes, propertiesStart, propertiesEnd, PacketType.Publish);
  return {
    type: 'publish',
    topic: topic?.text ?? '',
    payload: bytes.slice(payloadStart, payloadEnd),
    qos,
    dup,
    retain,
    packetId,
    identifiers: properties.subscriptionIdentifiers ?? [],
  };
}
