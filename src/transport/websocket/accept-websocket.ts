/** WebSockets in front of whoever accepts links of MQTT bytes. */
import type { Accept } from '../../base/link.ts';
import type { WebSocketOptions } from './handshake.ts';
import { WebSocketLink } from './websocket-link.ts';

/**
 * An Accept for the links of a listener with `protocol websockets`. `accept` is told of each link at once, before its
 * handshake, so that the user's own deadline covers it; a link whose handshake is refused ends with an error that says why.
 */
export function acceptWebSocket(accept: Accept, options: WebSocketOptions): Accept {
  return (link) => {
    const webSocket = new WebSocketLink(link, options);
    webSocket.setEvents(accept(webSocket));
    return webSocket;
  };
}
