/** Which tests are about which option of mosquitto.conf, by their titles. */
import type { Option } from '../../src/config/option.ts';
import { namesOf } from '../../src/config/options.ts';
import type { SourceFacts } from '../tidy/source-facts.ts';
import { isTest } from '../tidy/tree.ts';

/** A name that a line of the file may begin with. */
export interface OptionName {
  readonly name: string;
  readonly scope: string;
  /** Null: it is the option's own name. */
  readonly aliasOf: string | null;
}

/** A title that begins with `option NAME: `. */
export interface OptionTest {
  readonly name: string;
  /** The rest of the title. */
  readonly says: string;
  readonly path: string;
  readonly line: number;
}

export interface OptionRow extends OptionName {
  readonly tests: readonly OptionTest[];
}

const TITLE = /^option ([^ :]+): (.+)$/s;

/** All names, the other names of an option too, in the order of the alphabet. */
export function optionNames(options: readonly Option[]): readonly OptionName[] {
  const all = options.flatMap((option) =>
    namesOf(option).map((name) => ({ name, scope: option.scope, aliasOf: name === option.name ? null : option.name })),
  );
  return all.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

/** The tests, in the order of the files. */
export function readOptionTests(facts: ReadonlyMap<string, SourceFacts>): readonly OptionTest[] {
  return [...facts].flatMap(([path, { strings }]) => {
    if (!isTest(path)) return [];
    return strings.flatMap(({ text, line, isSkipped }) => {
      const [, name, says] = TITLE.exec(text) ?? [];
      return isSkipped || name === undefined || says === undefined ? [] : [{ name, says, path, line }];
    });
  });
}

/** `strangers`: tests of options that do not exist. */
export function assignTests(
  names: readonly OptionName[],
  tests: readonly OptionTest[],
): { readonly rows: readonly OptionRow[]; readonly strangers: readonly OptionTest[] } {
  const known = new Set(names.map(({ name }) => name));
  return {
    rows: names.map((entry) => ({ ...entry, tests: tests.filter(({ name }) => name === entry.name) })),
    strangers: tests.filter(({ name }) => !known.has(name)),
  };
}

/** The page. No line numbers: they would be out of date with each change of a test. */
export function pageOf(rows: readonly OptionRow[]): string {
  const head = [
    '# Options and the tests that show their effect',
    '',
    'Made by `node scripts/options-tested.ts` from the table of options and the titles of the tests; `npm run check` refuses one',
    'that is out of date, and an option without a test. What each option means stands in [configuration.md](configuration.md).',
    '',
    `${rows.length} names, ${rows.filter(({ tests }) => tests.length === 0).length} without a test.`,
    '',
    '| option | scope | test | what it shows |',
    '|---|---|---|---|',
  ];
  return `${[...head, ...rows.flatMap(linesOf)].join('\n')}\n`;
}

function linesOf({ name, scope, aliasOf, tests }: OptionRow): readonly string[] {
  const shown = `${name}${name.endsWith('_') ? '*' : ''}`;
  const scopeText = aliasOf === null ? scope : `${scope}, = \`${aliasOf}${aliasOf.endsWith('_') ? '*' : ''}\``;
  if (tests.length === 0) return [`| \`${shown}\` | ${scopeText} | **none** | |`];
  return tests.map(({ path, says }) => `| \`${shown}\` | ${scopeText} | \`${path}\` | ${cell(says)} |`);
}

function cell(text: string): string {
  return text.replace(/\s+/g, ' ').replaceAll('|', '\\|');
}
