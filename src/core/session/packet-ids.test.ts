import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PACKET_ID_MAX, PacketIds } from './packet-ids.ts';

/** The identifiers in use, with a count of the looks at single ones. */
class Used {
  readonly ids = new Map<number, true>();
  lookCount = 0;

  constructor() {
    this.ids.has = (id) => {
      this.lookCount += 1;
      return this.ids.get(id) === true;
    };
  }

  take(from: PacketIds): number {
    const id = from.next(this.ids);
    assert.ok(id >= 1 && id <= PACKET_ID_MAX, `${id} is no packet identifier`);
    assert.equal(this.ids.get(id), undefined, `${id} is in use`);
    this.ids.set(id, true);
    return id;
  }

  free(to: PacketIds, id: number): void {
    this.ids.delete(id);
    to.free(id);
  }
}

test('all 65,535 identifiers are given out once, from 1 up, then the one that was freed', () => {
  const packetIds = new PacketIds();
  const used = new Used();
  for (let id = 1; id <= PACKET_ID_MAX; id += 1) assert.equal(used.take(packetIds), id);
  for (const id of [777, 1, PACKET_ID_MAX, 31, 32, 33, 65_504, 256, 257]) {
    used.free(packetIds, id);
    assert.equal(used.take(packetIds), id);
  }
});

test('with 65,534 identifiers in use the search for the last one looks at few of them', () => {
  const packetIds = new PacketIds();
  const used = new Used();
  for (let count = 0; count < PACKET_ID_MAX; count += 1) used.take(packetIds);
  used.lookCount = 0;
  const startedMs = performance.now();
  for (let round = 0; round < 10_000; round += 1) {
    const id = ((round * 7919) % PACKET_ID_MAX) + 1;
    used.free(packetIds, id);
    assert.equal(used.take(packetIds), id);
  }
  assert.equal(used.lookCount, 0);
  // Some 50 ms; a search of one after the other looks at 330 million.
  assert.ok(performance.now() - startedMs < 3000);
});

interface Step {
  readonly kind: 'take' | 'free oldest' | 'free newest';
  readonly count: number;
}

const steps = fc.array(
  fc.record<Step>({
    kind: fc.constantFrom('take', 'take', 'free oldest', 'free newest'),
    count: fc.integer({ min: 1, max: 400 }),
  }),
  { maxLength: 20 },
);

/** The one after `last`, around the end, that is not in use. */
function nextOf(used: ReadonlySet<number>, last: number): number {
  let id = last;
  do id = id === PACKET_ID_MAX ? 1 : id + 1;
  while (used.has(id));
  return id;
}

test('whatever is taken and freed, the next one is the next that is free', () => {
  fc.assert(
    fc.property(fc.constantFrom(0, 300, PACKET_ID_MAX - 500, PACKET_ID_MAX - 1, PACKET_ID_MAX), steps, (start, run) => {
      const packetIds = new PacketIds();
      const used = new Used();
      const model = new Set<number>();
      let last = 0;
      const take = (): void => {
        last = nextOf(model, last);
        assert.equal(used.take(packetIds), last);
        model.add(last);
      };
      const free = (id: number | undefined): void => {
        if (id === undefined) return;
        used.free(packetIds, id);
        model.delete(id);
      };
      for (let count = 0; count < start; count += 1) {
        take();
        free(last);
      }
      for (const { kind, count } of run) {
        if (kind === 'take') for (let left = count; left > 0; left -= 1) take();
        else for (const id of (kind === 'free oldest' ? [...model] : [...model].reverse()).slice(0, count)) free(id);
      }
    }),
    { numRuns: 40 },
  );
});
