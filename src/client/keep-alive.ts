import type { Clock } from '../base/clock.ts';

export interface KeepAliveActions {
  readonly sendPing: () => void;
  readonly onTimeout: () => void;
}

/**
 * Sends PINGREQ when nothing was sent, or nothing came, for one interval `[MQTT-3.1.2-20]`, and says when the peer
 * stays silent for another one. Any byte counts as a sign of life, so that a large packet on a slow link is not mistaken
 * for a dead one; while reading is paused the silence is our own. One timer, set again when it runs, not per packet.
 */
export class KeepAlive {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  readonly #actions: KeepAliveActions;
  #lastSentMs: number;
  #lastReceivedMs: number;
  #isPingPending = false;
  #isPaused = false;
  #cancel: (() => void) | null = null;

  /** Starts at once; an interval of 0 means none. `[MQTT-3.2.2-21]`: the caller passes the server's value if there is one. */
  constructor(clock: Clock, intervalMs: number, actions: KeepAliveActions) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
    this.#actions = actions;
    this.#lastSentMs = clock.monotonicMs();
    this.#lastReceivedMs = this.#lastSentMs;
    if (intervalMs > 0) this.#wait(intervalMs);
  }

  noteSent(): void {
    this.#lastSentMs = this.#clock.monotonicMs();
  }

  noteReceived(): void {
    this.#lastReceivedMs = this.#clock.monotonicMs();
  }

  /** PINGRESP came. */
  answered(): void {
    this.#isPingPending = false;
  }

  /** Reading stops or goes on. */
  setPaused(isPaused: boolean): void {
    this.#isPaused = isPaused;
    if (!isPaused) this.noteReceived();
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }

  #wait(delayMs: number): void {
    this.#cancel = this.#clock.after(delayMs, () => this.#check());
  }

  #check(): void {
    const now = this.#clock.monotonicMs();
    const sinceSent = now - this.#lastSentMs;
    const sinceReceived = this.#isPaused ? 0 : now - this.#lastReceivedMs;
    if (this.#isPingPending && sinceReceived >= 2 * this.#intervalMs) {
      this.#actions.onTimeout();
      return;
    }
    const isDue = sinceSent >= this.#intervalMs || (sinceReceived >= this.#intervalMs && !this.#isPingPending);
    if (isDue) {
      this.#isPingPending = true;
      this.#lastSentMs = now;
      this.#actions.sendPing();
    }
    this.#wait(this.#nextMs(now));
  }

  /** Until the earliest moment at which there is something to do. */
  #nextMs(now: number): number {
    const send = this.#lastSentMs + this.#intervalMs - now;
    if (this.#isPaused) return Math.max(send, 1);
    const heard = this.#lastReceivedMs + this.#intervalMs * (this.#isPingPending ? 2 : 1) - now;
    return Math.max(Math.min(send, heard), 1);
  }
}
