/** A new subscriber that says what is retained. */
import { subscribeFrame } from './frames.ts';
import { Line, type Scene } from './line.ts';
import { numberOf } from './payloads.ts';

/** What is retained below a filter, topic by number; null when the broker ended before all of it had come. */
export async function readRetained(
  scene: Scene,
  { clientId, filter, nonce }: { readonly clientId: string; readonly filter: string; readonly nonce: number },
): Promise<ReadonlyMap<string, number> | null> {
  const found = new Map<string, number>();
  const line = new Line(scene, { version: 5, clientId, isClean: true, expirySeconds: 0 }, (packet) => {
    // Number 0 is never sent: it stands for a payload that nobody made.
    if (packet.type === 'publish') found.set(packet.topic, numberOf(nonce, packet.topic, packet.payload) ?? 0);
  });
  try {
    if ((await line.connack) === null) return null;
    const suback = line.answer('suback');
    // With QoS 0 no window holds any of it back, and all of it comes before the answer to a ping.
    line.send(subscribeFrame(5, { packetId: 1, filter, qos: 0, identifier: 0 }));
    if ((await suback) === null) return null;
    return (await line.ping()) ? found : null;
  } finally {
    line.drop();
  }
}
