/**
 * Random sequences of packets, right and wrong, of all versions, from several clients at once, cut at any byte: what a
 * broker on the open network sees. After each step the promises of the broker are checked.
 *
 *     node test/fuzz/sequence.ts --runs 10000 --seed 1     (a failure prints the seed of its run and the last steps)
 *
 * A run is repeated exactly by its seed: clock, turn, random numbers and links are the harness's.
 */
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { readProtocolVersion } from '../../src/protocol/decode/connect.ts';
import { createFrameHeader, FrameStatus, readFrame } from '../../src/protocol/frame.ts';
import type { ProtocolVersion } from '../../src/protocol/version.ts';
import type { Peer, Seen } from '../fixtures/broker-harness.ts';
import { Chance } from '../fixtures/chance.ts';
import { allOf } from '../fixtures/raw-packets.ts';
import { createFuzzHouse, type FuzzHouse, SESSION_SECONDS_MAX } from './fuzz-house.ts';
import { CLIENT_IDS, PacketMaker } from './packet-maker.ts';

const SLOTS = 5;
const AUTH = 0xf0;
const STEPS_PER_RUN = 80;
/** More messages than this are never in flight in a run. */
const PACKET_IDS_USED = 200;
const LAST_STEPS_SHOWN = 12;
const SHOWN_BYTES_MAX = 200;
/** A CONNECT that is not complete by then never will be. */
const FIRST_BYTES_MAX = 100_000;
/** One chunk of input may bring this much output beyond the limit before it is noticed. */
const OUTPUT_OF_A_CHUNK = 256 * 1024;

/** One client of the run. */
interface Slot {
  peer: Peer;
  version: ProtocolVersion;
  /** Bytes that it is still about to send. */
  unsent: Uint8Array[];
  /** The first bytes that it sent, up to the end of its CONNECT. */
  first: Uint8Array;
  /** What it was sent and has not acknowledged: first byte of the answer and identifier. */
  owed: (readonly [firstByte: number, packetId: number])[];
  seenCount: number;
}

/** Runs one sequence. @throws Error that names the seed and the last steps. */
export async function runSequence(seed: number, steps: number = STEPS_PER_RUN): Promise<void> {
  const run = new SequenceRun(seed);
  try {
    await run.play(steps);
  } catch (error) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    throw new Error(`seed ${seed} failed: ${text}\nlast steps:\n  ${run.lastSteps().join('\n  ')}`);
  }
}

class SequenceRun {
  readonly #chance: Chance;
  readonly #maker: PacketMaker;
  readonly #fuzz: FuzzHouse;
  #witness: Peer | null = null;
  readonly #slots: (Slot | null)[] = new Array<Slot | null>(SLOTS).fill(null);
  readonly #steps: string[] = [];
  #servedCount = 0;

  constructor(seed: number) {
    this.#chance = new Chance(seed);
    this.#maker = new PacketMaker(this.#chance);
    this.#fuzz = createFuzzHouse(this.#chance);
  }

  lastSteps(): readonly string[] {
    return this.#steps.slice(-LAST_STEPS_SHOWN);
  }

  async play(steps: number): Promise<void> {
    for (let step = 0; step < steps; step += 1) {
      await this.#step();
      this.#checkBroker();
      if (step % 5 === 4) await this.#checkWitness();
    }
    await this.#leave();
  }

  // ----------------------------------------------------------------------------------------------------- steps

  async #step(): Promise<void> {
    const chance = this.#chance;
    const { house, journal } = this.#fuzz;
    const index = chance.below(SLOTS);
    const slot = this.#slots[index] ?? null;
    if (chance.percent(8)) this.#letTimePass();
    else if (slot === null || slot.peer.link.ended !== null) this.#slots[index] = this.#open(index);
    else this.#act(index, slot);
    if (journal !== null) this.#turnJournal();
    if (chance.percent(50)) await this.#settle();
    else house.settle();
    for (const each of this.#slots) if (each !== null) this.#read(each);
  }

  #letTimePass(): void {
    const chance = this.#chance;
    const ms = chance.weighted([
      [5, chance.below(2_000)],
      [3, chance.below(40_000)],
      [1, chance.below(3_600_000)],
    ]);
    this.#note(`${ms} ms pass`);
    if (chance.percent(20)) this.#fuzz.house.clock.jumpWall(chance.between(-86_400_000, 86_400_000));
    this.#fuzz.house.advance(ms);
  }

  #open(index: number): Slot {
    const chance = this.#chance;
    const version = chance.pick([3, 4, 5] as const);
    const connect = this.#maker.connect(version);
    const first = chance.weighted<() => Uint8Array>([
      [85, () => connect],
      [10, () => this.#maker.spoiled(connect)],
      [3, () => this.#maker.any(version)],
      [2, () => chance.bytes(chance.between(1, 30))],
    ])();
    const followed = chance.percent(40) ? allOf([first, this.#maker.any(version), this.#maker.any(version)]) : first;
    this.#note(`${index} opens ${shown(followed)}`);
    const peer = this.#fuzz.house.peer({ isSentLater: chance.percent(50) });
    const slot: Slot = { peer, version, unsent: [], first: new Uint8Array(0), owed: [], seenCount: 0 };
    this.#send(slot, followed);
    return slot;
  }

  #act(index: number, slot: Slot): void {
    const chance = this.#chance;
    const { link } = slot.peer;
    const action = chance.weighted<readonly [name: string, () => void]>([
      [45, ['sends', () => this.#sendAny(index, slot)]],
      [20, ['acknowledges', () => this.#acknowledge(slot)]],
      [8, ['goes on', () => undefined]],
      [3, ['hangs up', () => link.hangUp()]],
      [2, ['breaks', () => link.fail()]],
      [4, ['takes no more', () => link.block(chance.below(300))]],
      [6, ['takes all', () => link.release()]],
    ]);
    this.#note(`${index} ${action[0]}`);
    action[1]();
    const next = slot.unsent.shift();
    if (next !== undefined) deliver(slot, next);
  }

  #sendAny(index: number, slot: Slot): void {
    const chance = this.#chance;
    const packets = Array.from(
      {
        length: chance.weighted([
          [6, 1],
          [2, 3],
          [1, 12],
        ]),
      },
      () => this.#maker.any(slot.version),
    );
    const bytes = chance.weighted<() => Uint8Array>([
      [88, () => allOf(packets)],
      [10, () => this.#maker.spoiled(allOf(packets))],
      [1, () => chance.bytes(chance.between(1, 40))],
    ])();
    this.#note(`${index} ${shown(bytes)}`);
    this.#send(slot, bytes);
  }

  /** Sends in one piece, in several at once, or spread over the next steps. */
  #send(slot: Slot, bytes: Uint8Array): void {
    const chance = this.#chance;
    const waiting = slot.unsent.splice(0);
    const all = allOf([...waiting, bytes]);
    if (chance.percent(60)) {
      deliver(slot, all);
      return;
    }
    const pieces = chance.pieces(all);
    const now = chance.percent(60) ? pieces.length : chance.below(pieces.length);
    for (const piece of pieces.slice(0, now)) deliver(slot, piece);
    const rest = pieces.slice(now);
    if (rest.length > 0) slot.unsent = [allOf(rest.slice(0, 1)), ...(rest.length > 1 ? [allOf(rest.slice(1))] : [])];
  }

  #acknowledge(slot: Slot): void {
    const count = this.#chance.percent(50) ? slot.owed.length : Math.min(1, slot.owed.length);
    const answers = slot.owed
      .splice(0, count)
      .map(([firstByte, id]) =>
        firstByte === AUTH ? this.#maker.auth() : this.#maker.ack(slot.version, firstByte, id),
      );
    if (answers.length > 0) this.#send(slot, allOf(answers));
  }

  #turnJournal(): void {
    const chance = this.#chance;
    const { journal } = this.#fuzz;
    if (journal === null) return;
    if (chance.percent(3)) journal.fail();
    else if (chance.percent(20)) journal.recover();
    if (!journal.isFailing && chance.percent(50)) journal.commit(chance.below(journal.waitingCount + 1));
  }

  // ---------------------------------------------------------------------------------------------------- checks

  /** Everything that a client is sent must be a packet that it may get, in its version. */
  #read(slot: Slot): void {
    for (const packet of slot.peer.all()) {
      slot.seenCount += 1;
      if (slot.seenCount === 1) assert.ok(['connack', 'auth'].includes(packet.type), `first packet ${packet.type}`);
      else assert.ok(packet.type !== 'connack' || slot.seenCount < 6, 'CONNACK after other packets');
      owe(slot, packet);
    }
  }

  #checkBroker(): void {
    const { house, settings } = this.#fuzz;
    const { counters } = house.broker;
    const errors = house.log.texts('error');
    assert.deepEqual(errors, [], 'nothing is logged as an error');
    assert.equal(counters.internalErrors, 0);
    const sizes = house.broker.sizes();
    assert.ok(sizes.connections <= SLOTS + 1, `${sizes.connections} connections`);
    assert.ok(sizes.subscriptions <= sizes.sessions * settings.subscriptionsPerSessionMax);
    for (const slot of this.#slots) {
      const pending = slot?.peer.link.pendingBytes ?? 0;
      assert.ok(pending <= settings.outboxBytesMax + OUTPUT_OF_A_CHUNK, `${pending} bytes wait for one client`);
    }
    house.log.lines.splice(0);
  }

  /** A client that does nothing wrong is served, whatever the others do. */
  async #checkWitness(): Promise<void> {
    const { journal, listener } = this.#fuzz;
    journal?.recover();
    const witness = this.#witness === null || this.#witness.isClosed ? await this.#openWitness() : this.#witness;
    this.#servedCount += 1;
    const text = `served ${this.#servedCount}`;
    const qos = listener.maxQos === 0 ? 0 : 1;
    witness.publish('witness/self', text, { qos, packetId: 1 });
    await this.#settleDurably();
    const seen = witness.all();
    const published = seen.find((packet) => packet.type === 'publish');
    assert.equal(published?.type === 'publish' ? published.text : null, text, 'the witness gets its message');
    assert.equal(seen.filter(({ type }) => type === 'puback').length, qos, 'the witness gets its PUBACK');
    if (published?.type === 'publish' && published.qos === 1) witness.ack('puback', published.packetId);
    await this.#settleDurably();
    const isAllSent = this.#slots.every((slot) => (slot?.peer.link.pendingBytes ?? 0) === 0);
    if (isAllSent) assert.equal(this.#fuzz.house.broker.sizes().outboxChunks, 0, 'all chunks are back in their pools');
  }

  async #openWitness(): Promise<Peer> {
    const witness = this.#fuzz.house.peer();
    this.#witness = witness;
    witness.sendConnect({ clientId: 'witness', keepAlive: this.#fuzz.settings.maxKeepAlive });
    witness.sendSubscribe('witness/self', { qos: 1 });
    await this.#settleDurably();
    assert.deepEqual(
      witness.all().map(({ type }) => type),
      ['connack', 'suback'],
    );
    return witness;
  }

  /** All leave, in some way: what is left after the longest life of a session must be nothing. */
  async #leave(): Promise<void> {
    const { house, journal } = this.#fuzz;
    for (const slot of this.#slots) {
      slot?.peer.link.release();
      if (this.#chance.percent(50)) slot?.peer.link.fail();
      else slot?.peer.link.hangUp();
    }
    journal?.recover();
    await this.#settleDurably();
    for (const clientId of CLIENT_IDS) await this.#checkQueue(clientId);
    this.#witness?.cut();
    await this.#settleDurably();
    // A will that becomes due may be kept for others: their sessions end too.
    house.advance((SESSION_SECONDS_MAX + 1) * 1000);
    await this.#settleDurably();
    const { sessionsMaximum, retained, storedMessages, storedBytes, ...rest } = house.broker.sizes();
    for (const [name, size] of Object.entries(rest)) assert.equal(size, 0, `nothing is kept: ${name}`);
    assert.ok(sessionsMaximum > 0);
    assert.equal(storedMessages, retained, 'only what is retained is stored');
    assert.equal(storedBytes > 0, retained > 0);
    assert.ok(retained <= house.broker.counters.publishesReceived + this.#steps.length);
    house.advance(365 * 24 * 3_600_000);
    // But for retained messages that live longer than that.
    const waitingMax = house.broker.sizes().retained > 0 ? 1 : 0;
    assert.ok(house.clock.waitingCount <= waitingMax, 'no timer waits');
    this.#checkBroker();
  }

  /** What waits for a session, asked for by a client that does everything right, is within the limits. */
  async #checkQueue(clientId: string): Promise<void> {
    const { house, settings, journal } = this.#fuzz;
    const peer = house.peer();
    peer.sendConnect({ clientId, cleanStart: false, keepAlive: 20 });
    await this.#settleDurably();
    let waitingCount = 0;
    for (let packets = peer.all(); packets.length > 0; packets = peer.all()) {
      for (const packet of packets) {
        if (packet.type === 'publish' && !packet.dup) waitingCount += 1;
        answer(peer, packet);
      }
      await this.#settleDurably();
    }
    // What waited for the journal when its client left is in flight and goes out for the first time.
    const inflightMax = journal === null ? 0 : PACKET_IDS_USED;
    assert.ok(waitingCount <= settings.maxQueuedMessages + inflightMax, `${waitingCount} waited for ${clientId}`);
    peer.cut();
    await this.#settleDurably();
  }

  #settle(): Promise<void> {
    return this.#fuzz.house.settleLater();
  }

  /** Everything that waits for the journal goes on, and what that makes wait for it again. */
  async #settleDurably(): Promise<void> {
    const { journal } = this.#fuzz;
    do {
      journal?.commit();
      await this.#settle();
    } while (journal !== null && journal.waitingCount > 0);
  }

  #note(step: string): void {
    this.#steps.push(step);
  }
}

/** What a client that does nothing wrong answers. */
function answer(peer: Peer, packet: Seen): void {
  if (packet.type === 'pubrel') peer.ack('pubcomp', packet.packetId);
  if (packet.type === 'publish' && packet.qos > 0) peer.ack(packet.qos === 1 ? 'puback' : 'pubrec', packet.packetId);
}

/** Notes what the packet asks the client to answer. */
function owe(slot: Slot, packet: Seen): void {
  if (packet.type === 'auth' && packet.reason !== 0) slot.owed.push([AUTH, 0]);
  if (packet.type === 'pubrel') slot.owed.push([0x70, packet.packetId]);
  if (packet.type === 'pubrec') slot.owed.push([0x62, packet.packetId]);
  if (packet.type !== 'publish') return;
  assert.equal(packet.packetId > 0, packet.qos > 0);
  assert.ok(packet.qos > 0 || !packet.dup);
  if (packet.qos > 0) slot.owed.push([packet.qos === 1 ? 0x40 : 0x50, packet.packetId]);
}

/** Hands bytes to the link, and finds out from the first of them in which version the broker will answer. */
function deliver(slot: Slot, bytes: Uint8Array): void {
  slot.peer.link.deliver(bytes);
  if (slot.seenCount > 0 || slot.first.length > FIRST_BYTES_MAX) return;
  slot.first = allOf([slot.first, bytes]);
  slot.peer.readAs(versionOf(slot.first));
}

function versionOf(first: Uint8Array): ProtocolVersion {
  const header = createFrameHeader();
  try {
    if (readFrame(first, 0, first.length, header) !== FrameStatus.Complete) return 4;
    return readProtocolVersion(first, header.bodyStart, header.bodyEnd).version;
  } catch {
    return 4;
  }
}

function shown(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes.subarray(0, SHOWN_BYTES_MAX)).toString('hex');
  return bytes.length > SHOWN_BYTES_MAX ? `${hex}... (${bytes.length} bytes)` : hex;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { runs: { type: 'string' }, seed: { type: 'string' }, steps: { type: 'string' } },
  });
  const runs = Number(values.runs ?? 1000);
  const first = Number(values.seed ?? 1);
  const steps = Number(values.steps ?? STEPS_PER_RUN);
  for (let seed = first; seed < first + runs; seed += 1) await runSequence(seed, steps);
  console.log(`${runs} sequences of ${steps} steps, seeds ${first} to ${first + runs - 1}: no failure`);
}

if (import.meta.main) await main();
