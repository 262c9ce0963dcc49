/**
 * The door of one listener: what comes through it is counted against the limits, and becomes a connection that knows the
 * listener. What a connection found when it came holds until its end, whatever is changed meanwhile: it was promised to the
 * client by CONNACK.
 */
import type { Accept, Link, LinkEvents } from '../../base/link.ts';
import type { ChannelParts } from '../delivery/channel.ts';
import type { HandleContext } from '../handle/context.ts';
import type { ListenerSettings } from '../model/listener.ts';
import { createMountPoint } from '../model/mount-point.ts';
import { addressOf, Connection, type ConnectionParts } from './connection.ts';
import { DenialLog } from './denial-log.ts';

/** What all doors of a broker share. */
export interface DoorParts {
  readonly context: HandleContext;
  readonly channelParts: ChannelParts;
  /** All connections of the broker. */
  readonly connections: Set<Connection>;
  /** Told when a connection is over and is no longer among them. */
  readonly onGone: () => void;
}

/** Of a link that was not let in. */
const NOBODY: LinkEvents = Object.freeze({
  onBytes: () => undefined,
  onSent: () => undefined,
  onEnd: () => undefined,
});

export class Door {
  /** For Transport.listen: makes the connection of each accepted link. */
  readonly accept: Accept = (link) => this.#accept(link);
  readonly #house: DoorParts;
  readonly #denials: DenialLog;
  #parts: ConnectionParts;
  #connectionCount = 0;

  constructor(listener: ListenerSettings, house: DoorParts) {
    this.#house = house;
    this.#denials = new DenialLog(house.context.log, house.context.timers);
    this.#parts = this.#partsFor(listener, null);
  }

  /** Connections that came through this door and are not over. */
  get connectionCount(): number {
    return this.#connectionCount;
  }

  /** From now on new connections get this. */
  change(listener: ListenerSettings): void {
    this.#parts = this.#partsFor(listener, this.#parts);
  }

  /**
   * Ends the connections that have not been let in yet: they came by what was in force then, and would be clients by it. For
   * a reload that changes the listener, or what stands before it; they come again.
   */
  endEntering(): void {
    const { id } = this.#parts.listener;
    for (const connection of [...this.#house.connections]) {
      if (connection.isEntering(id)) connection.leave('its listener was changed');
    }
  }

  #accept(link: Link): LinkEvents {
    const { connections, context } = this.#house;
    const { counters, log, settings } = context;
    counters.connectionsAccepted += 1;
    const limit = this.#exceededLimit();
    if (limit !== null) {
      if (settings.hasConnectionMessages) this.#denials.say(addressOf(link, this.#parts.listener), limit);
      link.close(0);
      return NOBODY;
    }
    if (this.#parts.promised !== settings) this.change(this.#parts.listener);
    if (settings.hasConnectionMessages && log.has('notice')) {
      const { listener } = this.#parts;
      const from = `${addressOf(link, listener)}:${link.remotePort}`;
      log.write('notice', `New connection from ${from} on port ${listener.port}.`);
    }
    const connection = new Connection(link, this.#parts);
    this.#connectionCount += 1;
    connections.add(connection);
    return connection;
  }

  /** The option whose limit one more connection would exceed. */
  #exceededLimit(): string | null {
    const { connections, context } = this.#house;
    const { maxConnections } = this.#parts.listener;
    const { globalMaxConnections } = context.settings;
    if (maxConnections > 0 && this.#connectionCount >= maxConnections) return 'max_connections';
    if (globalMaxConnections > 0 && connections.size >= globalMaxConnections) return 'max_connections';
    return context.memory.isFull ? 'memory_limit' : null;
  }

  /** One object for all connections that are alike, so that none of them has to hold what is in it. */
  #partsFor(listener: ListenerSettings, before: ConnectionParts | null): ConnectionParts {
    const { context, channelParts } = this.#house;
    // The mount point remembers what it has mounted, and is the same one for whoever compares.
    const isSameMount = before !== null && before.listener.mountPoint === listener.mountPoint;
    const mount = isSameMount ? before.mount : createMountPoint(listener.mountPoint, context.topics);
    return { context, channelParts, listener, mount, promised: context.settings, onGone: this.#onGone };
  }

  readonly #onGone = (connection: Connection): void => {
    this.#connectionCount -= 1;
    this.#house.connections.delete(connection);
    this.#house.onGone();
  };
}
