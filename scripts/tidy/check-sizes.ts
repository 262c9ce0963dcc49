/** A file fits one idea, a function one story: house style, rules 5 and 6. */
import type { SourceFacts } from './source-facts.ts';
import { countLines, type Finding, isTest, type Tree } from './tree.ts';

const FILE_LINES_MAX = 600;
const TEST_FILE_LINES_MAX = 1000;
const FUNCTION_LINES_MAX = 70;

/** Lengths of files and functions. A function that registers tests may be as long as its file. */
export function checkSizes(tree: Tree, facts: ReadonlyMap<string, SourceFacts>): Finding[] {
  const findings: Finding[] = [];
  for (const [path, fact] of facts) {
    const lineCount = countLines(tree.get(path) ?? '');
    const max = isTest(path) ? TEST_FILE_LINES_MAX : FILE_LINES_MAX;
    if (lineCount > max) {
      findings.push({ path, line: max + 1, text: `has ${lineCount} lines, ${max} are the limit; split it by idea` });
    }
    for (const { name, line, lineCount: length, isTestGroup } of fact.functions) {
      if (length <= FUNCTION_LINES_MAX || isTestGroup) continue;
      const text = `${name} has ${length} lines, ${FUNCTION_LINES_MAX} are the limit; move a step of it into a function`;
      findings.push({ path, line, text });
    }
  }
  return findings;
}
