/**
 * The numbers of listeners, by which the core and the rules know them, and their names in the store, by which they are known
 * again after a restart.
 */
import { keyOf, type WantedListener } from './listener-list.ts';

/** Of listeners of which only the port is known: in what was imported. */
const PORT_NAME = /^port (\d+)$/;

export class ListenerIds {
  /** The same for the same port, address and path, for the life of the process. */
  readonly #ids = new Map<string, number>();
  readonly #names: string[] = [];

  idOf(config: WantedListener): number {
    return this.#number(keyOf(config));
  }

  /** What stands in the store for a listener. */
  nameOf(id: number): string {
    return this.#names[id - 1] ?? '';
  }

  /**
   * The listener of a name in the store, of those that are wanted now: the same one, else one on the same port, else,
   * where all have the same rules, any. Without any of these it is one that is gone, which has no rights.
   */
  find(name: string, wanted: readonly WantedListener[], haveSameRules: boolean): number {
    const same = wanted.find((listener) => keyOf(listener) === name);
    const port = portOf(name);
    const near = same ?? wanted.find((listener) => port !== null && listener.port === port);
    const any = near ?? (haveSameRules ? wanted[0] : undefined);
    return any === undefined ? this.#number(name) : this.idOf(any);
  }

  #number(key: string): number {
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#names.push(key);
    this.#ids.set(key, this.#names.length);
    return this.#names.length;
  }
}

/** The port in a name of either kind; null = a unix socket, or no name of ours. */
function portOf(name: string): number | null {
  const digits = PORT_NAME.exec(name)?.[1] ?? /^(?:local )?\[(\d+),/.exec(name)?.[1];
  const port = Number(digits ?? 0);
  return port > 0 ? port : null;
}
