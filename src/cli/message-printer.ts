/** How `zanzara sub` shows a message when no format is given: the payload and a line feed, with -v the topic before it. */
import type { IncomingMessage } from '../client/client-types.ts';

const SPACE = 0x20;
const LINE_FEED = 0x0a;
/** Topics whose bytes are remembered. */
const TOPICS_MAX = 1000;

/** The bytes to print for a message; null: nothing. */
export type MessagePrinter = (message: IncomingMessage) => Uint8Array | null;

/** As Mosquitto: of an empty payload nothing is shown but, with -v and line ends, '(null)'. */
export function createPlainPrinter(how: {
  readonly isVerbose: boolean;
  readonly hasLineEnds: boolean;
}): MessagePrinter {
  return how.isVerbose ? createVerbosePrinter(how.hasLineEnds) : createPayloadPrinter(how.hasLineEnds);
}

function createPayloadPrinter(hasLineEnds: boolean): MessagePrinter {
  return ({ payload }) => {
    if (payload.length === 0) return null;
    return hasLineEnds ? withLineEnd(payload) : payload;
  };
}

function createVerbosePrinter(hasLineEnds: boolean): MessagePrinter {
  const known = new Map<string, Buffer>();
  return ({ topic, payload }) => {
    if (payload.length === 0) return hasLineEnds ? Buffer.from(`${topic} (null)\n`) : null;
    const name = known.get(topic) ?? remember(known, topic);
    const bytes = Buffer.allocUnsafe(name.length + 1 + payload.length + (hasLineEnds ? 1 : 0));
    bytes.set(name, 0);
    bytes[name.length] = SPACE;
    bytes.set(payload, name.length + 1);
    if (hasLineEnds) bytes[bytes.length - 1] = LINE_FEED;
    return bytes;
  };
}

function remember(known: Map<string, Buffer>, topic: string): Buffer {
  if (known.size >= TOPICS_MAX) known.clear();
  const name = Buffer.from(topic);
  known.set(topic, name);
  return name;
}

function withLineEnd(payload: Uint8Array): Uint8Array {
  const bytes = Buffer.allocUnsafe(payload.length + 1);
  bytes.set(payload, 0);
  bytes[payload.length] = LINE_FEED;
  return bytes;
}
