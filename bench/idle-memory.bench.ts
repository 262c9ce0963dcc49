/**
 * What a connected client costs that has one subscription and says nothing: the core's part, without a socket.
 *
 *   node --expose-gc bench/idle-memory.bench.ts [clients=15000] [version=4]
 *
 * Links that keep nothing stand in for the transport and are made before the first look. Printed are the growth of heap
 * and buffers per client, and who holds it: a heap snapshot's objects by where they hang, as far as there is one for at
 * least every second client.
 */
import { getHeapSnapshot } from 'node:v8';
import { createBroker } from '../src/core/broker.ts';
import { DEFAULT_SETTINGS } from '../src/core/model/settings.ts';
import { createMemoryJournal } from '../src/modules/persistence/index.ts';
import { encodeConnect, encodeSubscribe } from '../src/protocol/encode/packet.ts';
import { EMPTY_PROPERTIES } from '../src/protocol/packets.ts';
import { parseTopicFilter } from '../src/protocol/topic.ts';
import type { ProtocolVersion } from '../src/protocol/version.ts';
import { FakeTurn } from '../test/fixtures/fake-turn.ts';
import { SeededRandom } from '../test/fixtures/seeded-random.ts';
import { SinkLink } from '../test/fixtures/sink-link.ts';

const clientCount = Number(process.argv[2] ?? 15_000);
const version = versionOf(process.argv[3] ?? '4');
const ROWS_SHOWN = 60;

const turn = new FakeTurn();
const broker = createBroker({
  clock: { monotonicMs: () => performance.now(), wallMs: () => Date.now(), after: () => () => undefined },
  log: { has: () => false, write: () => undefined },
  turn,
  random: new SeededRandom(1),
  journal: createMemoryJournal(),
  gatekeeper: null,
  settings: DEFAULT_SETTINGS,
});
/** As the transport has it: one buffer for the input of all connections. */
const input = new Uint8Array(4096);

// Code and pools are there before the first look.
for (let index = 0; index < 200; index += 1) connect(new SinkLink(), `warm-up-${index}`);
const links = Array.from({ length: clientCount }, () => new SinkLink());
const before = usedBytes();
links.forEach((link, index) => {
  connect(link, `c${String(index).padStart(11, '0')}`);
});
const after = usedBytes();

const { connections, subscriptions } = broker.sizes();
console.log(`${connections} connections of MQTT version ${version}, ${subscriptions} subscriptions`);
perClient('heap', after.heap - before.heap);
perClient('buffers and other memory outside', after.outside - before.outside);
perClient('together', after.heap + after.outside - before.heap - before.outside);
console.log(`resident memory, which drifts: ${((after.resident - before.resident) / clientCount).toFixed(0)} bytes`);
await printHolders();

function connect(link: SinkLink, clientId: string): void {
  link.events = broker.accept(link);
  deliver(link, connectBytes(clientId));
  deliver(link, subscribeBytes(`plant/line/${clientId}/set`));
}

function deliver(link: SinkLink, bytes: Uint8Array): void {
  input.set(bytes);
  link.events?.onBytes(input, 0, bytes.length);
  turn.end();
}

function connectBytes(clientId: string): Uint8Array {
  return encodeConnect({
    type: 'connect',
    version,
    isBridge: false,
    clientId,
    cleanStart: true,
    keepAlive: 60,
    userName: null,
    password: null,
    will: null,
    properties: EMPTY_PROPERTIES,
  });
}

function subscribeBytes(text: string): Uint8Array {
  const filter = parseTopicFilter(text);
  if (filter === null) throw new Error(`no topic filter: ${text}`);
  const request = { filter, qos: 0, noLocal: false, retainAsPublished: false, retainHandling: 0 } as const;
  return encodeSubscribe(
    { type: 'subscribe', packetId: 1, subscriptions: [request], properties: EMPTY_PROPERTIES },
    version,
  );
}

function versionOf(text: string): ProtocolVersion {
  if (text === '3') return 3;
  return text === '5' ? 5 : 4;
}

function usedBytes(): { readonly heap: number; readonly outside: number; readonly resident: number } {
  if (globalThis.gc === undefined) throw new Error('run it with node --expose-gc');
  for (let round = 0; round < 4; round += 1) globalThis.gc();
  const { heapUsed, external, rss } = process.memoryUsage();
  return { heap: heapUsed, outside: external, resident: rss };
}

function perClient(label: string, bytes: number): void {
  console.log(`${label.padEnd(40)} ${(bytes / clientCount).toFixed(1).padStart(8)} bytes`);
}

// ---------------------------------------------------------------------------------------------- who holds what

interface Group {
  bytes: number;
  count: number;
}

/** The parts of V8's heap snapshot that are looked at; its numbers stand in rows as `meta` says. */
interface Snapshot {
  readonly snapshot: {
    readonly meta: {
      readonly node_fields: readonly string[];
      readonly node_types: readonly [readonly string[]];
      readonly edge_fields: readonly string[];
      readonly edge_types: readonly [readonly string[]];
    };
  };
  readonly nodes: readonly number[];
  readonly edges: readonly number[];
  readonly strings: readonly string[];
}

async function printHolders(): Promise<void> {
  const groups = groupByHolder(await takeSnapshot());
  const rows = [...groups].filter(([, group]) => group.count >= clientCount / 2 || group.bytes > 4 * clientCount);
  rows.sort((a, b) => b[1].bytes - a[1].bytes);
  console.log('\n bytes per client | objects per client | bytes each | what');
  for (const [name, { bytes, count }] of rows.slice(0, ROWS_SHOWN)) {
    const figures = [bytes / clientCount, count / clientCount, bytes / count];
    console.log(`${figures.map((figure) => figure.toFixed(1).padStart(9)).join(' ')}   ${name}`);
  }
}

async function takeSnapshot(): Promise<Snapshot> {
  const parts: Buffer[] = [];
  for await (const part of getHeapSnapshot()) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString());
}

/** Objects by their constructor and by where they hang: the first who refers to them, and by which name. */
function groupByHolder({ snapshot, nodes, edges, strings }: Snapshot): ReadonlyMap<string, Group> {
  const { meta } = snapshot;
  const nodeSize = meta.node_fields.length;
  const edgeSize = meta.edge_fields.length;
  const [typeAt, nameAt, bytesAt, edgesAt] = ['type', 'name', 'self_size', 'edge_count'].map((field) =>
    meta.node_fields.indexOf(field),
  );
  const [edgeTypeAt, edgeNameAt, toAt] = ['type', 'name_or_index', 'to_node'].map((field) =>
    meta.edge_fields.indexOf(field),
  );
  const read = (list: readonly number[], start: number, at: number | undefined): number => list[start + (at ?? 0)] ?? 0;
  const nameOf = (node: number): string => {
    const type = meta.node_types[0][read(nodes, node, typeAt)] ?? '';
    const isString = type.includes('string');
    return isString || type === 'number' || type === 'code'
      ? type
      : `${strings[read(nodes, node, nameAt)]?.slice(0, 40)}${type === 'object' ? '' : ` (${type})`}`;
  };
  // Who refers to it by a name of its own comes before who has it in a list or a closure.
  const holders = new Map<number, string>();
  for (const isNamed of [true, false]) {
    let edge = 0;
    for (let node = 0; node < nodes.length; node += nodeSize) {
      for (let left = read(nodes, node, edgesAt); left > 0; left -= 1, edge += edgeSize) {
        const kind = meta.edge_types[0][read(edges, edge, edgeTypeAt)];
        const to = read(edges, edge, toAt);
        if ((kind === 'property') !== isNamed || kind === 'weak' || holders.has(to)) continue;
        const hasName = kind !== 'element' && kind !== 'hidden';
        holders.set(to, `${nameOf(node)}.${hasName ? strings[read(edges, edge, edgeNameAt)] : '[]'}`);
      }
    }
  }
  const groups = new Map<string, Group>();
  for (let node = 0; node < nodes.length; node += nodeSize) {
    const name = `${nameOf(node)}   <- ${holders.get(node) ?? ''}`;
    const group = groups.get(name) ?? { bytes: 0, count: 0 };
    group.bytes += read(nodes, node, bytesAt);
    group.count += 1;
    groups.set(name, group);
  }
  return groups;
}
