/** What a client costs that is connected, has one subscription and says nothing: most of them, most of the time. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectBytes } from '../../../test/fixtures/broker-harness.ts';
import { FakeClock } from '../../../test/fixtures/fake-clock.ts';
import { FakeTurn } from '../../../test/fixtures/fake-turn.ts';
import { usedBytes } from '../../../test/fixtures/memory.ts';
import { rawAck, rawPublish, rawSubscribe } from '../../../test/fixtures/raw-packets.ts';
import { SeededRandom } from '../../../test/fixtures/seeded-random.ts';
import { SinkLink } from '../../../test/fixtures/sink-link.ts';
import { createMemoryJournal } from '../../modules/persistence/index.ts';
import { type Broker, createBroker } from '../broker.ts';
import { DEFAULT_SETTINGS } from '../model/settings.ts';

const CLIENTS = 3000;
/** bench/idle-memory.bench.ts prints what it is now, and who holds it. */
const BYTES_MAX = 1400;

const turn = new FakeTurn();

function startBroker(): Broker {
  return createBroker({
    clock: new FakeClock(),
    log: { has: () => false, write: () => undefined },
    turn,
    random: new SeededRandom(1),
    journal: createMemoryJournal(),
    gatekeeper: null,
    settings: DEFAULT_SETTINGS,
  });
}

function deliver(link: SinkLink, bytes: Uint8Array): void {
  link.events?.onBytes(bytes, 0, bytes.length);
  turn.end();
}

function enter(broker: Broker, clientId: string, filter: string): SinkLink {
  const link = new SinkLink();
  link.events = broker.accept(link);
  deliver(link, connectBytes({ clientId, keepAlive: 60 }));
  deliver(link, rawSubscribe([[filter, 2]]));
  return link;
}

/** A broker whose clients all have the same subscription, and the one who publishes to it. */
function startPlant(clientCount: number): { broker: Broker; publisher: SinkLink; links: readonly SinkLink[] } {
  const broker = startBroker();
  const publisher = enter(broker, 'publisher', 'nothing');
  const links = Array.from({ length: clientCount }, (_, index) => enter(broker, `client-${index}`, 'news'));
  // From now on the pool of outboxes is full.
  deliver(publisher, rawPublish('news', { flags: 0x00 }));
  return { broker, publisher, links };
}

/** One exchange of each QoS to each client, and one of QoS 2 from each, all of them to the end. */
function beBusy({ broker, publisher, links }: ReturnType<typeof startPlant>): void {
  const sentBefore = broker.counters.publishesSent;
  deliver(publisher, rawPublish('news', { flags: 0x00 }));
  deliver(publisher, rawPublish('news', { flags: 0x02, packetId: 1 }));
  deliver(publisher, rawPublish('news', { flags: 0x04, packetId: 2 }));
  deliver(publisher, rawAck(0x62, 2));
  for (const link of links) {
    deliver(link, rawPublish('up', { flags: 0x04, packetId: 1 }));
    deliver(link, rawAck(0x62, 1));
    deliver(link, rawAck(0x40, 1));
    deliver(link, rawAck(0x50, 2));
    deliver(link, rawAck(0x70, 2));
  }
  assert.equal(broker.counters.publishesSent - sentBefore, 3 * links.length);
}

test(`an idle client with a subscription costs less than ${BYTES_MAX} bytes`, () => {
  const broker = startBroker();
  for (let index = 0; index < 300; index += 1) enter(broker, `warm-up-${index}`, `to/warm-up-${index}`);
  const before = usedBytes();
  for (let index = 0; index < CLIENTS; index += 1) enter(broker, `client-${index}`, `to/client-${index}`);
  const bytesEach = (usedBytes() - before) / CLIENTS;
  assert.equal(broker.sizes().subscriptions, CLIENTS + 300);
  assert.ok(bytesEach < BYTES_MAX, `${Math.round(bytesEach)} bytes for each client`);
});

test('a client that was busy costs what it did before', () => {
  beBusy(startPlant(300));
  const plant = startPlant(CLIENTS);
  const before = usedBytes();
  beBusy(plant);
  const bytesEach = (usedBytes() - before) / CLIENTS;
  assert.deepEqual([plant.broker.counters.protocolErrors, plant.broker.sizes().outboxChunks], [0, 0]);
  // A window alone has 150, an outbox 2300.
  assert.ok(bytesEach < 60, `${Math.round(bytesEach)} bytes more for each client`);
});
