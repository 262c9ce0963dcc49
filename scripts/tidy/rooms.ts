/**
 * The import table of the architecture as data: imports go downstairs only, types included. Whoever changes a row here
 * changes docs/ARCHITECTURE.md in the same commit.
 */

import { isTest } from './tree.ts';

export interface Room {
  /** A folder (ends with `/`) or a file. The longest path that fits is a file's room; `*` stands for one folder. */
  readonly path: string;
  /** Prefixes of what may be imported besides the room itself. */
  readonly mayImport: readonly string[];
  /** True: no `node:*`, no timers, clocks or randomness; they are handed in, so that a test can hand in its own. */
  readonly isPure: boolean;
}

const BASE = 'src/base/';
const PROTOCOL = 'src/protocol/';
const TRANSPORT = 'src/transport/';
const CONFIG = 'src/config/';
const CLIENT = 'src/client/';
const MODEL = 'src/core/model/';
const PORTS = 'src/core/ports.ts';
const DELIVERY = 'src/core/delivery/';
const HANDLE = 'src/core/handle/';
const SERVED_BY_HANDLE = [MODEL, PORTS, DELIVERY, 'src/core/access/', 'src/core/routing/', 'src/core/session/'];
const BELOW_MODULES = [BASE, PROTOCOL, TRANSPORT, CONFIG, CLIENT];

export const ROOMS: readonly Room[] = [
  { path: BASE, mayImport: [], isPure: true },
  { path: PROTOCOL, mayImport: [BASE], isPure: true },
  { path: TRANSPORT, mayImport: [BASE], isPure: false },
  { path: CONFIG, mayImport: [BASE], isPure: true },
  { path: CLIENT, mayImport: [BASE, PROTOCOL, TRANSPORT], isPure: true },
  { path: MODEL, mayImport: [BASE, PROTOCOL], isPure: true },
  { path: PORTS, mayImport: [BASE, PROTOCOL, MODEL], isPure: true },
  { path: DELIVERY, mayImport: [BASE, PROTOCOL, MODEL, PORTS], isPure: true },
  { path: 'src/core/access/', mayImport: [BASE, PROTOCOL, MODEL, PORTS], isPure: true },
  { path: 'src/core/routing/', mayImport: [BASE, PROTOCOL, MODEL, PORTS], isPure: true },
  { path: 'src/core/session/', mayImport: [BASE, PROTOCOL, MODEL, PORTS, DELIVERY], isPure: true },
  { path: HANDLE, mayImport: [BASE, PROTOCOL, ...SERVED_BY_HANDLE], isPure: true },
  { path: 'src/core/intake/', mayImport: [BASE, PROTOCOL, HANDLE, DELIVERY, MODEL, PORTS], isPure: true },
  { path: 'src/core/broker.ts', mayImport: [BASE, PROTOCOL, 'src/core/'], isPure: true },
  { path: 'src/modules/*/', mayImport: [...BELOW_MODULES, PORTS, MODEL], isPure: false },
  { path: 'src/selftest/', mayImport: [BASE, PROTOCOL, TRANSPORT, CLIENT], isPure: false },
  { path: 'src/app/', mayImport: [...BELOW_MODULES, 'src/core/', 'src/modules/'], isPure: false },
  {
    path: 'src/cli/',
    mayImport: [...BELOW_MODULES, 'src/core/', 'src/modules/', 'src/selftest/', 'src/app/'],
    isPure: false,
  },
];

/** Packages and the only places that may import them. Base, protocol and core have none; see docs/dependencies.md. */
export const PACKAGES: readonly {
  readonly name: string;
  readonly isFor: (path: string) => boolean;
  readonly where: string;
}[] = [
  {
    name: 'fast-check',
    isFor: isTest,
    where: 'tests',
  },
  { name: 'aedes', isFor: (path) => path.startsWith('bench/'), where: 'bench' },
  { name: 'mqtt', isFor: (path) => path.startsWith('test/interop/'), where: 'test/interop' },
  { name: 'typescript', isFor: (path) => path.startsWith('scripts/'), where: 'scripts' },
];

/**
 * What the runtime offers to everybody and a pure room must not touch, with what to use instead. Names with a dot are
 * refused in just that form: `new Date(ms)` is arithmetic, `Date.now` is a clock.
 */
export const RUNTIME_GLOBALS: ReadonlyMap<string, string> = new Map([
  ...['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'clearImmediate'].map(
    (name) => [name, 'use the Clock (timers) or the Turn (end of turn) that is handed in'] as const,
  ),
  ['performance', 'use Clock.monotonicMs'],
  ['Date.now', 'use Clock.wallMs or Clock.monotonicMs'],
  ['new Date()', 'use Clock.wallMs'],
  ['Math.random', 'use the Random that is handed in'],
  ['crypto', 'use the Random that is handed in'],
  ['Buffer', 'use Uint8Array, DataView and TextEncoder'],
  ['NodeJS', 'use types of base'],
  ['process', 'let app hand in what is needed'],
  ['console', 'use the Log that is handed in'],
  ['globalThis', 'let app hand in what is needed'],
  ['fetch', 'this belongs into a module'],
]);

/** Files that nothing imports because something else starts them. */
export const ENTRY_POINTS: readonly string[] = ['src/cli/main.ts', 'src/modules/persistence/store/store-thread.ts'];

/** The room of a file, or null for one that stands in no row (test/, scripts/ and bench/ may import anything). */
export function roomOf(path: string): Room | null {
  let best: Room | null = null;
  for (const room of ROOMS) {
    const own = { ...room, path: instance(room.path, path) };
    if (path.startsWith(own.path) && own.path.length > (best?.path.length ?? 0)) best = own;
  }
  return best;
}

/** `src/modules/*\/` for `src/modules/bridge/link.ts` is `src/modules/bridge/`. */
function instance(pattern: string, path: string): string {
  if (!pattern.includes('*')) return pattern;
  const names = path.split('/');
  const filled = pattern.split('/').map((name, index) => (name === '*' ? (names[index] ?? '*') : name));
  return filled.join('/');
}
