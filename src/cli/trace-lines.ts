/** The lines that `-d` prints: those of Mosquitto's tools, so that whoever reads or parses them need not learn anew. */
import { assertNever } from '../base/assert.ts';
import type { TracedPacket, TracedPublish } from '../client/client-types.ts';
import type { ProtocolVersion } from '../protocol/version.ts';

/** Makes the lines of one connection. */
export class TraceLines {
  readonly #version: ProtocolVersion;
  #id: string;
  /** QoS 0 messages are counted as if they had packet ids. */
  #qos0Count = 0;

  constructor(version: ProtocolVersion, clientId: string) {
    this.#version = version;
    this.#id = clientId;
  }

  /** What to print for a packet; lines end with a line feed. */
  of(direction: 'sending' | 'received', packet: TracedPacket): string {
    if (packet.type === 'connack') this.#id = packet.properties.assignedClientIdentifier ?? this.#id;
    if (packet.type === 'disconnect' && direction === 'received') return `Received DISCONNECT (${packet.reason})\n`;
    const name = `Client ${this.#id === '' ? '(null)' : this.#id} ${direction} `;
    return direction === 'sending' ? this.#sending(name, packet) : this.#received(name, packet);
  }

  #sending(name: string, packet: TracedPacket): string {
    switch (packet.type) {
      case 'publish':
        return `${name}${this.#publish(packet, this.#sentMid(packet))}\n`;
      case 'puback':
      case 'pubrec':
        return `${name}${packet.type.toUpperCase()} (m${packet.packetId}, rc${packet.reason})\n`;
      case 'pubrel':
      case 'pubcomp':
        return `${name}${packet.type.toUpperCase()} (m${packet.packetId})\n`;
      case 'subscribe':
        return packet.subscriptions
          .map((wanted) => {
            const options =
              (wanted.noLocal ? 4 : 0) | (wanted.retainAsPublished ? 8 : 0) | (wanted.retainHandling << 4);
            const shown = (this.#version === 5 ? options : 0).toString(16).padStart(2, '0');
            const what = `Topic: ${wanted.filter.text}, QoS: ${wanted.qos}, Options: 0x${shown}`;
            return `${name}SUBSCRIBE (Mid: ${packet.packetId}, ${what})\n`;
          })
          .join('');
      case 'unsubscribe':
        return packet.filters
          .map((filter) => `${name}UNSUBSCRIBE (Mid: ${packet.packetId}, Topic: ${filter.text})\n`)
          .join('');
      default:
        return `${name}${packet.type.toUpperCase()}\n`;
    }
  }

  #received(name: string, packet: TracedPacket): string {
    switch (packet.type) {
      case 'connack':
        return `${name}CONNACK (${packet.reason})\n`;
      case 'publish':
        return `${name}${this.#publish(packet, packet.packetId)}\n`;
      case 'puback':
      case 'pubcomp':
        return `${name}${packet.type.toUpperCase()} (Mid: ${packet.packetId}, RC:${packet.reason})\n`;
      case 'pubrec':
      case 'pubrel':
        return `${name}${packet.type.toUpperCase()} (Mid: ${packet.packetId})\n`;
      case 'suback':
        return `${name}SUBACK\nSubscribed (mid: ${packet.packetId}): ${packet.reasons.join(', ')}\n`;
      case 'connect':
      case 'subscribe':
      case 'unsubscribe':
      case 'unsuback':
      case 'pingreq':
      case 'pingresp':
      case 'disconnect':
      case 'auth':
        return `${name}${packet.type.toUpperCase()}\n`;
      default:
        return assertNever(packet);
    }
  }

  #sentMid(packet: TracedPublish): number {
    return packet.qos === 0 ? ++this.#qos0Count : packet.packetId;
  }

  #publish(packet: TracedPublish, mid: number): string {
    const flags = `d${packet.dup ? 1 : 0}, q${packet.qos}, r${packet.retain ? 1 : 0}`;
    const topic = packet.topic === '' ? '(null)' : packet.topic;
    return `PUBLISH (${flags}, m${mid}, '${topic}', ... (${packet.payloadBytes} bytes))`;
  }
}
