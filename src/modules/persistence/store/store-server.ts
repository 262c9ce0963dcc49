/**
 * The store's side of the conversation in thread-messages.ts. It knows neither threads nor timers, which are handed in.
 *
 *     message -> [waiting] -> handle -> Store -> post
 *
 * A commit that fails keeps its place and is tried again each second; what came after it waits in order behind it, except
 * that a reading is told at once that it cannot be had. So nothing is ever applied out of order, and nothing is dropped.
 */
import { assertNever } from '../../../base/assert.ts';
import { RingQueue } from '../../../base/ring-queue.ts';
import type { FromStore, StoreCounts, StoreOptions, ToStore } from '../thread-messages.ts';
import { cannotReplaceLines } from './make-store.ts';
import { damageLines, type OpenParts } from './open-store.ts';
import { Store } from './store.ts';
import { faultText, isCorrupt, isDamage, StoreRefusal } from './store-faults.ts';

const RETRY_MS = 1000;
/** Rows of ended sessions that are removed in one transaction, and the pause between two. */
const PURGE_ROWS = 1000;
const PURGE_PAUSE_MS = 5;

type Post = (message: FromStore, transfer: ArrayBuffer[]) => void;
type After = (ms: number, run: () => void) => void;
type Loading = Generator<Uint8Array<ArrayBuffer>, StoreCounts, undefined>;
type Commit = Extract<ToStore, { readonly kind: 'commit' }>;

export class StoreServer {
  readonly #post: Post;
  readonly #after: After;
  readonly #parts: OpenParts;
  readonly #now: () => number;
  #store: Store | null = null;
  #options: StoreOptions | null = null;
  #loading: Loading | null = null;
  /** The commit that fails, and when it came. */
  #stuck: { readonly commit: Commit; readonly sinceMs: number } | null = null;
  /** Why it fails; said once. */
  #reason = '';
  /** Messages behind the commit that fails: as many as the journal sends without an answer, which is few. */
  readonly #waiting = new RingQueue<ToStore>();
  #willPurge = false;

  /** `after` calls `run` once, `ms` later. `now`: milliseconds of a monotonic clock. */
  constructor(post: Post, after: After, parts: OpenParts = {}, now: () => number = () => performance.now()) {
    this.#post = post;
    this.#after = after;
    this.#parts = parts;
    this.#now = now;
  }

  handle(message: ToStore): void {
    this.#guard(() => this.#take(message));
  }

  /** What nobody foresaw is told, and must not end the thread: what is stored is as good as before. */
  #guard(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#say({ kind: 'failing', reason: faultText(error) });
    }
  }

  #take(message: ToStore): void {
    if (this.#stuck === null) {
      this.#answer(message);
      return;
    }
    if (message.kind === 'read') this.#sayReadFailed(message.id, this.#reason);
    else if (message.kind === 'close') this.#giveUp();
    else if (message.kind === 'tidy') this.#say({ kind: 'tidied', fault: this.#reason });
    else this.#waiting.push(message);
  }

  #answer(message: ToStore): void {
    switch (message.kind) {
      case 'open':
        this.#open(message.options);
        break;
      case 'load':
        this.#load(message.headMax);
        break;
      case 'more':
        this.#more();
        break;
      case 'commit':
        this.#commit(message, this.#now());
        break;
      case 'read':
        this.#read(message);
        break;
      case 'tidy':
        this.#say({ kind: 'tidied', fault: this.#tidy() });
        break;
      case 'close':
        this.#close();
        break;
      default:
        assertNever(message);
    }
  }

  #open(options: StoreOptions): void {
    try {
      const { store, opened } = Store.open(options, this.#parts);
      this.#store = store;
      this.#options = options;
      this.#say({ kind: 'opened', opened });
    } catch (error) {
      const lines =
        error instanceof StoreRefusal ? error.lines : [`Error: The store cannot be opened: ${faultText(error)}.`];
      this.#say({ kind: 'open-failed', lines });
    }
  }

  #load(headMax: number): void {
    this.#loading = this.#store?.load(headMax) ?? null;
    if (this.#loading === null) this.#loadFailed(new Error('it is not open'));
    else this.#more();
  }

  #more(): void {
    if (this.#loading === null) return;
    try {
      const next = this.#loading.next();
      if (next.done !== true) {
        this.#post({ kind: 'loaded', ops: next.value }, [next.value.buffer]);
        return;
      }
      this.#loading = null;
      this.#say({ kind: 'load-ended', counts: next.value });
      this.#purgeLater(PURGE_PAUSE_MS);
    } catch (error) {
      this.#loadFailed(error);
    }
  }

  /** The store is closed after it: a damaged one must not be written to, and one that cannot be read is no use. */
  #loadFailed(error: unknown): void {
    const store = this.#store;
    const path = store?.path ?? 'the store';
    const isKept = this.#options?.isDamageRefused ?? true;
    this.#loading = null;
    this.#store = null;
    if (store === null || !isDamage(error)) {
      store?.closeUnchanged();
      const lines = [
        `Error: The store ${path} cannot be read: ${faultText(error)}. The file was left as it is.`,
        'Error: Mend the cause and start the broker again.',
      ];
      this.#say({ kind: 'load-failed', lines, isRenewed: false });
      return;
    }
    if (isKept) {
      store.closeUnchanged();
      this.#say({ kind: 'load-failed', lines: damageLines(path, faultText(error)), isRenewed: false });
      return;
    }
    this.#replace(store, faultText(error));
  }

  #replace(store: Store, reason: string): void {
    try {
      this.#say({ kind: 'load-failed', lines: store.replace(reason), isRenewed: true });
    } catch (error) {
      store.closeUnchanged();
      const lines = cannotReplaceLines(store.path, reason, error);
      this.#say({ kind: 'load-failed', lines, isRenewed: false });
    }
  }

  #commit(commit: Commit, sinceMs: number): void {
    const store = this.#store;
    try {
      if (store === null) throw new Error('the store is not open');
      store.apply(commit.ops);
    } catch (error) {
      this.#onCommitFailed(commit, sinceMs, error);
      return;
    }
    const isMended = this.#stuck !== null;
    this.#stuck = null;
    this.#reason = '';
    const room = commit.ops.buffer;
    const tookMs = this.#now() - sinceMs;
    this.#post({ kind: 'committed', room, tookMs, ...store.sizes() }, [room]);
    this.#keepUp(store);
    if (store.hasGarbage) this.#purgeLater(PURGE_PAUSE_MS);
    if (isMended) this.#goOn();
  }

  #onCommitFailed(commit: Commit, sinceMs: number, error: unknown): void {
    const isFirst = this.#stuck === null;
    this.#stuck ??= { commit, sinceMs };
    if (isFirst && isCorrupt(error) && this.#reindex()) {
      this.#commit(commit, sinceMs);
      return;
    }
    const mend = isCorrupt(error)
      ? '; this does not end by itself: restart the broker, which makes a new store of what is sound in this one'
      : '';
    const reason = `${faultText(error)}${mend}`;
    if (reason !== this.#reason) this.#say({ kind: 'failing', reason });
    this.#reason = reason;
    this.#after(RETRY_MS, () => this.#guard(() => this.#retry()));
  }

  /** The index is what most often makes a commit fail in a damaged store. @returns whether it was made anew */
  #reindex(): boolean {
    try {
      this.#store?.reindex();
      return this.#store !== null;
    } catch {
      return false;
    }
  }

  #retry(): void {
    if (this.#stuck === null) return;
    // On a full disk the log can be used anew, once what is in it has found room in the file.
    this.#tidy();
    this.#commit(this.#stuck.commit, this.#stuck.sinceMs);
  }

  /** Answers what has waited, until it is stuck again. */
  #goOn(): void {
    while (this.#stuck === null) {
      const message = this.#waiting.shift();
      if (message === undefined) return;
      this.#answer(message);
    }
  }

  #read({ id, session, after, limit }: Extract<ToStore, { readonly kind: 'read' }>): void {
    try {
      if (this.#store === null) throw new Error('the store is not open');
      const { ops, lost } = this.#store.read(session, after, limit);
      this.#post({ kind: 'read', id, ops, lost }, [ops.buffer]);
    } catch (error) {
      this.#sayReadFailed(id, faultText(error));
    }
  }

  #tidy(): string | null {
    try {
      this.#store?.tidy();
      return null;
    } catch (error) {
      return faultText(error);
    }
  }

  /** A checkpoint that fails leaves everything in the log, where it is safe: the next commit tells when the disk is full. */
  #keepUp(store: Store): void {
    try {
      store.keepUp();
    } catch {
      // It is tried again after the next commit.
    }
  }

  /** What waits is tried once more, in order: the disk may have room by now. */
  #giveUp(): void {
    this.#retry();
    this.#stuck = null;
    this.#waiting.clear();
    this.#close();
  }

  #close(): void {
    this.#loading?.return({ sessions: 0, subscriptions: 0, rows: 0, retained: 0, wills: 0 });
    this.#loading = null;
    this.#store?.close();
    this.#store = null;
    this.#say({ kind: 'closed' });
  }

  #purgeLater(ms: number): void {
    if (this.#willPurge || this.#store?.hasGarbage !== true) return;
    this.#willPurge = true;
    this.#after(ms, () => {
      this.#willPurge = false;
      this.#guard(() => this.#purge());
    });
  }

  #purge(): void {
    if (this.#stuck !== null || this.#loading !== null || this.#store === null) {
      this.#purgeLater(RETRY_MS);
      return;
    }
    try {
      this.#store.purge(PURGE_ROWS);
      this.#store.keepUp();
      this.#purgeLater(PURGE_PAUSE_MS);
    } catch {
      // A commit tells what is wrong with the disk; what is garbage can wait for ever.
      this.#purgeLater(RETRY_MS);
    }
  }

  #sayReadFailed(id: number, reason: string): void {
    this.#say({ kind: 'read-failed', id, reason });
  }

  #say(message: FromStore): void {
    this.#post(message, []);
  }
}
