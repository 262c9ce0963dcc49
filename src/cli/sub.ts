/**
 * `zanzara sub`: subscribes, prints what comes, and goes on until it is told to end: by -C, -W or -E, by Ctrl-C, or by
 * a reader of its output that goes away. A connection that is lost is made again.
 *
 * A message of QoS 1 or 2 is acknowledged when its output has left us; while the reader of the output is slow, the
 * broker is not read. With -C the message after the last one is neither printed nor acknowledged.
 */
import { ClientSession } from '../client/client-session.ts';
import type { IncomingMessage, TracedPacket } from '../client/client-types.ts';
import type { MqttClient } from '../client/mqtt-client.ts';
import type { SubackPacket } from '../protocol/packets.ts';
import { Reason, type ReasonCode } from '../protocol/reasons.ts';
import type { TopicFilter } from '../protocol/topic.ts';
import { LastingConnection } from './lasting-connection.ts';
import type { MessagePrinter } from './message-printer.ts';
import { OutputWriter } from './output-writer.ts';
import { filtersOf, printerOf, SUB_GRAMMAR, SUB_USAGE, type SubSettings } from './sub-options.ts';
import { settingsOrExit } from './tool-command.ts';
import { printError, printFailure, type ToolParts } from './tool-connection.ts';
import { ExitCode, holdingProcess, systemNetwork, type ToolIo, type ToolNetwork } from './tool-io.ts';
import { matchesFilter } from './topic-match.ts';

/** Why it ends. */
interface Ending {
  readonly code: number;
  /** What the broker is told (v5): with 4 it publishes the will, as after a kill. */
  readonly reason: ReasonCode;
}

const NEVER: Promise<void> = new Promise(() => {});

/** Runs `zanzara sub`. @returns the exit code */
export async function runSub(argv: readonly string[], io: ToolIo, network?: ToolNetwork): Promise<number> {
  const settings = settingsOrExit(argv, io, SUB_GRAMMAR, SUB_USAGE);
  if (typeof settings === 'number') return settings;
  const output = new OutputWriter(io.stdout);
  const subscriber = new Subscriber({ io, network: network ?? systemNetwork(), settings, output });
  return holdingProcess(() => subscriber.run());
}

class Subscriber {
  readonly #parts: ToolParts;
  readonly #settings: SubSettings;
  readonly #connection: LastingConnection;
  readonly #print: MessagePrinter;
  readonly #filtersOut: readonly TopicFilter[];
  #printedCount = 0;
  #isEnding = false;
  /** With -d: output of a message that is due after the line of its acknowledgement. */
  #held: Uint8Array | null = null;
  readonly #ended: Promise<Ending>;
  #end: (ending: Ending) => void = () => {};

  constructor(parts: ToolParts & { readonly settings: SubSettings }) {
    this.#parts = parts;
    this.#settings = parts.settings;
    this.#print = printerOf(parts.settings, {
      wallMs: () => parts.network.clock.wallMs(),
      onNoJson: (topic) => printError(parts, `Error: Message payload is not valid JSON on topic ${topic}.`),
    });
    this.#filtersOut = filtersOf(parts.settings.filtersOut);
    this.#ended = new Promise((resolve) => {
      this.#end = (ending) => {
        this.#isEnding = true;
        resolve(ending);
      };
    });
    this.#connection = new LastingConnection(parts, {
      isLasting: true,
      session: new ClientSession(),
      // QoS 2 is handed out at PUBREL, as Mosquitto does: with -C its handshake is complete before the end.
      options: { deliverQos2At: 'release', onMessage: (message) => this.#onMessage(message) },
      // What comes behind the last message wanted is not ours any more.
      isShown: (direction) => !this.#isEnding || direction === 'sending',
      ...(parts.settings.isDebug || parts.settings.endsWhenSubscribed
        ? { onTraced: (direction, packet) => this.#onTraced(direction, packet) }
        : {}),
      onConnected: (client) => void this.#subscribe(client),
    });
  }

  async run(): Promise<number> {
    const { io, network, output } = this.#parts;
    const onSignal = (): void => this.#end({ code: ExitCode.Done, reason: Reason.DisconnectWithWill });
    const { timeoutSeconds } = this.#settings;
    const cancelTimeout =
      timeoutSeconds === null
        ? () => {}
        : network.clock.after(Math.min(timeoutSeconds * 1000, 2 ** 31 - 1), () => this.#onTimeout());
    io.on('SIGINT', onSignal);
    io.on('SIGTERM', onSignal);
    void output.broken.then(() => this.#endWell());
    this.#connection.start();
    try {
      return await this.#untilEnd();
    } finally {
      cancelTimeout();
      io.off('SIGINT', onSignal);
      io.off('SIGTERM', onSignal);
    }
  }

  async #untilEnd(): Promise<number> {
    const { output } = this.#parts;
    const failed = this.#connection.failed.then((failure) => ({ failure }));
    const first = await Promise.race([failed, this.#ended]);
    await output.end();
    if ('failure' in first) return printFailure(this.#parts, first.failure);
    // One turn, so that acknowledgements that waited for the output are in front of DISCONNECT.
    await new Promise((resolve) => setImmediate(resolve));
    await this.#connection.stop(first.reason);
    await output.end();
    return first.code;
  }

  async #subscribe(client: MqttClient): Promise<void> {
    const { topics, unsubscribes, qos, retainAsPublished, retainHandling, properties } = this.#settings;
    const filters = topics.map((filter) => ({ filter, qos, retainAsPublished, retainHandling }));
    try {
      const asking = filters.length === 0 ? null : client.subscribe(filters, properties.subscribe);
      const unsubscribing = unsubscribes.map((filter) => client.unsubscribe(filter, properties.unsubscribe));
      const answer = await asking;
      if (answer !== null) this.#onSubscribed(answer);
      await Promise.all(unsubscribing);
      if (this.#settings.endsWhenSubscribed) this.#endWell();
    } catch (error) {
      if (!client.isOpen || this.#isEnding) return;
      printError(this.#parts, `Error: ${error instanceof Error ? error.message : String(error)}.`);
      this.#end({ code: ExitCode.Failed, reason: Reason.Success });
    }
  }

  #onSubscribed(answer: SubackPacket): void {
    if (answer.reasons.some((reason) => reason < Reason.UnspecifiedError)) return;
    printError(this.#parts, 'All subscription requests were denied.');
    this.#endWell();
  }

  #endWell(): void {
    this.#end({ code: ExitCode.Done, reason: Reason.Success });
  }

  #onMessage(message: IncomingMessage): void | Promise<void> {
    if (this.#isEnding) return NEVER;
    const { skipsRetained, isRetainedOnly, countMax } = this.#settings;
    if (isRetainedOnly && !message.retain) {
      this.#endWell();
      return NEVER;
    }
    if (skipsRetained && message.retain) return;
    for (const filter of this.#filtersOut) if (matchesFilter(message.topic, filter)) return;
    const bytes = this.#print(message);
    this.#printedCount++;
    if (this.#printedCount === countMax) this.#endWell();
    return this.#put(bytes, message.qos > 0);
  }

  /** Done at once, or when the output is out of our hands. */
  #put(bytes: Uint8Array | null, isAcknowledged: boolean): void | Promise<void> {
    const { output } = this.#parts;
    if (isAcknowledged && this.#settings.isDebug) {
      this.#held = bytes;
      return;
    }
    if (bytes !== null) output.write(bytes);
    if (isAcknowledged || output.isFull) return output.flushed();
  }

  #onTraced(direction: 'sending' | 'received', packet: TracedPacket): void {
    // Here and not when the promise is fulfilled: what follows SUBACK in the same chunk is not wanted any more.
    if (packet.type === 'suback' && this.#settings.endsWhenSubscribed) this.#endWell();
    const isAnswer = direction === 'sending' && (packet.type === 'puback' || packet.type === 'pubcomp');
    if (!isAnswer || this.#held === null) return;
    this.#parts.output.write(this.#held);
    this.#held = null;
  }

  #onTimeout(): void {
    printError(this.#parts, 'Timed out');
    this.#end({ code: ExitCode.Timeout, reason: Reason.DisconnectWithWill });
  }
}
