/**
 * Packets of clients, put together at random from parts that are mostly right, so that most are served and some break a
 * rule; and ways to spoil them.
 */
import type { ProtocolVersion } from '../../src/protocol/version.ts';
import type { Chance } from '../fixtures/chance.ts';
import { allOf, field, frame, joined, type Part, rawConnect, u16, variableInteger } from '../fixtures/raw-packets.ts';

export const CLIENT_IDS = ['one', 'two', 'three', 'four'];
const USERS = ['anna', 'bert', 'refused'];
/** `deny` and below is what the gatekeepers of the fuzzer refuse. */
const TOPICS = [
  'a',
  'a/b',
  'a/b/c',
  'b',
  '$x/y',
  'deny/a',
  'x//y',
  'witness/noise',
  '$SYS/x',
  '$CONTROL/x',
  '\u00fc/\u20ac',
];
const FILTERS = [
  '#',
  '+',
  'a/#',
  'a/+',
  '+/b',
  '$x/#',
  'a',
  'deny/#',
  '+/+/#',
  '$share/g/#',
  '$share/g/a/+',
  '$share/h/a/#',
  '$SYS/#',
];
const BAD_FILTERS = ['', 'a#', '#/a', 'a+', '$share', '$share/g', '$share/+/a', '$share/g/'];

export class PacketMaker {
  readonly #chance: Chance;

  constructor(chance: Chance) {
    this.#chance = chance;
  }

  connect(version: ProtocolVersion): Uint8Array {
    const chance = this.#chance;
    const head = version === 3 ? { name: 'MQIsdp', level: 3 } : { level: version };
    const hasWill = chance.percent(40);
    const hasUser = chance.percent(30);
    const hasPassword = hasUser && chance.percent(50);
    const willFlags = hasWill ? 0x04 | (chance.below(3) << 3) | (chance.percent(30) ? 0x20 : 0) : 0;
    const flags = (chance.percent(40) ? 0x02 : 0) | willFlags | (hasUser ? 0x80 : 0) | (hasPassword ? 0x40 : 0);
    const payload: Part[] = [field(chance.percent(95) ? chance.pick(CLIENT_IDS) : '')];
    if (hasWill && version === 5) payload.push(this.#block([0x01, 0x02, 0x03, 0x08, 0x09, 0x18, 0x26]));
    if (hasWill) payload.push(field(this.#topic()), field(this.#payload()));
    if (hasUser) payload.push(field(chance.pick(USERS)));
    if (hasPassword) payload.push(field('secret'));
    const keepAlive = chance.pick([0, 0, 1, 10, 60, 65535]);
    const isBridge = version !== 5 && chance.percent(5);
    const level = isBridge ? head.level | 0x80 : head.level;
    const properties =
      version === 5 ? { properties: this.#properties([0x11, 0x15, 0x17, 0x19, 0x21, 0x22, 0x26, 0x27]) } : {};
    return rawConnect({ ...head, level, flags, keepAlive, payload, ...properties });
  }

  publish(version: ProtocolVersion): Uint8Array {
    const chance = this.#chance;
    const qos = chance.below(3);
    const dup = qos > 0 && chance.percent(20) ? 0x08 : 0;
    const flags = dup | (qos << 1) | (chance.percent(25) ? 1 : 0);
    const topic = version === 5 && chance.percent(15) ? '' : this.#topic();
    const id = qos > 0 ? u16(this.#packetId()) : '';
    const block = version === 5 ? this.#block([0x01, 0x02, 0x03, 0x08, 0x09, 0x23, 0x23, 0x26]) : '';
    return frame(0x30 | flags, field(topic), id, block, this.#payload());
  }

  subscribe(version: ProtocolVersion): Uint8Array {
    const chance = this.#chance;
    const pairs: Part[] = [];
    for (let left = chance.between(1, 4); left > 0; left -= 1) {
      const more =
        version === 5 ? (chance.percent(20) ? 0x04 : 0) | (chance.percent(20) ? 0x08 : 0) | (chance.below(3) << 4) : 0;
      pairs.push(field(chance.percent(98) ? chance.pick(FILTERS) : chance.pick(BAD_FILTERS)), chance.below(3) | more);
    }
    const block = version === 5 ? this.#block([0x0b, 0x26]) : '';
    return frame(0x82, u16(this.#packetId()), block, allOf(pairs));
  }

  unsubscribe(version: ProtocolVersion): Uint8Array {
    const chance = this.#chance;
    const filters = Array.from({ length: chance.between(1, 3) }, () => field(chance.pick(FILTERS)));
    return frame(0xa2, u16(this.#packetId()), version === 5 ? this.#block([0x26]) : '', allOf(filters));
  }

  /** An acknowledgement of any kind, whether there is something to acknowledge or not. */
  ack(
    version: ProtocolVersion,
    firstByte: number = this.#chance.pick([0x40, 0x50, 0x62, 0x70]),
    packetId = this.#packetId(),
  ): Uint8Array {
    const chance = this.#chance;
    if (version !== 5 || chance.percent(80)) return frame(firstByte, u16(packetId));
    const reasons = firstByte === 0x40 || firstByte === 0x50 ? [0, 0x10, 0x80, 0x87, 0x97] : [0, 0x92];
    return frame(firstByte, u16(packetId), chance.pick(reasons), chance.percent(50) ? this.#block([0x1f, 0x26]) : '');
  }

  disconnect(version: ProtocolVersion): Uint8Array {
    const chance = this.#chance;
    if (version !== 5 || chance.percent(40)) return frame(0xe0);
    return frame(0xe0, chance.pick([0, 4, 0x80, 0x82]), this.#block([0x11, 0x1f, 0x26]));
  }

  /** AUTH, mostly with the method that is offered. */
  auth(reason = 0x18): Uint8Array {
    if (this.#chance.percent(15)) return frame(0xf0, reason, this.#block([0x15, 0x16, 0x1f, 0x26]));
    const properties = joined(this.#property(0x15), 0x16, field('answer'));
    return frame(0xf0, reason, variableInteger(properties.length), properties);
  }

  /** Anything else: pings, AUTH, packets that only servers send. */
  other(): Uint8Array {
    const chance = this.#chance;
    return chance.weighted<() => Uint8Array>([
      [10, () => frame(0xc0)],
      [6, () => this.auth(chance.pick([0x18, 0x19, 0x19, 0]))],
      [1, () => frame(chance.pick([0x00, 0x20, 0x90, 0xb0, 0xd0]), chance.bytes(chance.below(4)))],
    ])();
  }

  /** A packet of a connected client. */
  any(version: ProtocolVersion): Uint8Array {
    return this.#chance.weighted<() => Uint8Array>([
      [40, () => this.publish(version)],
      [14, () => this.subscribe(version)],
      [6, () => this.unsubscribe(version)],
      [12, () => this.ack(version)],
      [6, () => this.other()],
      [1, () => this.disconnect(version)],
      [1, () => this.connect(version)],
    ])();
  }

  /** The same bytes with something changed in them. */
  spoiled(bytes: Uint8Array): Uint8Array {
    const chance = this.#chance;
    const at = chance.below(bytes.length);
    const before = bytes.slice(0, at);
    const after = bytes.slice(at);
    return chance.weighted<() => Uint8Array>([
      [5, () => joined(before, (after[0] ?? 0) ^ (1 << chance.below(8)), after.slice(1))],
      [3, () => joined(before, chance.below(256), after.slice(1))],
      [2, () => joined(before, chance.bytes(chance.between(1, 4)), after)],
      [2, () => joined(before, after.slice(chance.between(1, 4)))],
      [1, () => joined(before, after, chance.bytes(chance.between(1, 8)))],
      [1, () => joined(before, u16(chance.pick([0, 1, 0x7fff, 0xffff])), after.slice(2))],
      [2, () => framedAgain(joined(before, chance.below(256), after.slice(1)))],
      [2, () => framedAgain(before)],
    ])();
  }

  #topic(): string {
    return this.#chance.percent(99)
      ? this.#chance.pick(TOPICS)
      : this.#chance.pick(['', 'a/+', '#', 'a\0b', '/'.repeat(300)]);
  }

  #payload(): Uint8Array {
    const chance = this.#chance;
    return chance.bytes(chance.pick([0, 0, 1, 5, 20, 100, 3000, 5000]));
  }

  #packetId(): number {
    return this.#chance.percent(98) ? this.#chance.between(1, 8) : this.#chance.pick([0, 9, 65535]);
  }

  #block(ids: readonly number[]): Uint8Array {
    const properties = this.#properties(ids);
    return joined(variableInteger(properties.length), properties);
  }

  /** A few properties out of those that may stand there; now and then one that may not, or one twice. */
  #properties(ids: readonly number[]): Uint8Array {
    const chance = this.#chance;
    if (chance.percent(40)) return new Uint8Array(0);
    const chosen = ids.filter(() => chance.percent(30));
    if (chance.percent(2)) chosen.push(chance.pick([0x00, 0x01, 0x0b, 0x12, 0x21, 0x23, 0x7f]));
    return allOf(chosen.map((id) => this.#property(id)));
  }

  #property(id: number): Uint8Array {
    const chance = this.#chance;
    switch (id) {
      case 0x01:
      case 0x17:
      case 0x19:
        return joined(id, chance.below(2));
      case 0x02:
      case 0x18:
        return joined(id, u32(chance.pick([0, 1, 5, 30])));
      case 0x11:
        return joined(id, u32(chance.pick([0, 3, 30, 0xffff_ffff])));
      case 0x27:
        return joined(id, u32(chance.pick([30, 60, 200, 1_000_000])));
      case 0x0b:
        return joined(id, variableInteger(chance.pick([1, 127, 128, 268_435_455])));
      case 0x21:
        return joined(id, u16(chance.pick([1, 2, 10, 65535])));
      case 0x22:
        return joined(id, u16(chance.pick([0, 1, 3, 65535])));
      case 0x23:
        return joined(id, u16(chance.between(1, 4)));
      case 0x26:
        return joined(id, field('name'), field('value'));
      case 0x15:
        return joined(id, field(chance.pick(['method', 'method', 'unknown'])));
      default:
        return joined(id, field(id === 0x08 ? 'a/answer' : 'text'));
    }
  }
}

/** The remaining length put right again, so that the change is looked at as a packet of its own. */
function framedAgain(bytes: Uint8Array): Uint8Array {
  let at = 1;
  while (at < 5 && (bytes[at] ?? 0) >= 0x80) at += 1;
  return frame(bytes[0] ?? 0, bytes.slice(at + 1));
}

function u32(value: number): Uint8Array {
  return joined(u16(Math.floor(value / 0x10000)), u16(value % 0x10000));
}
