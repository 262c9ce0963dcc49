import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** The folder of package.json. This file stands two folders below it, and so does the one that it is bundled into. */
export const PACKAGE_ROOT = dirname(dirname(import.meta.dirname));

/** The version of this copy of Zanzara, from its package.json. */
export function readVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(`${PACKAGE_ROOT}/package.json`, 'utf8'));
  const hasVersion = typeof parsed === 'object' && parsed !== null && 'version' in parsed;
  return hasVersion ? String(parsed.version) : 'unknown';
}
