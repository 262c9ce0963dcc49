import { readFileSync } from 'node:fs';

/** The folder of package.json. This file stands two folders below it, as source and when it is built. */
export const PACKAGE_ROOT = new URL('../../', import.meta.url);

/** The version of this copy of Zanzara, from its package.json. */
export function readVersion(): string {
  const parsed: unknown = JSON.parse(readFileSync(new URL('package.json', PACKAGE_ROOT), 'utf8'));
  const hasVersion = typeof parsed === 'object' && parsed !== null && 'version' in parsed;
  return hasVersion ? String(parsed.version) : 'unknown';
}
