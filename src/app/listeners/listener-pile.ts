/**
 * From the socket up to the broker: what stands between a connection of a listener and its door in the core.
 *
 *   socket or TLS --> PROXY header --> WebSocket frames --> door
 */
import type { Accept } from '../../base/link.ts';
import type { Log } from '../../base/log.ts';
import type { ListenerConfig } from '../../config/config.ts';
import { systemClock } from '../../transport/node/node-clock.ts';

/** How long a proxy may take for its header. */
const PROXY_HEADER_MS = 10_000;

export interface PileParts {
  readonly accept: Accept;
  readonly log: Log;
  /** Bytes of a WebSocket request: `packet_buffer_size`. */
  readonly headerBytesMax: number;
}

/** The function that the listener's sockets call. What a listener does not use is not loaded. */
export async function buildPile({ options }: ListenerConfig, parts: PileParts): Promise<Accept> {
  let { accept } = parts;
  if (options.protocol === 'websockets') {
    const { acceptWebSocket } = await import('../../transport/websocket/accept-websocket.ts');
    accept = acceptWebSocket(accept, { origins: options.websocketsOrigin, headerBytesMax: parts.headerBytesMax });
  }
  if (options.enableProxyProtocol !== null) {
    const { acceptProxied } = await import('../../transport/proxy-protocol/accept-proxied.ts');
    accept = acceptProxied(accept, {
      version: options.enableProxyProtocol === 1 ? 1 : 2,
      requiresTls: options.proxyProtocolV2RequireTls,
      requiresCertificate: options.requireCertificate,
      log: parts.log,
      clock: systemClock,
      headerDeadlineMs: PROXY_HEADER_MS,
    });
  }
  return accept;
}
