import { Reason, type ReasonCode } from './reasons.ts';

/**
 * The peer broke the protocol: thrown by decoding and handling, caught once per connection, closes that connection only.
 * `reason` is what a v5 peer is told, `statement` the rule that was broken (`MQTT-3.3.1-4`, or '' where the standard
 * numbers none), the message says what was given and expected, without payload bytes.
 */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError';
  readonly reason: ReasonCode;
  readonly statement: string;

  constructor(reason: ReasonCode, statement: string, message: string) {
    super(message);
    this.reason = reason;
    this.statement = statement;
  }
}

/** The packet cannot be parsed: 0x81. */
export function malformed(statement: string, message: string): ProtocolError {
  return new ProtocolError(Reason.MalformedPacket, statement, message);
}

/** The packet can be parsed, but the protocol does not allow what it says: 0x82. */
export function violation(statement: string, message: string): ProtocolError {
  return new ProtocolError(Reason.ProtocolError, statement, message);
}
