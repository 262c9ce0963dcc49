/** A broker for the tests of `$SYS`: counters and sizes that a test sets, and everything that was published. */
import type { BrokerSizes, Counters, OwnPublishOptions } from '../../core/ports.ts';
import type { SysSource } from './sys-topics.ts';

export interface SysMessage {
  readonly topic: string;
  readonly text: string;
  readonly options: OwnPublishOptions;
}

export class FakeSource implements SysSource {
  counters: Counters = someCounters();
  now: BrokerSizes = someSizes();
  readonly messages: SysMessage[] = [];
  /** Called with each message before it is kept. */
  onPublish: (topic: string) => void = () => undefined;

  sizes(): BrokerSizes {
    return this.now;
  }

  publish(topic: string, payload: Uint8Array, options: OwnPublishOptions): void {
    this.onPublish(topic);
    this.messages.push({ topic, text: new TextDecoder().decode(payload), options });
  }

  /** Topics and payloads since the last call. */
  take(): ReadonlyMap<string, string> {
    return new Map(this.messages.splice(0).map(({ topic, text }) => [topic, text]));
  }
}

/** Counters that are all 0 but for those given. */
export function someCounters(counters: Partial<Counters> = {}): Counters {
  return {
    connectionsAccepted: 0,
    connectsReceived: 0,
    packetsReceived: 0,
    packetsSent: 0,
    bytesReceived: 0,
    bytesSent: 0,
    publishesReceived: 0,
    publishesSent: 0,
    publishBytesReceived: 0,
    publishBytesSent: 0,
    publishesDropped: 0,
    messagesExpired: 0,
    clientsExpired: 0,
    protocolErrors: 0,
    internalErrors: 0,
    ...counters,
  };
}

/** Sizes that are all 0 but for those given. */
export function someSizes(sizes: Partial<BrokerSizes> = {}): BrokerSizes {
  return {
    connections: 0,
    clientsConnected: 0,
    clientsDisconnected: 0,
    sessions: 0,
    sessionsMaximum: 0,
    subscriptions: 0,
    sharedSubscriptions: 0,
    retained: 0,
    storedMessages: 0,
    storedBytes: 0,
    unsentConnections: 0,
    unsentBytes: 0,
    outboxChunks: 0,
    ...sizes,
  };
}
