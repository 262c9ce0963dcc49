/**
 * Which transport a broker runs on: the reactor where it can run, else node's own sockets. The end of a turn belongs to
 * the transport, so both come from here.
 */
import type { Transport } from '../base/link.ts';
import type { Turn } from '../base/turn.ts';
import { createImmediateTurn } from './node/node-turn.ts';
import { createReactor, type Reactor } from './reactor/reactor.ts';
import { createReactorTransport } from './reactor/reactor-transport.ts';
import type { TransportOptions } from './transport-options.ts';

export const TRANSPORT_NAMES = ['reactor', 'node'] as const;
export type TransportName = (typeof TRANSPORT_NAMES)[number];

export interface ChosenTransport {
  readonly name: TransportName;
  readonly transport: Transport;
  readonly turn: Turn;
  /** Why it is not the reactor; null when it is, or was not asked for. */
  readonly reason: string | null;
}

/**
 * @param wanted null = the best that can run here
 * @throws Error that says why, when the reactor is wanted and cannot run
 */
export async function chooseTransport(
  wanted: TransportName | null,
  options: TransportOptions,
): Promise<ChosenTransport> {
  if (wanted === 'node') return await nodeTransport(options, null);
  let reactor: Reactor;
  try {
    reactor = createReactor();
  } catch (error) {
    if (wanted === 'reactor') throw error;
    return await nodeTransport(options, error instanceof Error ? error.message : String(error));
  }
  return {
    name: 'reactor',
    transport: createReactorTransport(reactor, options),
    turn: reactor.turn,
    reason: null,
  };
}

/** @throws RangeError when the text is neither empty nor one of TRANSPORT_NAMES */
export function parseTransportName(text: string): TransportName | null {
  if (text === '') return null;
  const name = TRANSPORT_NAMES.find((known) => known === text);
  if (name === undefined) throw new RangeError(`must be ${TRANSPORT_NAMES.join(' or ')}, not '${text}'`);
  return name;
}

/** Loaded only when it is used: node:net costs 4 ms of a start. */
async function nodeTransport(options: TransportOptions, reason: string | null): Promise<ChosenTransport> {
  const { createNodeTransport } = await import('./node/node-transport.ts');
  return { name: 'node', transport: createNodeTransport(options), turn: createImmediateTurn(), reason };
}
