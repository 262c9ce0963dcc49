/**
 * What rights cost a message on its way: throughput with an ACL of ten thousand rules against throughput without.
 *
 *   node bench/access.bench.ts [rules=10000] [seconds=1]
 *
 * The whole core works, behind links that take everything; no sockets, so that a message costs as little as it can. Each case
 * is measured in turns with and without rules, and the best turn of each counts, because other programs share the machine.
 * Printed: messages that were delivered in a second of processor time, and their ratio. There are fewer topics than the memo
 * of topic names keeps: others are judged each time (see acl.bench.ts for what that costs).
 */
import { createBroker } from '../src/core/broker.ts';
import { DEFAULT_SETTINGS } from '../src/core/model/settings.ts';
import type { Gatekeeper } from '../src/core/ports.ts';
import { createMemoryJournal } from '../src/modules/persistence/index.ts';
import { parseAclFile } from '../src/modules/security/acl-file.ts';
import { AclAccess } from '../src/modules/security/rule-tree.ts';
import { systemClock } from '../src/transport/node/node-clock.ts';
import { connectBytes } from '../test/fixtures/broker-harness.ts';
import { gatekeeperWith } from '../test/fixtures/fake-gatekeeper.ts';
import { FakeTurn } from '../test/fixtures/fake-turn.ts';
import { rawPublish, rawSubscribe } from '../test/fixtures/raw-packets.ts';
import { SeededRandom } from '../test/fixtures/seeded-random.ts';
import { SinkLink } from '../test/fixtures/sink-link.ts';

const ruleCount = Number(process.argv[2] ?? 10_000);
const seconds = Number(process.argv[3] ?? 1);
const TURNS = 7;
const MESSAGES_PER_CHUNK = 32;

interface Case {
  readonly title: string;
  readonly publishers: number;
  readonly subscribers: number;
  readonly topic: (publisher: number, message: number) => string;
  readonly filter: (subscriber: number) => string;
}

const CASES: readonly Case[] = [
  { title: '1 to 1, one topic', publishers: 1, subscribers: 1, topic: () => 'Plant1/a', filter: () => 'Plant1/a' },
  {
    title: '1 to 1000, one topic',
    publishers: 1,
    subscribers: 1000,
    topic: () => 'Plant1/a',
    filter: () => 'Plant1/a',
  },
  {
    title: '1000 to 1, a topic each',
    publishers: 1000,
    subscribers: 1,
    topic: (publisher) => `Plant1/robot${publisher}/state`,
    filter: () => 'Plant1/#',
  },
  {
    title: '10 to 10, 500 topics each',
    publishers: 10,
    subscribers: 10,
    topic: (publisher, message) => `Plant1/robot${publisher}/sensor${message % 500}`,
    filter: () => 'Plant1/#',
  },
];

/** Nobody's rights are rules of their own: `Plant1/#` is the last of them. */
function createGatekeeper(): Gatekeeper {
  const lines = Array.from({ length: ruleCount - 1 }, (_, n) => `topic readwrite Area${n % 50}/Cell${n}/state`);
  const source = new TextEncoder().encode([...lines, 'topic readwrite Plant1/#'].join('\n'));
  const { rules } = parseAclFile(source, 'bench.acl');
  return gatekeeperWith({
    mayPublish: (identity, topic) => rules.judge(identity, topic, AclAccess.Write) === 'allowed',
    mayReceive: (identity, topic) => rules.judge(identity, topic, AclAccess.Read) === 'allowed',
  });
}

class Plant {
  readonly #turn = new FakeTurn();
  readonly #broker;
  readonly #case: Case;
  readonly #publishers: readonly SinkLink[];
  /** A chunk for each publisher. */
  readonly #chunks: readonly Uint8Array[];

  constructor(what: Case, gatekeeper: Gatekeeper | null) {
    this.#case = what;
    this.#broker = createBroker({
      clock: systemClock,
      log: { has: () => false, write: () => undefined },
      turn: this.#turn,
      random: new SeededRandom(1),
      journal: createMemoryJournal(),
      gatekeeper,
      settings: DEFAULT_SETTINGS,
    });
    for (let index = 0; index < what.subscribers; index += 1) {
      this.#deliver(this.#enter(`sub${index}`), rawSubscribe([[what.filter(index), 0]]));
    }
    this.#publishers = Array.from({ length: what.publishers }, (_, index) => this.#enter(`pub${index}`));
    const chunkCount = Math.max(what.publishers, 320);
    this.#chunks = Array.from({ length: chunkCount }, (_, index) => {
      const publisher = index % what.publishers;
      const first = Math.floor(index / what.publishers) * MESSAGES_PER_CHUNK;
      const frames = Array.from({ length: MESSAGES_PER_CHUNK }, (_each, n) =>
        rawPublish(what.topic(publisher, first + n), { payload: '0123456789' }),
      );
      return Uint8Array.from(Buffer.concat(frames));
    });
  }

  /** Messages that were delivered in a second of processor time. */
  run(): number {
    const { counters } = this.#broker;
    const before = counters.publishesSent;
    const start = performance.now();
    const cpuStart = process.cpuUsage();
    let chunk = 0;
    while (performance.now() - start < seconds * 1000) {
      for (let count = 0; count < 10; count += 1) {
        const publisher = this.#publishers[chunk % this.#case.publishers];
        const bytes = this.#chunks[chunk % this.#chunks.length];
        if (publisher !== undefined && bytes !== undefined) this.#deliver(publisher, bytes);
        chunk += 1;
      }
    }
    if (counters.publishesDropped > 0) throw new Error('messages were dropped: this measures something else');
    const { user, system } = process.cpuUsage(cpuStart);
    return ((counters.publishesSent - before) * 1e6) / (user + system);
  }

  #enter(clientId: string): SinkLink {
    const link = new SinkLink();
    link.events = this.#broker.accept(link);
    this.#deliver(link, connectBytes({ clientId }));
    return link;
  }

  #deliver(link: SinkLink, bytes: Uint8Array): void {
    link.events?.onBytes(bytes, 0, bytes.length);
    this.#turn.end();
  }
}

for (const what of CASES) {
  const open = new Plant(what, null);
  const ruled = new Plant(what, createGatekeeper());
  let openBest = 0;
  let ruledBest = 0;
  for (let turn = 0; turn < TURNS; turn += 1) {
    openBest = Math.max(openBest, open.run());
    ruledBest = Math.max(ruledBest, ruled.run());
  }
  const ratio = (ruledBest / openBest).toFixed(3);
  console.log(
    `${what.title}: ${perSecond(openBest)} without rules, ${perSecond(ruledBest)} with ${ruleCount}: ${ratio}`,
  );
}

function perSecond(value: number): string {
  return `${Math.round(value / 1000).toLocaleString('en')}k/s`;
}
