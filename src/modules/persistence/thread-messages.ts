/**
 * What the broker's thread and the store's thread say to each other. Answers come in the order of what was asked. Byte
 * arrays are whole buffers that change hands.
 */

/** How the store is opened. */
export interface StoreOptions {
  /** The folder that holds everything of the store. */
  readonly folder: string;
  /** True: a store that is damaged or foreign ends the start; false: it is set aside, and a new one is begun. */
  readonly isDamageRefused: boolean;
  /** A file of Mosquitto's to begin a new store with: `mosquitto.db` or its SQLite store; null = none is looked for. */
  readonly mosquittoFile: string | null;
  /** Milliseconds of the wall clock, for names of files that are set aside. */
  readonly wallMs: number;
}

/** What opening has found. */
export interface StoreOpened {
  readonly isNew: boolean;
  /** Lines for the log: what was set aside, migrated or imported, and why. */
  readonly notes: readonly { readonly level: 'information' | 'notice' | 'warning' | 'error'; readonly text: string }[];
  /** The two clocks when they were stored last; null = never. */
  readonly time: { readonly storeMs: number; readonly wallMs: number } | null;
  /** The lowest session number that was never given out. */
  readonly nextSession: number;
}

/** How many there are of each. */
export interface StoreCounts {
  readonly sessions: number;
  readonly subscriptions: number;
  /** Rows of queues, those in flight included. */
  readonly rows: number;
  readonly retained: number;
  readonly wills: number;
}

export type ToStore =
  | { readonly kind: 'open'; readonly options: StoreOptions }
  /** Answered by any number of `loaded`, each of which waits for `more`, and `load-ended` or `load-failed`. */
  | { readonly kind: 'load'; readonly headMax: number }
  | { readonly kind: 'more' }
  /** Operations to be made durable in one transaction. While it cannot be done it is tried again until it can. */
  | { readonly kind: 'commit'; readonly ops: Uint8Array<ArrayBuffer> }
  /** Rows of a session's queue, oldest first. `id` comes back with the answer. */
  | {
      readonly kind: 'read';
      readonly id: number;
      readonly session: number;
      readonly after: number;
      readonly limit: number;
    }
  /** Moves what stands in the write-ahead log into the store's file. Answered by `tidied`. */
  | { readonly kind: 'tidy' }
  /** Answered by `closed`, after everything asked before. A commit that fails is given up then. */
  | { readonly kind: 'close' };

export type FromStore =
  | { readonly kind: 'opened'; readonly opened: StoreOpened }
  /** `reason`: whole lines for the log, the mend included. */
  | { readonly kind: 'open-failed'; readonly lines: readonly string[] }
  | { readonly kind: 'loaded'; readonly ops: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'load-ended'; readonly counts: StoreCounts }
  /** What is stored is damaged. `isRenewed`: a sound store stands in its place; else it stays (`isDamageRefused`, no room). */
  | { readonly kind: 'load-failed'; readonly lines: readonly string[]; readonly isRenewed: boolean }
  /** The commit is durable. `room`: its buffer, to be used again. */
  | {
      readonly kind: 'committed';
      readonly room: ArrayBuffer;
      /** Milliseconds from its arrival to the end of the sync. */
      readonly tookMs: number;
      /** Bytes of the store's file and of its write-ahead log. */
      readonly fileBytes: number;
      readonly logBytes: number;
    }
  /** The commit cannot be made durable now; it will be tried again. Said once for each reason. */
  | { readonly kind: 'failing'; readonly reason: string }
  /** `lost`: rows that were damaged and are left out. */
  | { readonly kind: 'read'; readonly id: number; readonly ops: Uint8Array<ArrayBuffer>; readonly lost: number }
  | { readonly kind: 'read-failed'; readonly id: number; readonly reason: string }
  | { readonly kind: 'tidied'; readonly fault: string | null }
  | { readonly kind: 'closed' };
