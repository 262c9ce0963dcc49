import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Chance } from './chance.ts';
import { killKind, planKill, planRecoveryKills, Trap } from './kill-plan.ts';
import { numberOf, payloadOf } from './payloads.ts';
import type { ReceivedPacket } from './wire.ts';

const PING: ReceivedPacket = { type: 'pingresp' };
const PUBLISH: ReceivedPacket = {
  type: 'publish',
  topic: 't',
  payload: new Uint8Array(0),
  qos: 0,
  dup: false,
  retain: false,
  packetId: 0,
  identifiers: [],
};

describe('kill plan', () => {
  it('has every kind of acknowledgement within 16 cycles, and the same for the same seed', () => {
    const plan = (): string[] => {
      const chance = new Chance(5);
      return Array.from({ length: 16 }, (_, cycle) => killKind(planKill(chance, cycle)));
    };
    const kinds = new Set(plan());
    for (const kind of ['time', 'puback', 'pubrec', 'pubcomp', 'suback', 'unsuback', 'connack', 'publish', 'pubrel']) {
      assert.ok(kinds.has(kind), kind);
    }
    assert.deepEqual(plan(), plan());
  });

  it('kills at a restart before it listens, after it, and while everybody returns; only before it where that is asked', () => {
    const chance = new Chance(6);
    const kinds = (onlyEarly: boolean): Set<string> => {
      return new Set(
        Array.from({ length: 200 }, () => planRecoveryKills(chance, onlyEarly).map(({ kind }) => kind)).flat(),
      );
    };
    assert.deepEqual(kinds(false), new Set(['start', 'listening', 'packet']));
    assert.deepEqual(kinds(true), new Set(['start']));
  });

  it('a trap goes off once, at the packet it was set for', () => {
    let sprung = 0;
    const trap = new Trap();
    trap.set({ kind: 'packet', type: 'publish', nth: 2 }, () => {
      sprung += 1;
    });
    for (const packet of [PUBLISH, PING, PING]) trap.see(packet);
    assert.equal(sprung, 0);
    for (const packet of [PUBLISH, PUBLISH, PUBLISH]) trap.see(packet);
    assert.equal(sprung, 1);
    trap.set({ kind: 'packet', type: 'publish', nth: 1 }, () => assert.fail('it was cleared'));
    trap.clear();
    trap.see(PUBLISH);
  });
});

describe('payloads', () => {
  it('say their number, and nothing else passes for one', () => {
    for (const bytes of [0, 40, 5000]) {
      const payload = payloadOf(7, 'a/b', 12, bytes);
      assert.ok(payload.length >= bytes);
      assert.equal(numberOf(7, 'a/b', payload), 12);
      assert.equal(numberOf(8, 'a/b', payload), null, 'of another campaign');
      assert.equal(numberOf(7, 'a/c', payload), null, 'of another topic');
      const damaged = Uint8Array.from(payload);
      damaged[damaged.length - 1] = 0x21;
      assert.equal(numberOf(7, 'a/b', damaged), null, 'damaged');
    }
    assert.equal(numberOf(7, 'a/b', new Uint8Array(0)), null);
  });
});
