/** What `$SYS/broker/ext/` shows beyond Mosquitto's topics. */
import type { Broker } from '../core/broker.ts';

export interface ExtraParts {
  readonly broker: Broker;
  readonly version: string;
  readonly transport: string;
  /** How often the configuration was read again. */
  readonly reloads: () => number;
}

/** Names below `$SYS/broker/ext/` and their values, anew at each call. */
export function createExtraTopics({ broker, version, transport, reloads }: ExtraParts) {
  return function* extraTopics(): Generator<readonly [name: string, value: string | number]> {
    const { counters } = broker;
    yield ['version', `zanzara version ${version}`];
    yield ['transport', transport];
    yield ['config/reloads', reloads()];
    yield ['messages/expired', counters.messagesExpired];
    yield ['errors/protocol', counters.protocolErrors];
    yield ['errors/internal', counters.internalErrors];
  };
}
