/** Where a campaign keeps its broker: a folder of its own, on the disk that is to be shown. */
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';

/** Types of file systems in memory, as statfs(2) gives them. */
const MEMORY_FILE_SYSTEMS: ReadonlyMap<number, string> = new Map([
  [0x0102_1994, 'tmpfs'],
  [0x8584_58f6, 'ramfs'],
]);

export interface SelftestFolder {
  readonly configFile: string;
  readonly port: number;
  /** Removes it with everything in it. */
  remove(): void;
}

export interface BrokerLines {
  /** Of `durability`: `strict` or `relaxed N`. */
  readonly durability: string;
  readonly willGraceSeconds: number;
  /** False: everything in memory, to see that a campaign finds what is lost. */
  readonly isPersistent: boolean;
}

/** Makes it below `parent`, with a configuration for a free port of loopback. @throws Error when that cannot be done */
export async function makeSelftestFolder(parent: string, lines: BrokerLines): Promise<SelftestFolder> {
  const port = await freePort();
  const folder = mkdtempSync(join(parent, 'zanzara-selftest-'));
  const configFile = join(folder, 'zanzara.conf');
  writeFileSync(configFile, configText(port, folder, lines));
  return { configFile, port, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** The name of the file system when it is one in memory, where a kill shows little and a power cut takes all; else null. */
export function memoryFileSystem(folder: string): string | null {
  return MEMORY_FILE_SYSTEMS.get(statfsSync(folder).type) ?? null;
}

function configText(port: number, folder: string, options: BrokerLines): string {
  const persistence = options.isPersistent
    ? [
        'persistence true',
        `persistence_location ${folder}/`,
        `durability ${options.durability}`,
        `will_restart_grace ${options.willGraceSeconds}`,
      ]
    : ['persistence false'];
  // The folder belongs to whoever runs this: nobody else could write there.
  const user = process.getuid?.() === 0 ? ['user root'] : [];
  const lines = [`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'max_queued_messages 0'];
  return [...lines, ...user, ...persistence, ''].join('\n');
}

/** A port of loopback that nobody had a moment ago. */
