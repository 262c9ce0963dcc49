/**
 * What a store of Mosquitto's says, whichever of its two forms it has. Texts are bytes as they stand there: whoever uses
 * them checks them. Moments are whole seconds since 1970 of the clock of the machine that wrote them; 0 = none.
 */

/** The number of a message in its store: 64 bits there; a bigint only where a number does not hold it. */
export type StoreId = number | bigint;

/** Session Expiry Interval of sessions that never end. */
export const NEVER_EXPIRES = 0xffff_ffff;

/** States of a message on its way to or from a client. */
export const MosquittoState = {
  PublishQos0: 1,
  PublishQos1: 2,
  WaitForPuback: 3,
  PublishQos2: 4,
  WaitForPubrec: 5,
  ResendPubrel: 6,
  WaitForPubrel: 7,
  ResendPubcomp: 8,
  WaitForPubcomp: 9,
  SendPubrec: 10,
  Queued: 11,
} as const;

export interface MosquittoClient {
  readonly clientId: Uint8Array;
  /** Null: none, or the format does not say. */
  readonly userName: Uint8Array | null;
  /** 0 = not known. */
  readonly listenerPort: number;
  /** When it went; 0: it was connected, or the store does not say. */
  readonly goneAt: number;
  /** Session Expiry Interval. */
  readonly expirySeconds: number;
}

export interface MosquittoSubscription {
  readonly clientId: Uint8Array;
  readonly filter: Uint8Array;
  readonly qos: number;
  /** No Local, Retain As Published and Retain Handling where SUBSCRIBE has them. */
  readonly options: number;
  /** 0 = none. */
  readonly identifier: number;
}

export interface MosquittoMessage {
  readonly storeId: StoreId;
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly isRetained: boolean;
  /** 0 = it does not expire. */
  readonly expiresAt: number;
  /** Empty: it is the broker's own. */
  readonly sourceId: Uint8Array;
  /** Empty = none. */
  readonly sourceUserName: Uint8Array;
  /** 0 = not known. */
  readonly sourcePort: number;
  /** v5 properties, encoded, without their length. */
  readonly properties: Uint8Array;
}

/** A message on its way to a client, or from it. */
export interface MosquittoRow {
  readonly clientId: Uint8Array;
  readonly storeId: StoreId;
  readonly packetId: number;
  readonly qos: number;
  /** One of MosquittoState, or a number of no meaning. */
  readonly state: number;
  readonly isRetained: boolean;
  /** True: to the client. */
  readonly isOutgoing: boolean;
  /** 0 = none. */
  readonly identifier: number;
}

export interface MosquittoWill {
  readonly clientId: Uint8Array;
  readonly topic: Uint8Array;
  readonly payload: Uint8Array;
  readonly qos: number;
  readonly isRetained: boolean;
  readonly delaySeconds: number;
  readonly expirySeconds: number | null;
  /** Encoded, without their length. */
  readonly properties: Uint8Array;
}

/** Everything that is handed out is valid until the next thing is asked for. All of it may throw MosquittoDbError. */
export interface MosquittoSource {
  /** Such as 'mosquitto.db, format 6'. */
  readonly description: string;
  /** False: it does not say which user a session belongs to. */
  readonly hasUserNames: boolean;
  clients(): Iterable<MosquittoClient>;
  subscriptions(): Iterable<MosquittoSubscription>;
  rows(): Iterable<MosquittoRow>;
  retained(): Iterable<StoreId>;
  wills(): Iterable<MosquittoWill>;
  messages(): Iterable<MosquittoMessage>;
  close(): void;
}

/** The file is not what it should be. `offset`: where in the file; null where that says nothing. */
export class MosquittoDbError extends Error {
  override readonly name = 'MosquittoDbError';
  readonly offset: number | null;

  constructor(statement: string, offset: number | null) {
    super(offset === null ? statement : `at byte ${offset}: ${statement}`);
    this.offset = offset;
  }
}
