/**
 * Builds the broker out of its parts, opens its sockets, and changes it while it runs. What was started is stopped again,
 * last first, when a later part fails and when the broker stops: both walk the same list.
 *
 * A reload prepares everything that may fail and then puts all of it in place at once; what cannot be prepared leaves the
 * broker as it was. Unlike Mosquitto, which ends over a broken password file, it goes on with the rules in force.
 */
import type { Listening } from '../base/link.ts';
import type { Log } from '../base/log.ts';
import type { Config } from '../config/config.ts';
import { diffConfig } from '../config/diff-config.ts';
import type { Broker } from '../core/broker.ts';
import type { StoreFigures, StoreJournal } from '../modules/persistence/index.ts';
import { createSecurity, type ListenerSecurity, type Security, SecurityFileError } from '../modules/security/index.ts';
import { createSysTopics, type SysTopics } from '../modules/sys-topics/index.ts';
import { Reason } from '../protocol/reasons.ts';
import { type ChosenTransport, chooseTransport, parseTransportName } from '../transport/choose-transport.ts';
import { systemClock } from '../transport/node/node-clock.ts';
import { systemRandom } from '../transport/node/node-random.ts';
import type { TlsTransport } from '../transport/node/tls-transport.ts';
import type { TransportOptions } from '../transport/transport-options.ts';
import { createExtraTopics } from './extra-topics.ts';
import { HttpSide } from './http-side.ts';
import { listenErrorText } from './listeners/listen-failure.ts';
import { ListenerIds } from './listeners/listener-ids.ts';
import { type CommandLine, listenersOf, localHttpListener } from './listeners/listener-list.ts';
import { checkPlugins, listenerRulesOf } from './listeners/listener-rules.ts';
import {
  type ListenerChange,
  ListenerSet,
  type OpenListener,
  type PreparedListeners,
} from './listeners/listener-set.ts';
import { listenerViewsOf } from './listeners/listener-views.ts';
import { type OpenBrokerParts, openBroker } from './open-broker.ts';
import { settingsOf } from './settings.ts';
import { StartFailure } from './start-failure.ts';
import { storeWaitWords, withSizes } from './store-figures.ts';
import { modeAtReload, restartLine, type StoreSettings } from './store-settings.ts';
import { createTransportReports } from './transport-reports.ts';

export interface StartOptions {
  readonly config: Config;
  readonly commandLine: CommandLine;
  readonly log: Log;
  /** How the user starts Zanzara, for messages. */
  readonly command: string;
  readonly version: string;
  /** Where state is kept; null = in memory. */
  readonly store: StoreSettings | null;
  /** The transport that is asked for; '' = the best that can run here. */
  readonly transportName: string;
  /** Reads a file that holds secrets, with the rules for such files. */
  readonly readFile: (path: string) => Uint8Array;
  /** Takes the lines of --tls-keylog; null = nobody asked for them. */
  readonly onKeyLog: ((line: Uint8Array) => void) | null;
  /** Resolves when the process is to end: a start that takes long is broken off then. Absent: never. */
  readonly stopAsked?: Promise<void>;
  /** Told when the thread of the store does not end: `process.exit` would wait for it. */
  readonly onThreadHangs?: () => void;
}

export interface RunningBroker {
  readonly broker: Broker;
  readonly listeners: () => readonly OpenListener[];
  /** Opens the HTTP API of local-only mode, where that is in force; logs why when it cannot. */
  openLocalHttp(): Promise<void>;
  /**
   * Puts another configuration in place. `changeLog` is the last thing that may fail.
   * @throws StartFailure, or what `changeLog` throws, when that is not possible; nothing has changed then
   */
  reload(config: Config, changeLog: () => void): Promise<void>;
  /**
   * Makes everything durable that waits (SIGUSR1).
   * @returns null: there is no store; else the fault, '' = none
   */
  save(): Promise<string | null>;
  /** Ends all connections, closes everything. Call once. */
  stop(): Promise<void>;
  /** What `stop` waits for just now, in words for the log. */
  readonly waitsFor: string;
}

/** @throws StartFailure when something outside is in the way, StartBrokenOff when `stopAsked` came first */
export async function startBroker(options: StartOptions): Promise<RunningBroker> {
  const house = new House(options);
  try {
    await house.start();
    return house;
  } catch (error) {
    await house.stop();
    throw error;
  }
}

class House implements RunningBroker {
  readonly #options: StartOptions;
  readonly #stops: (() => Promise<void>)[] = [];
  readonly #security: Security;
  readonly #ids = new ListenerIds();
  #broker: Broker | null = null;
  /** Null: all state is in memory. */
  #journal: StoreJournal | null = null;
  #set: ListenerSet | null = null;
  #sys: SysTopics | null = null;
  #http: HttpSide | null = null;
  #rules: readonly ListenerSecurity[] = [];
  /** The HTTP API of local-only mode, while it is open. */
  #localHttp: Listening | null = null;
  #reloadCount = 0;
  /** Of a stop, what is left then is the store. */
  #areClientsGone = false;
  /** The configuration in force has listeners: it is not local-only mode. */
  #hasListeners: boolean;

  constructor(options: StartOptions) {
    this.#options = options;
    this.#hasListeners = options.config.listeners.length > 0;
    const { log, readFile } = options;
    // Nobody may do anything yet: the rules come with the listeners.
    this.#security = createSecurity({ log, readFile, listeners: [] });
  }

  get broker(): Broker {
    if (this.#broker === null) throw new TypeError('the broker has not been started');
    return this.#broker;
  }

  listeners(): readonly OpenListener[] {
    return this.#set?.open ?? [];
  }

  async start(): Promise<void> {
    const { config, log, transportName, store, stopAsked, onThreadHangs } = this.#options;
    checkFeatures(config, log);
    const reports = createTransportReports(log, systemClock);
    const chosen = await openTransport(transportName, reports, log);
    const { gatekeeper } = this.#security;
    const opened = await openBroker({
      store,
      names: this.#storeNames(config),
      clock: systemClock,
      log,
      turn: chosen.turn,
      random: systemRandom,
      gatekeeper,
      settings: settingsOf(config),
      heapBytes: () => process.memoryUsage.rss(),
      stopAsked,
      onThreadHangs,
    });
    this.#stops.unshift(() => opened.close());
    const { broker, journal } = opened;
    this.#broker = broker;
    this.#journal = journal;
    const set = this.#makeListenerSet(broker, chosen, reports);
    this.#set = set;
    const prepared = await this.#prepare(config, set);
    await this.#commit(prepared);
    opened.begin();
    this.#stops.unshift(() => this.#stopBroker(broker, set));
    this.#sys?.start();
    this.#stops.unshift(async () => this.#sys?.stop());
  }

  /**
   * The HTTP API of local-only mode. After the start and beside it: its code takes time to load, and a port that somebody
   * else has is no reason not to serve MQTT.
   */
  async openLocalHttp(): Promise<void> {
    const { config, log, commandLine } = this.#options;
    const http = this.#http;
    if (config.listeners.length > 0 || http === null) return;
    const listener = localHttpListener(config, commandLine);
    const id = this.#set?.idOf(listener) ?? 0;
    const { host, port } = listener;
    try {
      this.#security.apply(this.#security.prepare([...this.#rules, listenerRulesOf(config, listener, id)]));
      log.write('information', `Opening http api listen socket on port ${port}.`);
      this.#localHttp = await http.listen({ host: host ?? '', port, isIpv6Only: false }, () => listener, id, null);
      this.#stops.unshift(() => this.#closeLocalHttp());
    } catch (error) {
      log.write('notice', `The HTTP API on port ${port} is not open, everything else is: ${listenErrorText(error)}.`);
    }
  }

  async reload(config: Config, changeLog: () => void): Promise<void> {
    const { log, store } = this.#options;
    const { broker } = this;
    const set = this.#set;
    if (set === null) return;
    checkFeatures(config, log);
    if (this.#hasListeners && config.listeners.length === 0) throw NO_LISTENERS_LEFT;
    const prepared = await this.#prepare(config, set);
    try {
      changeLog();
    } catch (error) {
      await prepared.listeners.discard();
      throw error;
    }
    // Against the start: what takes a restart is in force as it was then.
    for (const name of diffConfig(this.#options.config, config).needRestart) {
      log.write('warning', restartLine(name, { config, store, environment: process.env }));
    }
    const { gone, strict } = await this.#commit(prepared);
    this.#hasListeners = config.listeners.length > 0;
    if (this.#hasListeners) await this.#closeLocalHttp();
    broker.change(settingsOf(config));
    this.#sys?.change(config.options.sysInterval);
    this.#changeMode(config);
    this.#reloadCount += 1;
    this.#dropClientsOf(new Set(gone), 'its listener was removed');
    for (const { id, name, options } of strict) {
      const count = this.#dropClientsOf(new Set([id]), 'its listener was changed');
      if (count > 0) {
        log.write('notice', `${count} clients of listener ${name} were disconnected: ${options.join(', ')} changed.`);
      }
    }
    const refused = broker.operator.recheckClients();
    if (refused > 0) log.write('notice', `${refused} connected clients were disconnected: the rules changed.`);
  }

  async save(): Promise<string | null> {
    return this.#journal === null ? null : ((await this.#journal.save()) ?? '');
  }

  async stop(): Promise<void> {
    for (const stop of this.#stops.splice(0)) await stop();
  }

  get waitsFor(): string {
    const figures = this.#areClientsGone ? (this.#journal?.figures() ?? null) : null;
    return figures === null ? 'the connections to end' : storeWaitWords(figures);
  }

  #storeFigures(): StoreFigures | null {
    const { store } = this.#options;
    return this.#journal === null || store === null ? null : withSizes(this.#journal.figures(), store.folder);
  }

  #makeListenerSet(broker: Broker, chosen: ChosenTransport, reports: TransportOptions): ListenerSet {
    const { log, command, version, onKeyLog, config } = this.#options;
    const { gatekeeper } = this.#security;
    const sys = createSysTopics({
      operator: broker.operator,
      clock: systemClock,
      log,
      versionText: `mosquitto version ${MOSQUITTO_VERSION}`,
      intervalSeconds: config.options.sysInterval,
      memory: memoryBytes,
      extra: createExtraTopics({
        broker,
        version,
        transport: chosen.name,
        reloads: () => this.#reloadCount,
        store: () => this.#storeFigures(),
      }),
    });
    this.#sys = sys;
    const http = new HttpSide({
      gatekeeper,
      log,
      version,
      systree: () => sys.snapshot(),
      listeners: () => listenerViewsOf(this.listeners()),
    });
    this.#http = http;
    return new ListenerSet({
      ids: this.#ids,
      broker,
      transport: chosen.transport,
      listenTls: createTlsListen(reports, log),
      http,
      log,
      command,
      onKeyLog,
      pskKeyOf: (listenerId, identity) => this.#security.pskKeyOf(listenerId, identity),
    });
  }

  async #prepare(config: Config, set: ListenerSet): Promise<Prepared> {
    const { commandLine } = this.#options;
    const wanted = listenersOf(config, commandLine);
    const hasLocalHttp = this.#localHttp !== null && config.listeners.length === 0;
    const ruled = hasLocalHttp ? [...wanted, localHttpListener(config, commandLine)] : wanted;
    const rules = ruled.map((listener) => listenerRulesOf(config, listener, set.idOf(listener)));
    try {
      const security = this.#security.prepare(rules);
      return { listeners: await set.prepare(config, wanted), security, rules };
    } catch (error) {
      if (!(error instanceof SecurityFileError)) throw error;
      throw new StartFailure(error.message, error.lines);
    }
  }

  async #commit({ security, listeners, rules }: Prepared): Promise<ListenerChange> {
    this.#security.apply(security);
    this.#rules = rules;
    return await listeners.commit();
  }

  #changeMode(config: Config): void {
    const { mode, warning } = modeAtReload(this.#options.config, config);
    if (warning !== null) this.#options.log.write('warning', warning);
    if (mode !== null) this.#journal?.setMode(mode);
  }

  /** How the store names listeners; those of the configuration at the start, by which what is stored is read. */
  #storeNames(config: Config): OpenBrokerParts['names'] {
    const wanted = listenersOf(config, this.#options.commandLine);
    const haveSameRules = !config.options.perListenerSettings;
    return {
      nameOf: (id) => this.#ids.nameOf(id),
      idOf: (name) => this.#ids.find(name, wanted, haveSameRules),
    };
  }

  /** @returns how many there were */
  #dropClientsOf(listenerIds: ReadonlySet<number>, words: string): number {
    if (listenerIds.size === 0) return 0;
    const { operator } = this.broker;
    const clients = [...operator.clients()].filter(({ identity }) => listenerIds.has(identity.listenerId));
    for (const { identity } of clients) operator.disconnect(identity.clientId, Reason.AdministrativeAction, words);
    return clients.length;
  }

  async #closeLocalHttp(): Promise<void> {
    const open = this.#localHttp;
    this.#localHttp = null;
    await open?.close();
  }

  /** Nobody new comes in while those who are in are told to go. */
  async #stopBroker(broker: Broker, set: ListenerSet): Promise<void> {
    await set.closeAll();
    await broker.stop();
    this.#areClientsGone = true;
  }
}

/** What monitoring that reads `$SYS/broker/version` expects: the version whose behaviour this is. */
export const MOSQUITTO_VERSION = '2.1.3';

/** A file that is empty for a moment must not make a broker with users one without. */
const NO_LISTENERS_LEFT = new StartFailure('no listener is left', [
  'Error: The new configuration has no listener, which would open the broker to everybody on this machine.',
  'If that is what you want (local only mode), restart the broker.',
]);

interface Prepared {
  readonly security: ReturnType<Security['prepare']>;
  readonly listeners: PreparedListeners;
  readonly rules: readonly ListenerSecurity[];
}

/** What a configuration asks for and this version does not have. @throws StartFailure */
export function checkFeatures(config: Config, log: Log): void {
  checkPlugins([...config.plugins, ...config.listeners.flatMap(({ plugins }) => plugins)], log);
  const [bridge] = config.bridges;
  if (bridge !== undefined) {
    const { file, line } = bridge.place;
    throw new StartFailure(`bridge ${bridge.name}`, [
      `Error: Bridge '${bridge.name}' is configured, and bridges are not there yet.`,
      `Its options are right. Remove the block of ${file}:${line} to start without it.`,
    ]);
  }
  if (config.options.enableControlApi) {
    log.write(
      'warning',
      "Warning: 'enable_control_api true': $CONTROL/broker/v1 is not there yet and does not answer.",
    );
  }
}

function memoryBytes(): { readonly currentBytes: number } {
  return { currentBytes: process.memoryUsage.rss() };
}

async function openTransport(transportName: string, reports: TransportOptions, log: Log): Promise<ChosenTransport> {
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

/** Made when the first listener needs it: node:tls costs 15 ms of a start. Its limits are for all listeners together. */
function createTlsListen(reports: TransportOptions, log: Log): TlsTransport['listen'] {
  let transport: Promise<TlsTransport> | null = null;
  return async (at, accept, context) => {
    transport ??= import('../transport/node/tls-transport.ts').then(({ createTlsTransport }) =>
      createTlsTransport({ ...reports, log, clock: systemClock }),
    );
    return await (await transport).listen(at, accept, context);
  };
}
