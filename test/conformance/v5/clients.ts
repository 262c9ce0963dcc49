/** The v5 clients that most tests of this folder need. */
import assert from 'node:assert/strict';
import type { ConnectOptions, Harness, Peer, SeenPublish } from '../../fixtures/broker-harness.ts';

type Options = Omit<ConnectOptions, 'clientId' | 'version'>;

/** Session expiry of the clients that keep their session, in seconds. */
export const EXPIRY_SECONDS = 3600;

/** A connected client. Without a session expiry its session ends with the connection. */
export function enter(house: Harness, clientId: string, options: Options = {}): Peer {
  return house.client(clientId, { ...options, version: 5 });
}

/** A connected client with a new session that outlives the connection. */
export function enterDurable(house: Harness, clientId: string, options: Options = {}): Peer {
  return enter(house, clientId, withExpiry(options));
}

/** A client that comes back to its session, which must still be there, and keeps it for later. */
export function comeBack(house: Harness, clientId: string, options: Options = {}): Peer {
  const peer = house.peer();
  const connack = peer.connect({ ...withExpiry(options), version: 5, clientId, cleanStart: false });
  assert.equal(connack.reason, 0);
  assert.equal(connack.sessionPresent, true, `the session of ${clientId} should still be there`);
  return peer;
}

/** Whether there is a session of that id, found out by a client that then leaves it behind as it was. */
export function hasSession(house: Harness, clientId: string): boolean {
  const peer = house.peer();
  const { sessionPresent } = peer.connect({ ...withExpiry({}), version: 5, clientId, cleanStart: false });
  peer.cut();
  return sessionPresent;
}

function withExpiry(options: Options): Options {
  return { ...options, properties: { sessionExpiryInterval: EXPIRY_SECONDS, ...options.properties } };
}

/** The payloads of the PUBLISH packets received and not looked at yet; other packets are an error. */
export function texts(peer: Peer): readonly string[] {
  return peer.publishes().map(({ text }) => text);
}

/**
 * Takes and acknowledges everything that comes, each QoS to its end, until nothing more comes; packets other than
 * PUBLISH and PUBREL are an error. @returns the messages, in order.
 */
export function takeAll(peer: Peer): readonly SeenPublish[] {
  const taken: SeenPublish[] = [];
  for (let batch = peer.all(); batch.length > 0; batch = peer.all()) {
    for (const packet of batch) {
      if (packet.type === 'pubrel') peer.ack('pubcomp', packet.packetId);
      else {
        assert.ok(packet.type === 'publish', `unexpected ${packet.type}`);
        taken.push(packet);
        if (packet.qos > 0) peer.ack(packet.qos === 1 ? 'puback' : 'pubrec', packet.packetId);
      }
    }
  }
  return taken;
}

/** 0 to `count` - 1 as text. */
export function numbers(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => String(index));
}

/** Nothing is left of anybody. */
export function assertEmpty(house: Harness): void {
  const { connections, sessions, subscriptions, retained } = house.broker.sizes();
  assert.deepEqual([connections, sessions, subscriptions, retained], [0, 0, 0, 0]);
}
