/** What of a CONNECT can be judged by a look at the packet, the listener and the settings. */
import type { ConnectPacket } from '../../protocol/packets.ts';
import { Reason, type ReasonCode } from '../../protocol/reasons.ts';
import { isControl } from '../access/reserved-topics.ts';
import type { HandleContext } from './context.ts';
import type { Entrant } from './entrant.ts';

/** Why somebody is not let in. */
export interface Refusal {
  readonly kind: 'refused';
  readonly reason: ReasonCode;
  /** How the log names it as the end of the connection: Mosquitto's words where it has some. */
  readonly words: string;
  /** Said beside it, where that alone does not tell what to do. */
  readonly why?: string;
  /** What 3.x is told, where that is not what usually stands for `reason`. */
  readonly returnCode?: number;
}

export const NOT_AUTHORISED = 'not authorised';

export const LONG_WILL_TOPIC: Refusal = {
  kind: 'refused',
  reason: Reason.TopicNameInvalid,
  words: 'will topic is too long with the mount point in front of it',
};

/** Client id and keep alive. */
export function checkConnect(context: HandleContext, entrant: Entrant, packet: ConnectPacket): Refusal | null {
  const { maxKeepAlive } = context.settings;
  const { version, clientId, cleanStart, keepAlive } = packet;
  const reason = Reason.ClientIdentifierNotValid;
  if (clientId === '') {
    // [MQTT-3.1.3-8]; 3.1 knows no empty id at all.
    const isAllowed = entrant.listener.allowZeroLengthClientId && version !== 3 && (version === 5 || cleanStart);
    if (!isAllowed) return { kind: 'refused', reason, words: 'client id is empty' };
  }
  if (version !== 5 && maxKeepAlive > 0 && (keepAlive > maxKeepAlive || keepAlive === 0)) {
    return { kind: 'refused', reason, words: `keep alive ${keepAlive} is above ${maxKeepAlive}` };
  }
  return null;
}

/** @returns null when it may be kept; whether it may be published is asked when it is due. */
export function checkWill({ listener, promised }: Entrant, { will }: ConnectPacket): Refusal | null {
  if (will === null) return null;
  const kind = 'refused';
  if (isControl(will.topic.text)) {
    return { kind, reason: Reason.NotAuthorized, words: 'will topic is under $CONTROL' };
  }
  const { messageSizeLimit } = promised;
  if (messageSizeLimit > 0 && will.payload.length > messageSizeLimit) {
    return { kind, reason: Reason.PacketTooLarge, words: 'oversize payload' };
  }
  // [MQTT-3.2.2-12] [MQTT-3.2.2-13]
  if (will.qos > listener.maxQos) return { kind, reason: Reason.QosNotSupported, words: `will has QoS ${will.qos}` };
  if (will.retain && !promised.retainAvailable) {
    const words = 'will is retained, retained messages are switched off';
    return { kind, reason: Reason.RetainNotSupported, words };
  }
  return null;
}
