/** The project's files as the scripts see them: a path from the root, with `/`, to its text. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Files that are not text are there with an empty text, so that a link to them resolves. */
export type Tree = ReadonlyMap<string, string>;

/** One thing that is wrong: where, what, and what to do. Line 0 stands for the file as a whole. */
export interface Finding {
  readonly path: string;
  readonly line: number;
  readonly text: string;
}

/** `data` is what `npm start` makes. */
const SKIPPED_FOLDERS: ReadonlySet<string> = new Set(['.git', 'node_modules', 'dist', 'coverage', 'data']);
const TEXT = /(?:\.(?:ts|js|json|md|sh|tsv|conf|yml)|\/(?:zanzara|run))$/;

/** Reads every file below `root` but those of npm, git and the build. */
export function readTree(root: string): Tree {
  const tree = new Map<string, string>();
  const open = [''];
  for (let folder = open.pop(); folder !== undefined; folder = open.pop()) {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
      if (entry.isFile()) tree.set(path, TEXT.test(path) ? readFileSync(join(root, path), 'utf8') : '');
      else if (entry.isDirectory() && !SKIPPED_FOLDERS.has(entry.name)) open.push(path);
    }
  }
  return new Map([...tree].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** A test, or a suite or fixture that only tests use: the rules for rooms leave these out. */
export function isTest(path: string): boolean {
  return path.startsWith('test/') || /\.(?:test|suite|fixture)\.ts$/.test(path);
}

/** How many lines a text has; the line break at the end opens no new one. */
export function countLines(text: string): number {
  const breaks = text.split('\n').length - 1;
  return text.endsWith('\n') || text === '' ? breaks : breaks + 1;
}
