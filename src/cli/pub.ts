/**
 * `zanzara pub`: publishes a message, or each line of standard input, waits for the answers, says goodbye and ends.
 *
 * With -l it is a pipe: it reads no faster than the broker takes, and when the connection is lost it connects again and
 * goes on, with what was not acknowledged first.
 */
import { readFile } from 'node:fs/promises';
import { ClientSession } from '../client/client-session.ts';
import type { PublishOptions, PublishOutcome } from '../client/client-types.ts';
import { BODY_BYTES_MAX } from '../protocol/frame.ts';
import { Reason, reasonText } from '../protocol/reasons.ts';
import { LastingConnection } from './lasting-connection.ts';
import { LineTooLongError, linesOf } from './line-reader.ts';
import { OutputWriter } from './output-writer.ts';
import { PUB_GRAMMAR, PUB_USAGE, type PubSettings } from './pub-options.ts';
import { settingsOrExit } from './tool-command.ts';
import { printError, printFailure, type ToolFailure, type ToolParts } from './tool-connection.ts';
import { ExitCode, holdingProcess, systemNetwork, type ToolIo, type ToolNetwork } from './tool-io.ts';

/** Messages that may wait for the window while lines are read. */
const QUEUE_MESSAGES_MAX = 1000;

/** Runs `zanzara pub`. @returns the exit code */
export async function runPub(argv: readonly string[], io: ToolIo, network?: ToolNetwork): Promise<number> {
  const settings = settingsOrExit(argv, io, PUB_GRAMMAR, PUB_USAGE);
  if (typeof settings === 'number') return settings;
  const output = new OutputWriter(io.stdout);
  const publisher = new Publisher({ io, network: network ?? systemNetwork(), settings, output });
  return holdingProcess(async () => {
    const code = await publisher.run();
    await output.end();
    return code;
  });
}

class Publisher {
  readonly #parts: ToolParts;
  readonly #settings: PubSettings;
  readonly #connection: LastingConnection;
  readonly #topic: string;
  readonly #publishOptions: PublishOptions;
  #failure: ToolFailure | null = null;
  /** Exit code of the first message that could not be sent. */
  #refusedCode = 0;
  #publishedCount = 0;
  /** Messages without an outcome. */
  #openCount = 0;
  /** Wakes whoever waits for something to change: a connection, a failure, the last outcome, room to write. */
  #wake: () => void = () => {};

  constructor(parts: ToolParts & { readonly settings: PubSettings }) {
    this.#parts = parts;
    this.#settings = parts.settings;
    this.#topic = parts.settings.topics.at(-1) ?? '';
    const { qos, retain, properties } = parts.settings;
    this.#publishOptions = {
      qos,
      retain,
      ...(properties.publish === undefined ? {} : { properties: properties.publish }),
    };
    this.#connection = new LastingConnection(parts, {
      isLasting: parts.settings.source?.kind === 'lines',
      // Lines are sent again as new messages rather than lost when the broker has forgotten the session.
      session: new ClientSession({ whenForgotten: 'republish', queueMessagesMax: QUEUE_MESSAGES_MAX }),
      onConnected: () => this.#wake(),
    });
  }

  async run(): Promise<number> {
    const payload = await this.#payload();
    if (typeof payload === 'number') return payload;
    void this.#connection.failed.then((failure) => this.#fail(failure));
    this.#connection.start();
    await this.#until(() => this.#connection.client !== null);
    if (payload === null) await this.#sendLines();
    else await this.#sendRepeated(payload);
    if (this.#failure !== null) return this.#printFailure(this.#failure);
    await this.#connection.stop();
    return this.#refusedCode;
  }

  /** The one payload, null for lines, or an exit code. */
  async #payload(): Promise<Uint8Array | null | number> {
    const { source } = this.#settings;
    switch (source?.kind) {
      case 'text':
        return Buffer.from(source.text);
      case 'file':
        return this.#filePayload(source.path);
      case 'stdin':
        return this.#stdinPayload();
      case 'lines':
        return null;
      default:
        return new Uint8Array(0);
    }
  }

  async #filePayload(path: string): Promise<Uint8Array | number> {
    try {
      return await readFile(path);
    } catch (error) {
      const why = error instanceof Error && 'code' in error ? ` (${String(error.code)})` : '';
      printError(this.#parts, `Error: Unable to open file "${path}"${why}.`);
      printError(this.#parts, `Error loading input file "${path}".`);
      return ExitCode.Failed;
    }
  }

  async #stdinPayload(): Promise<Uint8Array | number> {
    const chunks: Uint8Array[] = [];
    let byteCount = 0;
    for await (const chunk of bytesOf(this.#parts.io)) {
      chunks.push(chunk);
      byteCount += chunk.length;
      if (byteCount > BODY_BYTES_MAX) break;
    }
    if (byteCount > 0 && byteCount <= BODY_BYTES_MAX) return Buffer.concat(chunks, byteCount);
    const why = byteCount === 0 ? 'Zero length input.' : 'The input is larger than an MQTT message can be.';
    printError(this.#parts, `Error: ${why}`);
    printError(this.#parts, 'Error loading input from stdin.');
    return ExitCode.Failed;
  }

  async #sendRepeated(payload: Uint8Array): Promise<void> {
    const { repeatCount, repeatDelayMs } = this.#settings;
    for (let count = 1; count <= repeatCount; count++) {
      await this.#until(() => this.#connection.client !== null);
      if (this.#failure !== null) return;
      this.#publish(payload);
      // The next one waits for the answer to this one, as Mosquitto's does.
      await this.#until(() => this.#openCount === 0);
      if (count < repeatCount && repeatDelayMs > 0) await this.#sleep(repeatDelayMs);
    }
  }

  async #sendLines(): Promise<void> {
    try {
      for await (const lines of linesOf(bytesOf(this.#parts.io), BODY_BYTES_MAX)) {
        for (const line of lines) {
          if (this.#connection.client?.isWritable !== true) await this.#untilWritable();
          if (this.#failure !== null) return;
          this.#publish(line);
        }
      }
    } catch (error) {
      // A failure of the connection ends the reading of lines.
      if (this.#failure !== null) return;
      if (!(error instanceof LineTooLongError)) throw error;
      this.#failure = { code: ExitCode.OversizePacket, lines: [`Error: ${error.message}`], isPassing: false };
    }
    await this.#until(() => this.#openCount === 0);
  }

  async #untilWritable(): Promise<void> {
    await this.#until(() => {
      const { client } = this.#connection;
      if (client === null || client.isWritable) return client !== null;
      void client.whenWritable().then(() => this.#wake());
      return false;
    });
  }

  /** Waits until `isSo` says so, or the connection has failed. */
  async #until(isSo: () => boolean): Promise<void> {
    while (this.#failure === null && !isSo()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #fail(failure: ToolFailure): void {
    this.#failure ??= failure;
    if (this.#settings.source?.kind === 'lines') this.#parts.io.stdin.destroy();
    this.#wake();
  }

  #publish(payload: Uint8Array): void {
    const { client } = this.#connection;
    if (client === null) return;
    const number = ++this.#publishedCount;
    this.#openCount++;
    void client.publish(this.#topic, payload, this.#publishOptions).then((outcome) => {
      this.#tell(outcome, number);
      if (--this.#openCount === 0) this.#wake();
    });
  }

  /** A refusal of the broker is a warning, as in Mosquitto; a message that could not even be sent is an error. */
  #tell(outcome: PublishOutcome, number: number): void {
    const mid = outcome.packetId === 0 ? number : outcome.packetId;
    if (outcome.kind === 'done' && outcome.reason >= Reason.UnspecifiedError) {
      printError(this.#parts, `Warning: Publish ${mid} failed: ${reasonText(outcome.reason)}.`);
    }
    if (outcome.kind !== 'refused') return;
    if (this.#refusedCode === 0) printError(this.#parts, `Error: Message ${mid} was not sent: ${outcome.text}.`);
    this.#refusedCode ||= refusedCode(outcome.reason);
  }

  #printFailure(failure: ToolFailure): number {
    const { lines, summary } = failure;
    return printFailure(this.#parts, { ...failure, lines: summary === undefined ? lines : [...lines, summary] });
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#parts.network.clock.after(ms, resolve));
  }
}

function refusedCode(reason: number): number {
  switch (reason) {
    case Reason.QosNotSupported:
      return ExitCode.QosNotSupported;
    case Reason.RetainNotSupported:
      return ExitCode.RetainNotSupported;
    case Reason.PacketTooLarge:
      return ExitCode.OversizePacket;
    case Reason.TopicAliasInvalid:
      return ExitCode.TopicAliasInvalid;
    default:
      return ExitCode.Failed;
  }
}

/** Standard input as bytes, whatever it was set to. */
async function* bytesOf(io: ToolIo): AsyncGenerator<Uint8Array> {
  for await (const chunk of io.stdin) yield typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
}
