/** A broker for a fuzz run: settings, rights and journal drawn by chance, all limits small so that they are reached. */
import type { ListenerSettings } from '../../src/core/model/listener.ts';
import type { BrokerSettings } from '../../src/core/model/settings.ts';
import type { AuthenticateAnswer, ConnectRequest, EnhancedStep, Gatekeeper, Journal } from '../../src/core/ports.ts';
import { createMemoryJournal } from '../../src/modules/persistence/memory-journal.ts';
import { Reason } from '../../src/protocol/reasons.ts';
import { createHarness, type Harness } from '../fixtures/broker-harness.ts';
import type { Chance } from '../fixtures/chance.ts';
import { gatekeeperWith } from '../fixtures/fake-gatekeeper.ts';
import { SlowJournal } from '../fixtures/slow-journal.ts';

/** Sessions end at the latest so long after their client has gone. */
export const SESSION_SECONDS_MAX = 1000;

export interface FuzzHouse {
  readonly house: Harness;
  readonly settings: BrokerSettingsOfRun;
  readonly listener: Pick<ListenerSettings, 'maxQos'>;
  /** Null: everything is durable at once. */
  readonly journal: SlowJournal | null;
}

type BrokerSettingsOfRun = Pick<
  BrokerSettings,
  'maxQueuedMessages' | 'maxInflightMessages' | 'maxKeepAlive' | 'outboxBytesMax' | 'subscriptionsPerSessionMax'
>;

export function createFuzzHouse(chance: Chance): FuzzHouse {
  const settings = {
    maxInflightMessages: chance.pick([1, 3, 20]),
    maxQueuedMessages: chance.pick([1, 5, 30]),
    maxQueuedBytes: chance.pick([0, 0, 2000]),
    queueHeadMax: chance.pick([1, 3, 1000]),
    queueQos0Messages: chance.percent(30),
    maxPacketSize: chance.pick([0, 4000, 2_000_000]),
    maxKeepAlive: chance.pick([0, 0, 30]),
    retainAvailable: chance.percent(90),
    allowDuplicateMessages: chance.percent(60),
    persistentClientExpirationSeconds: SESSION_SECONDS_MAX,
    connectDeadlineMs: 30_000,
    outboxHighBytes: chance.pick([500, 4000, 256 * 1024]),
    outboxBytesMax: 512 * 1024,
    stalledWriteMs: 60_000,
    subscriptionsPerSessionMax: chance.pick([2, 8, 200_000]),
  };
  const listener = {
    maxQos: chance.pick([2, 2, 2, 1, 0] as const),
    maxTopicAlias: chance.pick([0, 2, 10]),
    maxTopicAliasBroker: chance.pick([0, 2, 10]),
    allowZeroLengthClientId: chance.percent(80),
  };
  const journal = chance.percent(30) ? new SlowJournal() : null;
  const used: Journal = journal ?? createMemoryJournal();
  const house = createHarness({ settings, listener, gatekeeper: createGatekeeper(chance), journal: used });
  return { house, settings, listener, journal };
}

/** Nobody; one that answers at once; one that answers later. All refuse the same. */
function createGatekeeper(chance: Chance): Gatekeeper | null {
  if (chance.percent(40)) return null;
  const isLater = chance.percent(50);
  const answer = <T>(value: T): T | Promise<T> => (isLater && chance.percent(70) ? Promise.resolve(value) : value);
  return gatekeeperWith({
    authenticate: (request) => answer(judge(request)),
    mayPublish: (_identity, topic) => answer(!topic.text.startsWith('deny')),
    maySubscribe: (_identity, filter) => answer(!filter.filter.startsWith('deny')),
    mayReceive: (_identity, topic) => !topic.text.startsWith('deny'),
    startEnhanced: (method) => {
      if (method !== 'method') return null;
      const step = (): EnhancedStep =>
        chance.weighted<EnhancedStep>([
          [2, { kind: 'continue', data: null }],
          [3, { kind: 'allowed', data: null, userName: null }],
          [1, { kind: 'refused', reason: Reason.NotAuthorized }],
        ]);
      return { step: () => answer(step()), abandon: () => undefined };
    },
  });
}

function judge({ userName }: ConnectRequest): AuthenticateAnswer {
  return userName === 'refused' ? { kind: 'refused', reason: Reason.BadUserNameOrPassword } : { kind: 'allowed' };
}
