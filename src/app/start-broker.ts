/**
 * Builds the broker out of its parts and opens its sockets. What was started is stopped again, last first, when a later
 * part fails and when the broker stops: both walk the same list.
 */
import type { Listening } from '../base/link.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/read-config.ts';
import { type Broker, createBroker } from '../core/broker.ts';
import { createMemoryJournal } from '../modules/persistence/index.ts';
import { createAnonymousGatekeeper } from '../modules/security/index.ts';
import { type ChosenTransport, chooseTransport, parseTransportName } from '../transport/choose-transport.ts';
import { systemClock } from '../transport/node/node-clock.ts';
import { systemRandom } from '../transport/node/node-random.ts';
import { planListeners } from './listen-plan.ts';
import { openListeners } from './open-listeners.ts';
import { settingsOf } from './settings.ts';
import { StartFailure } from './start-failure.ts';
import { createTransportReports } from './transport-reports.ts';

export interface StartOptions {
  readonly config: Config;
  /** Those of -p. */
  readonly ports: readonly number[];
  readonly log: Log;
  /** How the user starts Zanzara, for messages. */
  readonly command: string;
  /** The transport that is asked for; '' = the best that can run here. */
  readonly transportName: string;
}

export interface RunningBroker {
  readonly listening: readonly Listening[];
  /** Ends all connections, closes everything. Call once. */
  stop(): Promise<void>;
}

/** @throws StartFailure when something outside is in the way */
export async function startBroker(options: StartOptions): Promise<RunningBroker> {
  const { config, ports, log, command } = options;
  const stops: (() => Promise<void>)[] = [];
  try {
    const { transport, turn } = await openTransport(options);
    const journal = createMemoryJournal();
    stops.unshift(() => journal.close());

    // Without rules the core asks nobody: one comparison per packet.
    const gatekeeper = config.allowAnonymous ? null : createAnonymousGatekeeper(config);
    const settings = settingsOf(config);
    const broker = createBroker({ clock: systemClock, log, turn, random: systemRandom, journal, gatekeeper, settings });

    const groups = await planListeners(config, ports);
    const listening = await openListeners(groups, {
      transport,
      accept: broker.accept,
      log,
      command,
      file: config.file,
    });
    stops.unshift(() => stopBroker(broker, listening));
    return { listening, stop: () => stopAll(stops) };
  } catch (error) {
    await stopAll(stops);
    throw error;
  }
}

async function openTransport({ log, transportName }: StartOptions): Promise<ChosenTransport> {
  const reports = createTransportReports(log, systemClock);
  try {
    const chosen = await chooseTransport(parseTransportName(transportName), reports);
    if (chosen.reason !== null) {
      log.write('notice', `Using the sockets of node, which are slower than the reactor: ${chosen.reason}.`);
    }
    return chosen;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new StartFailure(reason, [`Error: ZANZARA_TRANSPORT=${transportName} cannot be used: ${reason}.`]);
  }
}

/** Nobody new comes in while those who are in are told to go. */
async function stopBroker(broker: Broker, listening: readonly Listening[]): Promise<void> {
  await Promise.all(listening.map((one) => one.close()));
  await broker.stop();
}

async function stopAll(stops: readonly (() => Promise<void>)[]): Promise<void> {
  for (const stop of stops) await stop();
}
