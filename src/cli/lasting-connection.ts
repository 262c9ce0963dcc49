/**
 * A tool's connection: made once, or made again and again when it is lost, until it is stopped or fails for good. What
 * is not acknowledged goes on with the next connection, because all of them share one ClientSession.
 */
import { type ClosedReason, ConnectFailedError } from '../client/client-types.ts';
import type { MqttClient } from '../client/mqtt-client.ts';
import { Reason, type ReasonCode } from '../protocol/reasons.ts';
import {
  type ConnectMore,
  chooseClientId,
  closedFailure,
  connectFailure,
  connectTool,
  type ToolFailure,
  type ToolParts,
} from './tool-connection.ts';
import { TraceLines } from './trace-lines.ts';

/** Between the end of a connection and the next attempt. */
const RECONNECT_MS = 1000;
/** For the broker to close its side after DISCONNECT. */
const GOODBYE_MS = 500;

export interface LastingOptions extends Omit<ConnectMore, 'lines'> {
  /** Connects again when a connection is lost; otherwise that is a failure. */
  readonly isLasting: boolean;
  /** A connection is there. */
  readonly onConnected: (client: MqttClient) => void;
}

export class LastingConnection {
  /** Fulfilled when there will be no connection any more although nobody stopped it. */
  readonly failed: Promise<ToolFailure>;
  readonly #parts: ToolParts;
  readonly #options: LastingOptions;
  readonly #lines: TraceLines;
  #clientId: string;
  #client: MqttClient | null = null;
  #isStopped = false;
  #fail: (failure: ToolFailure) => void = () => {};

  constructor(parts: ToolParts, options: LastingOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#clientId = chooseClientId(parts);
    this.#lines = new TraceLines(parts.settings.version, this.#clientId);
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /** The client while it is connected, else null. */
  get client(): MqttClient | null {
    return this.#client?.isOpen === true ? this.#client : null;
  }

  /** Makes the first connection; how that went is told by `onConnected` and `failed`. */
  start(): void {
    void this.#attempt(true);
  }

  /** Says goodbye, if there is anybody to say it to, and makes no further attempt. */
  async stop(reason: ReasonCode = Reason.Success): Promise<void> {
    this.#isStopped = true;
    const client = this.#client;
    if (client === null) return;
    const properties = this.#parts.settings.properties.disconnect;
    const closed = client.disconnect(reason, properties).catch(() => client.disconnect(reason));
    // A broker that does not close its side is not waited for: what was handed over is on its way.
    await Promise.race([closed, this.#pause(GOODBYE_MS)]);
  }

  async #attempt(isFirst: boolean): Promise<void> {
    const { isLasting } = this.#options;
    for (;;) {
      try {
        const client = await connectTool(this.#parts, this.#clientId, { ...this.#options, lines: this.#lines });
        this.#take(client);
        return;
      } catch (error) {
        const failure = connectFailure(error, this.#parts.settings);
        // A server that has never been there is a mistake in the arguments more often than a server that restarts.
        const isWorthwhile = failure.isPassing && isLasting && (!isFirst || error instanceof ConnectFailedError);
        if (!isWorthwhile) {
          this.#fail(failure);
          return;
        }
      }
      await this.#pause(RECONNECT_MS);
      if (this.#isStopped) return;
    }
  }

  #take(client: MqttClient): void {
    this.#client = client;
    // An id that the broker chose stays ours: its session is found by it.
    this.#clientId = client.clientId;
    if (this.#isStopped) {
      void client.disconnect();
      return;
    }
    void client.closed.then((closed) => this.#onClosed(closed));
    this.#options.onConnected(client);
  }

  async #onClosed(closed: ClosedReason): Promise<void> {
    if (this.#isStopped) return;
    const failure = closedFailure(closed);
    if (!this.#options.isLasting || !failure.isPassing) {
      this.#fail(failure);
      return;
    }
    await this.#pause(RECONNECT_MS);
    if (!this.#isStopped) await this.#attempt(false);
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.network.clock.after(ms, resolve));
  }
}
