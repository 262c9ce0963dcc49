import type { Readable, Writable } from 'node:stream';
import type { Clock } from '../base/clock.ts';
import type { Transport } from '../base/link.ts';
import { systemClock } from '../transport/node/node-clock.ts';
import { createNodeTransport } from '../transport/node/node-transport.ts';

/** Where a tool reads and writes and who may end it: `process` is one, and a test makes another. */
export interface ToolIo {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly pid: number;
  on(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
  off(signal: 'SIGINT' | 'SIGTERM', listener: () => void): unknown;
}

/** The network and the time of a tool. */
export interface ToolNetwork {
  readonly transport: Transport;
  readonly clock: Clock;
}

/** The network of this machine. A fault of ours ends the link; the client reports it. */
export function systemNetwork(): ToolNetwork {
  return { transport: createNodeTransport(), clock: systemClock };
}

/** Longest delay of a timer; it only has to be there. */
const HOLD_MS = 2 ** 30;

/** Keeps the process alive while `work` is at it: its timers alone do not, and between two connections nothing else does. */
export async function holdingProcess(work: () => Promise<number>): Promise<number> {
  const hold = setInterval(() => {}, HOLD_MS);
  try {
    return await work();
  } finally {
    clearInterval(hold);
  }
}

/** Exit codes: those of Mosquitto's tools. */
export const ExitCode = {
  Done: 0,
  Failed: 1,
  Protocol: 2,
  NotConnected: 4,
  ConnectionLost: 7,
  QosNotSupported: 24,
  OversizePacket: 25,
  Timeout: 27,
  RetainNotSupported: 28,
  TopicAliasInvalid: 29,
} as const;
