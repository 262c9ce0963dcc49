/**
 * The checklists (`test/conformance/statements-*.tsv`, `test/security/cases.tsv`) and the tests that name their rows.
 * A test names a statement by `[MQTT5-3.3.1-4]` (MQTT 5.0) or `[MQTT3-3.3.1-4]` (3.1.1), and a security case by `T04`,
 * in its title or in a string of the table that its title is made of. Skipped tests name nothing.
 */
import type { SourceFacts } from '../tidy/source-facts.ts';
import { isTest, type Tree } from '../tidy/tree.ts';

/**
 * Who is bound. S: the server; B: both sides; R: the client, and the server must answer when it is broken; C: the
 * client alone, so that it binds our own client and bridges.
 */
export const BINDS = ['S', 'B', 'R', 'C'] as const;
export type Bind = (typeof BINDS)[number];

/** One row of a checklist. */
export interface Item {
  /** As tests name it: `MQTT5-3.3.1-4`, `T04`. */
  readonly id: string;
  /** Null: a security case. */
  readonly bind: Bind | null;
  /** rx: input; tx: output; st: state over several steps; may be joined by `+`. */
  readonly kind: string;
  readonly text: string;
}

export interface Checklist {
  readonly name: string;
  readonly items: readonly Item[];
}

/** Where a test names an id. */
export interface Mention {
  readonly id: string;
  readonly path: string;
  readonly line: number;
  readonly title: string;
}

const LISTS = [
  { name: 'MQTT 5.0', path: 'test/conformance/statements-v5.tsv', prefix: 'MQTT5-' },
  { name: 'MQTT 3.1.1', path: 'test/conformance/statements-v3.tsv', prefix: 'MQTT3-' },
  { name: 'Security cases', path: 'test/security/cases.tsv', prefix: '' },
] as const;

const STATEMENT = /MQTT[35]-\d+(?:\.\d+)+-\d+/g;
const SECURITY_CASE = /(?<=^|[\s([,])T\d\d(?=$|[\s\]),:])/g;
/** In the brackets of a title: an id without its version, or one that only a run would put together. */
const WITHOUT_VERSION = /\[MQTT-\d[^\]]*\]/g;
const PUT_TOGETHER = /\[[^\]\s]*\$\{[^}]*\}-\d+(?:\.\d+)+-\d+/g;
const FORMS = [STATEMENT, SECURITY_CASE, WITHOUT_VERSION, PUT_TOGETHER];

/** The three lists. @throws Error when a file is missing or a row is not as it must be. */
export function readChecklists(tree: Tree): readonly Checklist[] {
  return LISTS.map(({ name, path, prefix }) => {
    const text = tree.get(path);
    if (text === undefined) throw new Error(`${path} is missing`);
    const [, ...rows] = text.trimEnd().split('\n');
    return { name, items: rows.map((row, index) => parseRow(row, prefix, `${path}:${index + 2}`)) };
  });
}

function parseRow(row: string, prefix: string, where: string): Item {
  const cells = row.split('\t');
  if (prefix === '' && cells.length === 2) {
    const [id = '', text = ''] = cells;
    return { id, bind: null, kind: '', text };
  }
  const [id = '', letter = '', kind = '', text = ''] = cells;
  const bind = BINDS.find((entry) => entry === letter);
  if (bind === undefined || cells.length !== 4) throw new Error(`${where}: expected id, S, B, R or C, kind and text`);
  return { id: prefix + id, bind, kind, text };
}

/** Every id that a test names, in the order of the files. `Mention.id` may be one that no list has. */
export function readMentions(facts: ReadonlyMap<string, SourceFacts>): Mention[] {
  return [...facts].flatMap(([path, fact]) => {
    if (!isTest(path)) return [];
    return fact.strings.flatMap(({ text, line, isSkipped }) => {
      const ids = isSkipped ? [] : FORMS.flatMap((form) => text.match(form) ?? []);
      return [...new Set(ids)].map((id) => ({ id, path, line, title: text }));
    });
  });
}

/** Mentions by id, for the ids that some list has; the rest are mistakes. */
export function assign(
  lists: readonly Checklist[],
  mentions: readonly Mention[],
): { readonly byId: ReadonlyMap<string, readonly Mention[]>; readonly unknown: readonly Mention[] } {
  const byId = new Map<string, Mention[]>(lists.flatMap(({ items }) => items.map(({ id }) => [id, []])));
  const unknown: Mention[] = [];
  for (const mention of mentions) (byId.get(mention.id) ?? unknown).push(mention);
  return { byId, unknown };
}

export interface Share {
  readonly covered: number;
  readonly total: number;
}

/** How many of the items that `binds` names have a test. */
export function shareOf(
  { items }: Checklist,
  byId: ReadonlyMap<string, readonly Mention[]>,
  binds: readonly (Bind | null)[],
): Share {
  const wanted = items.filter(({ bind }) => binds.includes(bind));
  return { covered: wanted.filter(({ id }) => (byId.get(id)?.length ?? 0) > 0).length, total: wanted.length };
}
