/** Default exports, barrel files, and relative links in documents. */
import { posix } from 'node:path';
import type { SourceFacts } from './source-facts.ts';
import type { Finding, Tree } from './tree.ts';

const MODULE_DOOR = /^src\/modules\/[^/]+\/index\.ts$/;

/** Names are given where things are made, and imported from where they are made: house style, rule 8. */
export function checkExports(facts: ReadonlyMap<string, SourceFacts>): Finding[] {
  const findings: Finding[] = [];
  for (const [path, fact] of facts) {
    for (const line of fact.defaultExportLines) {
      findings.push({ path, line, text: 'has a default export; export it by its name' });
    }
    if (fact.isBarrel && !MODULE_DOOR.test(path) && fact.imports.some(({ isReExport }) => isReExport)) {
      findings.push({
        path,
        line: 1,
        text: 'only passes on other files; import them where they stand and delete this',
      });
    }
  }
  return findings;
}

/** `[text](target)`, `![text](target)` and `[label]: target`. */
const LINK = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^\[[^\]]+\]:\s+<?(\S+?)>?\s*$/g;

/** Every relative link in a document leads to a file or folder of the tree, and its #part to a heading. */
export function checkLinks(tree: Tree): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    if (!path.endsWith('.md')) continue;
    withoutCode(text).forEach((content, index) => {
      for (const [, inline, reference] of content.matchAll(LINK)) {
        const wrong = wrongLink(tree, path, inline ?? reference ?? '');
        if (wrong !== null) findings.push({ path, line: index + 1, text: wrong });
      }
    });
  }
  return findings;
}

function wrongLink(tree: Tree, path: string, link: string): string | null {
  if (/^(?:[a-z][a-z0-9+.-]*:|\/\/)/i.test(link)) return null;
  const [file = '', part = ''] = decodeURI(link).split('#');
  const target = file === '' ? path : posix.normalize(posix.join(posix.dirname(path), file)).replace(/\/$/, '');
  const isThere = tree.has(target) || [...tree.keys()].some((name) => name.startsWith(`${target}/`)) || target === '.';
  if (!isThere) return `links to ${target}, which does not exist; mend the link`;
  if (part === '' || !target.endsWith('.md')) return null;
  const isHeading = headings(tree.get(target) ?? '').includes(part.toLowerCase());
  return isHeading ? null : `links to #${part}, but ${target} has no such heading`;
}

/** Lines, with fenced and inline code blanked: examples there are no links and no headings. */
function withoutCode(text: string): string[] {
  let isFenced = false;
  return text.split('\n').map((line) => {
    const isFence = /^\s*(?:```|~~~)/.test(line);
    if (isFence) isFenced = !isFenced;
    return isFenced || isFence ? '' : line.replace(/`[^`]*`/g, (code) => ' '.repeat(code.length));
  });
}

/** The anchors that a forge makes of headings: lower case, no punctuation, a dash for each blank, -1 for a repeat. */
function headings(text: string): string[] {
  const seen = new Map<string, number>();
  let isFenced = false;
  const anchors: string[] = [];
  for (const line of text.split('\n')) {
    if (/^\s*(?:```|~~~)/.test(line)) isFenced = !isFenced;
    const title = isFenced ? undefined : /^#{1,6}\s+(.*?)\s*#*$/.exec(line)?.[1];
    if (title === undefined) continue;
    const anchor = title
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-');
    const count = seen.get(anchor) ?? 0;
    seen.set(anchor, count + 1);
    anchors.push(count === 0 ? anchor : `${anchor}-${count}`);
  }
  return anchors;
}
