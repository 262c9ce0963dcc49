/** What `$SYS/broker/ext/` shows beyond Mosquitto's topics. */
import type { Broker } from '../core/broker.ts';
import type { StoreFigures } from '../modules/persistence/index.ts';

export interface ExtraParts {
  readonly broker: Pick<Broker, 'counters'>;
  readonly version: string;
  readonly transport: string;
  /** How often the configuration was read again. */
  readonly reloads: () => number;
  /** The store on disk; null = all state is in memory. */
  readonly store: () => StoreFigures | null;
}

type Extra = readonly [name: string, value: string | number];

/** Names below `$SYS/broker/ext/` and their values, anew at each call. */
export function createExtraTopics({ broker, version, transport, reloads, store }: ExtraParts) {
  return function* extraTopics(): Generator<Extra> {
    const { counters } = broker;
    yield ['version', `zanzara version ${version}`];
    yield ['transport', transport];
    yield ['config/reloads', reloads()];
    yield ['messages/expired', counters.messagesExpired];
    yield ['errors/protocol', counters.protocolErrors];
    yield ['errors/internal', counters.internalErrors];
    yield* storeTopics(store());
  };
}

/** An alarm looks at `store/state`. What is not there, such as a failure, is taken back. */
function* storeTopics(figures: StoreFigures | null): Generator<Extra> {
  if (figures === null) {
    yield ['store/state', 'memory'];
    return;
  }
  const { isFailing, failure } = figures;
  yield ['store/state', isFailing ? 'failing' : 'ok'];
  if (failure !== null) yield ['store/failure', failure];
  yield ['store/commits', figures.commits];
  yield ['store/commit/last_ms', tenths(figures.lastCommitMs)];
  yield ['store/commit/longest_ms', tenths(figures.longestCommitMs)];
  yield ['store/pending/bytes', figures.pendingBytes];
  yield ['store/pending/changes', figures.pendingChanges];
  yield ['store/file/bytes', figures.fileBytes];
  yield ['store/log/bytes', figures.logBytes];
  yield ['store/window_ms', figures.windowMs];
}

function tenths(milliseconds: number): number {
  return Math.round(10 * milliseconds) / 10;
}
