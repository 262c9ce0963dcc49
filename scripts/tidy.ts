/**
 * Checks what no linter knows about this project: the import table of the architecture, lengths of files and
 * functions, words and names, ways around the type checker, exports, files nobody imports, links in documents.
 * Part of `npm run check`. Prints `file:line: what is wrong, what to do` and exits with 1 when there is any.
 *
 * `node scripts/tidy.ts --set-limits` writes the present counts of `any`, `as`, `!` and ignored lints as the limits.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  checkEscapes,
  countEscapes,
  formatLimits,
  LIMITS_PATH,
  parseLimits,
  showEscapes,
} from './tidy/check-escapes.ts';
import { checkExports, checkLinks } from './tidy/check-files.ts';
import { checkImports } from './tidy/check-imports.ts';
import { checkSizes } from './tidy/check-sizes.ts';
import { checkWords } from './tidy/check-words.ts';
import { readFacts } from './tidy/source-facts.ts';
import { readTree } from './tidy/tree.ts';

const root = join(import.meta.dirname, '..');
const tree = readTree(root);
const facts = readFacts(tree);
const counts = countEscapes(facts);

if (process.argv.includes('--set-limits')) {
  writeFileSync(join(root, LIMITS_PATH), formatLimits(counts));
  console.log(showEscapes(counts, counts));
} else {
  const limits = parseLimits(tree.get(LIMITS_PATH) ?? '{}');
  const findings = [
    ...checkImports(tree, facts),
    ...checkSizes(tree, facts),
    ...checkWords(tree, facts),
    ...checkExports(facts),
    ...checkLinks(tree),
    ...checkEscapes(facts, limits),
  ];
  for (const { path, line, text } of findings) console.error(`${path}${line > 0 ? `:${line}` : ''}: ${text}`);
  console.log(showEscapes(counts, limits));
  console.log(
    `Tidy: ${facts.size} source files, ${findings.length} ${findings.length === 1 ? 'thing' : 'things'} to mend.`,
  );
  process.exitCode = findings.length > 0 ? 1 : 0;
}
