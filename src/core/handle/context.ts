import { assert } from '../../base/assert.ts';
import type { Log } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { TimerQueue } from '../../base/timer-queue.ts';
import { type AckFields, createAckFields } from '../../protocol/decode/ack.ts';
import { createPublishPacket } from '../../protocol/decode/publish.ts';
import { createFrameHeader, type FrameHeader } from '../../protocol/frame.ts';
import type { PublishPacket } from '../../protocol/packets.ts';
import { parseTopicName, TopicNames } from '../../protocol/topic.ts';
import type { Access } from '../access/access.ts';
import type { Durability } from '../delivery/durability.ts';
import type { MemoryGuard } from '../model/memory-guard.ts';
import { BorrowedMessage } from '../model/message.ts';
import type { BrokerSettings } from '../model/settings.ts';
import type { Counters, Gatekeeper } from '../ports.ts';
import type { Router } from '../routing/router.ts';
import type { Endings } from '../session/endings.ts';
import { PACKET_ID_MAX } from '../session/inflight-window.ts';
import type { OrphanWills } from '../session/orphan-wills.ts';
import type { SessionStore } from '../session/session-store.ts';

/** The rooms that handlers work with, and the objects they reuse from packet to packet. One for each broker. */
export interface HandleContext {
  /** Those in force: a reload puts others here. What a connected client was promised stands in `Client.promised`. */
  settings: BrokerSettings;
  readonly log: Log;
  readonly random: Random;
  readonly timers: TimerQueue;
  readonly counters: Counters;
  readonly durability: Durability;
  readonly gatekeeper: Gatekeeper | null;
  readonly access: Access;
  readonly router: Router;
  readonly sessions: SessionStore;
  readonly orphanWills: OrphanWills;
  /** Wills whose rights are being asked. */
  readonly askedWills: Endings;
  /** See SessionParts.endingSessions. */
  readonly endingSessions: Endings;
  readonly memory: MemoryGuard;
  /** Clients that are connected now. */
  connectedCount: number;
  /** Claims of a client id that wait for the journal; the next one waits for them. */
  readonly claims: Map<string, { readonly last: Promise<void>; readonly count: number }>;
  /** The memo of topic names of all connections. */
  readonly topics: TopicNames;
  /** The fixed header of the frame being handled. */
  readonly header: FrameHeader;
  /** That frame's bytes were put together for it alone and are not used again: what is large may be kept of them. */
  isFrameKept: boolean;
  /** The PUBLISH being handled. */
  readonly publish: PublishPacket;
  readonly message: BorrowedMessage;
  /** The acknowledgement being handled. */
  readonly ack: AckFields;
}

/** Topic names that are remembered, and found without reading them again. */
const TOPIC_NAMES_KEPT = 16_384;

/** The reused objects of a context. */
export function createScratch(): Pick<
  HandleContext,
  'topics' | 'header' | 'isFrameKept' | 'publish' | 'message' | 'ack'
> {
  const anyTopic = parseTopicName('-');
  assert(anyTopic !== null, 'a plain topic name must parse');
  return {
    topics: new TopicNames(TOPIC_NAMES_KEPT),
    header: createFrameHeader(),
    isFrameKept: false,
    publish: createPublishPacket(),
    message: new BorrowedMessage(anyTopic),
    ack: createAckFields(),
  };
}

/** Most QoS 1 and 2 messages that a client may have unacknowledged: announced to v5, and the window of one that says none. */
export function receiveMaximumOf(settings: BrokerSettings): number {
  return settings.maxInflightMessages === 0 ? PACKET_ID_MAX : settings.maxInflightMessages;
}
