/** Publishes one message on each of some topics, to see who is subscribed. */
import { publishFrame, topicNameOf } from './frames.ts';
import { Line, type Scene } from './line.ts';

const encoder = new TextEncoder();

export class Prober {
  #round = 0;

  /** The payload of the messages that are published next. */
  nextRound(): string {
    this.#round += 1;
    return `round ${this.#round}`;
  }

  /** With QoS 1, all acknowledged when it resolves. @returns false when the broker ended before */
  async publish(scene: Scene, topics: readonly string[]): Promise<boolean> {
    const plan = { version: 4, clientId: 'prober', isClean: true, expirySeconds: 0 } as const;
    const line = new Line(scene, plan, () => {});
    try {
      if ((await line.connack) === null) return false;
      const payload = encoder.encode(`round ${this.#round}`);
      for (const [index, topic] of topics.entries()) {
        const answer = line.answer('puback');
        const publish = { topic: topicNameOf(topic), payload, qos: 1, isRetained: false, isDup: false } as const;
        line.send(publishFrame(4, { ...publish, packetId: index + 1 }));
        if ((await answer) === null) return false;
      }
      return true;
    } finally {
      line.drop();
    }
  }
}
