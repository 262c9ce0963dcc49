/** Words that stand for unfinished work or for one machine, code in comments, and names that say nothing. */
import { basename } from 'node:path';
import type { SourceFacts } from './source-facts.ts';
import type { Finding, Tree } from './tree.ts';

/** Split, so that this file does not find itself. */
const BANNED: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`\\b(?:${['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK'].join('|')})\\b`), 'do it now, or file it'],
  [
    new RegExp(`(?:^|[\\s'"\`(=])${'/wo' + 'rk'}/`),
    'a path of one machine; make it relative, or ask for a temporary folder',
  ],
];
const BANNED_IN_LOCK: readonly [RegExp, string] = [
  /"resolved":/,
  'names a registry; npm config set omit-lockfile-registry-resolved true',
];

const EMPTY_WORDS = ['manager', 'helper', 'helpers', 'util', 'utils', 'impl', 'data', 'misc'];
const ABBREVIATIONS = [
  'msg',
  'pkt',
  'conn',
  'buf',
  'cfg',
  'ctx',
  'mgr',
  'idx',
  'cb',
  'fn',
  'opts',
  'num',
  'len',
  'tmp',
];
const REFUSED_IN_NAMES: ReadonlySet<string> = new Set([...EMPTY_WORDS, ...ABBREVIATIONS]);

const FILE_NAME = /^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.(?:test|suite|fixture|bench))?\.(?:ts|js)$/;

/**
 * A comment line that is code: a statement keyword and its end, a call or an assignment with its semicolon, or a brace
 * alone. Prose that happens to end in a semicolon is not caught, nor is code in a block comment.
 */
const COMMENTED_CODE =
  /^\s*\/\/\s?(?:(?:const|let|var|import|export|return|await|if|for|while|switch|case|throw)\b.*[;{]|[\w.$#]+\([^ ]*\);|[\w.$[\]#]+ [-+*|&]?= .*;|\s*\});?\s*$/;

/** Texts of all files, names of source files and of what they export. */
export function checkWords(tree: Tree, facts: ReadonlyMap<string, SourceFacts>): Finding[] {
  const findings: Finding[] = [];
  for (const [path, text] of tree) {
    const banned = path === 'package-lock.json' ? [BANNED_IN_LOCK] : BANNED;
    text.split('\n').forEach((content, index) => {
      const found = wrongInLine(content, banned, facts.has(path));
      if (found !== null) findings.push({ path, line: index + 1, text: found });
    });
  }
  for (const [path, fact] of facts) findings.push(...wrongNames(path, fact));
  return findings;
}

function wrongInLine(content: string, banned: typeof BANNED, isSource: boolean): string | null {
  for (const [pattern, whatToDo] of banned) {
    const found = pattern.exec(content);
    if (found !== null) return `says ${found[0].trim()}: ${whatToDo}`;
  }
  return isSource && COMMENTED_CODE.test(content) ? 'is commented-out code; delete it, git remembers' : null;
}

function wrongNames(path: string, fact: SourceFacts): Finding[] {
  const findings: Finding[] = [];
  const name = basename(path);
  if (!FILE_NAME.test(name)) findings.push({ path, line: 0, text: 'file names are kebab-case: match-cache.ts' });
  // Tests are named after sections of the standard.
  const inFile = path.startsWith('test/') ? null : refusedWord(name.replace(/\..*$/, ''));
  if (inFile !== null) findings.push({ path, line: 0, text: nameText(name, inFile) });
  for (const exported of fact.exported) {
    const word = refusedWord(exported.name);
    if (word !== null) findings.push({ path, line: exported.line, text: nameText(exported.name, word) });
  }
  return findings;
}

/** The words of `match-cache`, `matchCache`, `MatchCache` and `MATCH_CACHE` are match and cache. */
function refusedWord(name: string): string | null {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .split(/[-_]/);
  return words.find((word) => REFUSED_IN_NAMES.has(word)) ?? null;
}

function nameText(name: string, word: string): string {
  return `"${word}" in the name ${name}: use MQTT's own noun, written out (house style, rules 3 and 4)`;
}
