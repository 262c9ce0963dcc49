/** What is sound in a damaged store, made a new one of: the tool's side of store/rebuild-store.ts. */
import { DatabaseSync } from 'node:sqlite';
import { makeStore } from '../store/make-store.ts';
import { type Rebuilt, rebuildStore } from '../store/rebuild-store.ts';
import { SCHEMA_VERSION } from '../store/schema.ts';
import { versionOf } from '../store/store-database.ts';
import { isDamage } from '../store/store-faults.ts';
import type { StoreFiles } from '../store/store-files.ts';
import { StoreToolError } from './run-as-owner.ts';

/**
 * Makes a store in the folder `into`, where there is none, of all of `file` that can be read and is sound.
 * @throws StoreToolError when a newer program wrote it; an error of the disk
 */
export function salvageStore(file: string, into: StoreFiles): Rebuilt {
  const database = new DatabaseSync(file, { enableForeignKeyConstraints: false });
  try {
    requireKnown(database);
    return makeStore(into, into.store, (made) => rebuildStore(database, made));
  } finally {
    database.close();
  }
}

/** A version that is damaged is no hindrance. @throws StoreToolError */
function requireKnown(database: DatabaseSync): void {
  let version = 0;
  try {
    ({ version } = versionOf(database));
  } catch (error) {
    if (!isDamage(error)) throw error;
  }
  if (version <= SCHEMA_VERSION) return;
  throw new StoreToolError(`It was written by a newer Zanzara (schema ${version}). Use that one.`);
}
