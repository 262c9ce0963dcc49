import { Reason, type ReasonCode, reasonText } from '../../protocol/reasons.ts';

const WORDS: ReadonlyMap<number, string> = new Map<number, string>([
  [Reason.MalformedPacket, 'malformed packet'],
  [Reason.ProtocolError, 'protocol error'],
  [Reason.NotAuthorized, 'not authorised'],
  [Reason.PacketTooLarge, 'oversize packet'],
  [Reason.ReceiveMaximumExceeded, 'receive maximum exceeded'],
  [Reason.TopicAliasInvalid, 'topic alias invalid'],
  [Reason.QuotaExceeded, 'quota exceeded'],
  [Reason.RetainNotSupported, 'used disallowed feature (retain)'],
  [Reason.QosNotSupported, 'used disallowed feature (qos)'],
]);

/** How the log names the reason of an ended connection: Mosquitto's words where it has some. */
export function wordsFor(reason: ReasonCode): string {
  return WORDS.get(reason) ?? reasonText(reason).toLowerCase();
}
