import type { StoreScale } from '../bodies.ts';

/** For bodies whose moments are on the store's clock, and whose listener ids are ports: `port N` is the name of each. */
export const PORT_SCALE: StoreScale = {
  toStored: (ms) => ms,
  fromStored: (ms) => ms,
  nameOf: (port) => `port ${port}`,
  idOf: portOf,
};

/** What the listeners of a running broker are called begins with their port. */
const PORT_IN_NAME = /^(?:port |(?:local )?\[)(\d{1,5})\b/;

/** The port in the name of a listener; 0 = it has none, like a unix socket. */
export function portOf(name: string): number {
  const port = Number(PORT_IN_NAME.exec(name)?.[1] ?? 0);
  return port <= PORT_MAX ? port : 0;
}

const PORT_MAX = 65_535;
