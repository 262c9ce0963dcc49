/**
 * `npm run conformance`: per statement of the MQTT standards, and per security case, the tests that name it, and which
 * have none. `npm run conformance -- --missing` prints only those without. Exits with 1 when a test names an id that is
 * in no list: a slip of the pen would otherwise count as no test.
 */
import { join } from 'node:path';
import {
  assign,
  BINDS,
  type Checklist,
  type Item,
  type Mention,
  readChecklists,
  readMentions,
  type Share,
  shareOf,
} from './conformance/checklist.ts';
import { readFacts } from './tidy/source-facts.ts';
import { readTree } from './tidy/tree.ts';

const tree = readTree(join(import.meta.dirname, '..'));
const lists = readChecklists(tree);
const { byId, unknown } = assign(lists, readMentions(readFacts(tree)));
const isMissingOnly = process.argv.includes('--missing');

for (const list of lists) console.log(`${list.name}\n${list.items.flatMap(itemLines).join('\n')}\n`);
for (const list of lists) console.log(summary(list));
for (const { id, path, line } of unknown) {
  console.error(
    `${path}:${line}: ${id} is in no list; write [MQTT5-x] or [MQTT3-x] out in full as in test/conformance, Tnn as in test/security`,
  );
}
process.exitCode = unknown.length > 0 ? 1 : 0;

function itemLines(item: Item): string[] {
  const mentions = byId.get(item.id) ?? [];
  const hasTest = mentions.length > 0;
  if (isMissingOnly && hasTest) return [];
  const marks = [item.bind, item.kind].filter((mark) => mark !== null && mark !== '').join(' ');
  const head = `  ${hasTest ? '✔' : '·'} ${item.id.padEnd(16)}${marks.padEnd(9)}${item.text}`;
  return [head, ...mentions.map(mentionLine)];
}

function mentionLine({ path, line, title }: Mention): string {
  return `      ${path}:${line}  ${title.replace(/\s+/g, ' ')}`;
}

function summary(list: Checklist): string {
  if (list.items.every(({ bind }) => bind === null)) return `${list.name}: ${show(shareOf(list, byId, [null]))}`;
  const each = BINDS.map((bind) => `${bind} ${show(shareOf(list, byId, [bind]))}`).join(', ');
  return `${list.name}: ${each}; S and B together ${show(shareOf(list, byId, ['S', 'B']))}`;
}

function show({ covered, total }: Share): string {
  return `${covered} of ${total} (${total === 0 ? 100 : Math.floor((covered / total) * 100)} %)`;
}
