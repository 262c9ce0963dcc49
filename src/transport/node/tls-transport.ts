/**
 * TLS listeners on node:tls. Each connection is a socket of node:net in a TLSSocket, with the context that is in force
 * when it arrives, so that a reload holds for new handshakes and leaves connections alone. A handshake that the reload
 * comes into does not let the client in: it may have begun without the certificate that is asked for now. The link is
 * made when the handshake is over and the client's certificate was found good; nobody hears of a connection before.
 *
 * Rejected: tls.Server. It hides the certificate of a client that it refuses, counts its deadline anew with each byte,
 * and keeps the same context for all.
 */
import type { Clock } from '../../base/clock.ts';
import type { Accept, ListenAt, Listening, UnixAddress } from '../../base/link.ts';
import type { Log } from '../../base/log.ts';
import { type TransportOptions, toError } from '../transport-options.ts';
import { openServer } from './node-server.ts';
import type { TlsContext } from './tls-context.ts';
import { FailureLog } from './tls-failures.ts';
import { Handshake, type HandshakeShared } from './tls-handshake.ts';
import { WriteTurn } from './write-turn.ts';

/** Unfinished handshakes of a process, some 55 KB each. One more ends the oldest. */
const HANDSHAKES_MAX = 1_000;

export interface TlsTransportOptions extends TransportOptions {
  readonly log: Log;
  readonly clock: Clock;
  /** For tests: HANDSHAKES_MAX. */
  readonly handshakesMax?: number;
}

export interface TlsTransport {
  /**
   * As Transport.listen. `accept` is told of each client that was let in.
   * @param context asked for each connection, and again at the end of its handshake; null = nobody is let in yet
   */
  listen(at: ListenAt | UnixAddress, accept: Accept, context: () => TlsContext | null): Promise<Listening>;
}

/** Make one for the process: its limits are for all listeners together. */
export function createTlsTransport(options: TlsTransportOptions): TlsTransport {
  const handshakesMax = options.handshakesMax ?? HANDSHAKES_MAX;
  const onAcceptError = options.onAcceptError ?? (() => {});
  const shared: HandshakeShared = {
    link: {
      writeTurn: new WriteTurn(),
      onFault: options.onFault ?? (() => {}),
      isInputSpoiled: options.isInputSpoiled ?? false,
    },
    clock: options.clock,
    failures: new FailureLog(options.log, options.clock),
    unfinished: new Set(),
  };
  return {
    async listen(at, accept, context) {
      const listener = {};
      const isUnix = 'path' in at;
      const listening = await openServer(at, {
        onAcceptError,
        onSocket(raw) {
          const inForce = context();
          if (inForce === null) {
            raw.destroy();
            return;
          }
          makeRoom(shared.unfinished, handshakesMax);
          const isInForce = (): boolean => context() === inForce;
          try {
            new Handshake(raw, { accept, context: inForce, isInForce, isUnix, shared, listener });
          } catch (error) {
            raw.destroy();
            shared.link.onFault(toError(error));
          }
        },
      });
      return { ...listening, close: () => close(listening, shared.unfinished, listener) };
    },
  };
}

/** Nobody waits for links of a listener that has gone. */
async function close(listening: Listening, unfinished: ReadonlySet<Handshake>, listener: object): Promise<void> {
  await listening.close();
  for (const handshake of unfinished) if (handshake.listener === listener) handshake.drop();
}

/** The oldest is the one that is least likely to come to an end. */
function makeRoom(unfinished: ReadonlySet<Handshake>, handshakesMax: number): void {
  for (const oldest of unfinished) {
    if (unfinished.size < handshakesMax) return;
    oldest.end(`given up for newer ones, ${handshakesMax} were unfinished`);
  }
}
