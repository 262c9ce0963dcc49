import type { FrameHeader } from '../../protocol/frame.ts';
import { PacketType } from '../../protocol/packets.ts';
import { handlePuback, handlePubcomp, handlePubrec, handlePubrel } from './acks.ts';
import { handleAuth } from './auth.ts';
import type { Client } from './client.ts';
import type { HandleContext } from './context.ts';
import { handleDisconnect } from './disconnect.ts';
import { handlePingreq } from './ping.ts';
import { handlePublish } from './publish.ts';
import { handleSubscribe } from './subscribe.ts';
import { handleUnsubscribe } from './unsubscribe.ts';

/**
 * Handles one packet of a connected client. The bytes are borrowed until it returns.
 * @returns a promise when its answer comes later: until then no further packet of this client may be handled.
 * @throws ProtocolError when the client broke the protocol.
 */
export type Handler = (
  context: HandleContext,
  client: Client,
  bytes: Uint8Array,
  frameStart: number,
  header: FrameHeader,
) => void | Promise<void>;

/** The handlers of connected clients by packet type. A type that a client must not send has none. */
export const HANDLERS: readonly (Handler | undefined)[] = (() => {
  const table: (Handler | undefined)[] = new Array(16).fill(undefined);
  table[PacketType.Publish] = handlePublish;
  table[PacketType.Puback] = handlePuback;
  table[PacketType.Pubrec] = handlePubrec;
  table[PacketType.Pubrel] = handlePubrel;
  table[PacketType.Pubcomp] = handlePubcomp;
  table[PacketType.Subscribe] = handleSubscribe;
  table[PacketType.Unsubscribe] = handleUnsubscribe;
  table[PacketType.Pingreq] = handlePingreq;
  table[PacketType.Disconnect] = handleDisconnect;
  table[PacketType.Auth] = handleAuth;
  return table;
})();
