/**
 * The listeners of a running broker, and how they change without dropping anybody.
 *
 * A change is made in two steps. `prepare` builds everything that may fail: new sockets, certificates, doors. Then either
 * `commit` puts it in place, which cannot fail, or `discard` takes it back and nothing has changed. A listener is the same
 * one as before when its port, address and path are; it keeps its sockets and its id, and what stands above its sockets
 * is exchanged for new connections.
 */
import type { Accept, ListenAt, Listening, Transport, UnixAddress } from '../../base/link.ts';
import type { Log } from '../../base/log.ts';
import type { Config } from '../../config/config.ts';
import type { Broker, Door } from '../../core/broker.ts';
import type { TlsContext } from '../../transport/node/tls-context.ts';
import type { TlsTransport } from '../../transport/node/tls-transport.ts';
import type { HttpSide } from '../http-side.ts';
import { listenerSettingsOf } from '../settings.ts';
import { StartFailure } from '../start-failure.ts';
import { planListener } from './listen-plan.ts';
import type { ListenerIds } from './listener-ids.ts';
import { keyOf, type WantedListener } from './listener-list.ts';
import { buildPile } from './listener-pile.ts';
import { isTls, loadTls } from './listener-tls.ts';
import { openSockets } from './open-sockets.ts';

export interface ListenerSetParts {
  readonly ids: ListenerIds;
  readonly broker: Broker;
  readonly transport: Transport;
  /** Listens with TLS; loaded when the first listener needs it. */
  readonly listenTls: TlsTransport['listen'];
  readonly http: HttpSide;
  readonly log: Log;
  readonly command: string;
  readonly pskKeyOf: (listenerId: number, identity: string) => Uint8Array | null;
  readonly onKeyLog: ((line: Uint8Array) => void) | null;
}

/** One listener that is open. */
export interface OpenListener {
  readonly id: number;
  readonly config: WantedListener;
  readonly listening: readonly Listening[];
}

/** What stands above a listener's sockets; exchanged by a reload. */
interface Upper {
  config: WantedListener;
  accept: Accept;
  tls: TlsContext | null;
}

interface Kept extends OpenListener {
  readonly door: Door | null;
  readonly upper: Upper;
}

/** A change that is ready. */
export interface PreparedListeners {
  /** Puts it in place; the listeners that are gone stop accepting. Cannot fail. */
  commit(): Promise<ListenerChange>;
  /** Closes what was opened for it. */
  discard(): Promise<void>;
}

/** Whose clients cannot stay. */
export interface ListenerChange {
  /** Ids of the listeners that are gone. */
  readonly gone: readonly number[];
  /** Listeners that say now who a client is, or what it sees, in another way. */
  readonly strict: readonly { readonly id: number; readonly name: string; readonly options: readonly string[] }[];
}

/** Options by which a client that is connected would be somebody else, see other topics, or not be let in. */
const STRICT_OPTIONS = [
  ['mount_point', 'mountPoint'],
  ['require_certificate', 'requireCertificate'],
  ['use_identity_as_username', 'useIdentityAsUsername'],
  ['use_subject_as_username', 'useSubjectAsUsername'],
  ['use_username_as_clientid', 'useUsernameAsClientid'],
  ['enable_proxy_protocol', 'enableProxyProtocol'],
  ['proxy_protocol_v2_require_tls', 'proxyProtocolV2RequireTls'],
] as const;

/** Of those: what a client has that was let in while they were on suffices when they are off as well. */
const DEMANDS: ReadonlySet<string> = new Set(['require_certificate', 'proxy_protocol_v2_require_tls']);

/** What `packet_buffer_size 0` stands for. */
const HEADER_BYTES_DEFAULT = 4096;

/** Lets nobody in: the rules of the listener are not in force yet, or not any more. */
const REFUSE: Accept = (link) => {
  link.destroy();
  return { onBytes() {}, onSent() {}, onEnd() {} };
};

export class ListenerSet {
  readonly #parts: ListenerSetParts;
  #open: readonly Kept[] = [];

  constructor(parts: ListenerSetParts) {
    this.#parts = parts;
  }

  get open(): readonly OpenListener[] {
    return this.#open;
  }

  /** See ListenerIds. */
  idOf(config: WantedListener): number {
    return this.#parts.ids.idOf(config);
  }

  /** @throws StartFailure when something cannot be had; nothing has changed then */
  async prepare(config: Config, listeners: readonly WantedListener[]): Promise<PreparedListeners> {
    const fresh: Kept[] = [];
    const changes: (() => void)[] = [];
    const next: Kept[] = [];
    const discard = async (): Promise<void> => {
      await Promise.all(fresh.flatMap(({ listening }) => listening.map((one) => one.close())));
    };
    try {
      for (const listener of listeners) {
        const before = this.#open.find(({ config: other }) => keyOf(other) === keyOf(listener));
        if (before !== undefined && !isSameKind(before.config, listener)) throw needsRestart(listener);
        const kept = before ?? (await this.#openBeside(config, listener));
        if (before === undefined) fresh.push(kept);
        const change = await this.#prepareUpper(config, listener, kept);
        changes.push(change);
        next.push({ ...kept, config: listener });
      }
    } catch (error) {
      await discard();
      throw error;
    }
    return { commit: () => this.#commit(next, changes), discard };
  }

  async closeAll(): Promise<void> {
    await Promise.all(this.#open.flatMap(({ listening }) => listening.map((one) => one.close())));
    this.#open = [];
  }

  async #commit(next: readonly Kept[], changes: readonly (() => void)[]): Promise<ListenerChange> {
    const before = this.#open;
    const gone = before.filter(({ listening }) => !next.some((one) => one.listening === listening));
    for (const change of changes) change();
    this.#open = next;
    for (const { door } of gone) door?.endEntering();
    await Promise.all(gone.flatMap(({ listening }) => listening.map((one) => one.close())));
    const strict = next.flatMap(({ id, config }) => {
      const old = before.find((one) => one.id === id);
      const options = old === undefined ? [] : strictChanges(old.config, config);
      return options.length === 0 ? [] : [{ id, name: config.path ?? String(config.port), options }];
    });
    return { gone: gone.map(({ id }) => id).filter((id) => !next.some((one) => one.id === id)), strict };
  }

  /** Builds what stands above the sockets. @returns what puts it in place */
  async #prepareUpper(config: Config, listener: WantedListener, { id, door, upper }: Kept): Promise<() => void> {
    const { log, pskKeyOf, onKeyLog } = this.#parts;
    const tls = isTls(listener)
      ? await loadTls(listener, { log, onKeyLog, pskKeyOf: (identity) => pskKeyOf(id, identity) })
      : null;
    if (door === null) {
      return () => {
        upper.config = listener;
        upper.tls = tls;
      };
    }
    const { packetBufferSize } = config.options;
    const headerBytesMax = packetBufferSize === 0 ? HEADER_BYTES_DEFAULT : packetBufferSize;
    // Who is still to say its PROXY header when another pile takes the place of this one would be judged by old options.
    const enter: Accept = (link) => (upper.accept === accept ? door.accept(link) : REFUSE(link));
    const accept: Accept = await buildPile(listener, { accept: enter, log, headerBytesMax });
    const settings = listenerSettingsOf(listener, id);
    return () => {
      door.change(settings);
      // Whoever is at the door came by other options, or by another certificate.
      const isChanged = shapeOf(upper.config) !== shapeOf(listener);
      if (isChanged || tls !== null) door.endEntering();
      upper.config = listener;
      upper.tls = tls;
      upper.accept = accept;
    };
  }

  /** A listener that takes the port of another one is not configured twice: it has another address. */
  async #openBeside(config: Config, listener: WantedListener): Promise<Kept> {
    try {
      return await this.#openNew(config, listener);
    } catch (error) {
      const other = this.#open.find(({ config: { port } }) => port > 0 && port === listener.port);
      if (other === undefined || !(error instanceof StartFailure)) throw error;
      throw otherAddress(listener);
    }
  }

  async #openNew(config: Config, listener: WantedListener): Promise<Kept> {
    const { broker, transport, listenTls, http, log, command } = this.#parts;
    const id = this.idOf(listener);
    const upper: Upper = { config: listener, accept: REFUSE, tls: null };
    const isHttp = listener.options.protocol === 'http_api';
    const door = isHttp ? null : broker.openDoor(listenerSettingsOf(listener, id));
    const accept: Accept = (link) => upper.accept(link);
    const context = (): TlsContext | null => upper.tls;
    const listen = (at: ListenAt | UnixAddress): Promise<Listening> => {
      if (isHttp) return http.listen(at, () => upper.config, id, isTls(listener) ? context : null);
      return isTls(listener) ? listenTls(at, accept, context) : transport.listen(at, accept);
    };
    const group = await planListener(requestOf(config, listener));
    const listening = await openSockets(group, { listen, kind: isHttp ? 'http api' : 'mqtt', log, command });
    return { id, config: listener, door, upper, listening };
  }
}

/** Names of the options that changed in a way that a connected client cannot follow. */
function strictChanges({ options: before }: WantedListener, { options: after }: WantedListener): readonly string[] {
  const isStrict = ([name, key]: (typeof STRICT_OPTIONS)[number]): boolean =>
    before[key] !== after[key] && !(DEMANDS.has(name) && after[key] === false);
  return STRICT_OPTIONS.filter(isStrict).map(([name]) => name);
}

/** All that a listener says: another text is another way in. */
function shapeOf({ options, security }: WantedListener): string {
  return JSON.stringify([options, security]);
}

/** Whether the sockets can stay: the rest can be exchanged above them. */
function isSameKind(one: WantedListener, two: WantedListener): boolean {
  return isTls(one) === isTls(two) && (one.options.protocol === 'http_api') === (two.options.protocol === 'http_api');
}

/** Its sockets would have to be closed and opened again, and might not come back. */
function needsRestart({ port, path, place }: WantedListener): StartFailure {
  return new StartFailure(`listener ${path ?? port} changes its kind`, [
    `Error: Listener ${path ?? port} (${place.file}:${place.line}) changes between plain, TLS and http_api.`,
    'That needs a restart; or configure it on another port, which a reload can add.',
  ]);
}

function otherAddress({ port, place }: WantedListener): StartFailure {
  const at = place.line === 0 ? 'local only mode' : `${place.file}:${place.line}`;
  return new StartFailure(`listener ${port} changes its address`, [
    `Error: Listener ${port} (${at}) changes its address, and the port is in use by this broker as it runs now.`,
    'That needs a restart; or configure it on another port, which a reload can add.',
  ]);
}

function requestOf(config: Config, listener: WantedListener): Parameters<typeof planListener>[0] {
  const { port, host, path, place, options, isLocalOnly } = listener;
  return {
    port,
    host,
    path,
    bindInterface: options.bindInterface,
    socketDomain: options.socketDomain,
    hasNoDelay: config.options.setTcpNodelay,
    isLocalOnly,
    place: place.line === 0 ? null : `${place.file}:${place.line}`,
  };
}
