import type { SubackPacket } from '../protocol/packets.ts';
import { ProtocolError } from '../protocol/protocol-error.ts';
import { Reason } from '../protocol/reasons.ts';
import type { ProtocolVersion } from '../protocol/version.ts';
import { ClientError } from './client-types.ts';
import type { PacketIds } from './packet-ids.ts';

interface Request {
  readonly answer: 'suback' | 'unsuback';
  readonly filterCount: number;
  readonly resolve: (packet: SubackPacket) => void;
  readonly reject: (error: Error) => void;
}

/** SUBSCRIBE and UNSUBSCRIBE without an answer yet. Bounded by the packet ids that are free. */
export class RequestTable {
  readonly #packetIds: PacketIds;
  readonly #requests = new Map<number, Request>();

  constructor(packetIds: PacketIds) {
    this.#packetIds = packetIds;
  }

  /**
   * Waits for the answer to a request with `filterCount` filters. `send` sends it with the packet id, or throws: then
   * the promise is rejected with that.
   */
  ask(answer: 'suback' | 'unsuback', filterCount: number, send: (packetId: number) => void): Promise<SubackPacket> {
    const promise = new Promise<SubackPacket>((resolve, reject) => {
      const packetId = this.#packetIds.take();
      if (packetId === null) throw new ClientError('refused', 'all 65535 packet identifiers are in use');
      this.#requests.set(packetId, { answer, filterCount, resolve, reject });
      try {
        // [MQTT-3.8.3-2] [MQTT-3.10.3-2]
        if (filterCount === 0) throw new ClientError('refused', 'a request needs at least one filter');
        send(packetId);
      } catch (error) {
        this.#requests.delete(packetId);
        this.#packetIds.release(packetId);
        throw error;
      }
    });
    // Whoever awaits it hears of a failure; whoever does not must not lose the process to it.
    promise.catch(() => {});
    return promise;
  }

  /** @throws ProtocolError when nobody asked, or when the answer has not one reason for each filter. */
  answer(packet: SubackPacket, version: ProtocolVersion): void {
    const request = this.#requests.get(packet.packetId);
    if (request === undefined || request.answer !== packet.type) {
      const text = `${packet.type.toUpperCase()} for packet id ${packet.packetId}, which no request has`;
      throw new ProtocolError(Reason.ProtocolError, '', text);
    }
    const isCounted = packet.type === 'suback' || version === 5;
    if (isCounted && packet.reasons.length !== request.filterCount) {
      const text = `${packet.type.toUpperCase()} with ${packet.reasons.length} codes for ${request.filterCount} filters`;
      throw new ProtocolError(Reason.ProtocolError, 'MQTT-3.8.4-6', text);
    }
    this.#requests.delete(packet.packetId);
    this.#packetIds.release(packet.packetId);
    request.resolve(packet);
  }

  /** The answers will not come. */
  end(text: string): void {
    for (const [packetId, request] of this.#requests) {
      this.#packetIds.release(packetId);
      request.reject(new ClientError('closed', text));
    }
    this.#requests.clear();
  }
}
