/** The documents that are made from the table of options: the reference tables and the annotated example. */
import type { LogDestination, Option, OptionType } from './option.ts';
import { OPTION_GROUPS } from './options.ts';
import { defaultOf, hasValue } from './section.ts';

const COMMENT_WIDTH_MAX = 118;

const EXAMPLE_HEAD = `
Every option that Zanzara knows, each with its default and what it does. Remove the # in front of a line and give it
your value. This file as it is means the same as no file at all. Made from the table of options by
\`node scripts/config-docs.ts\`; docs/configuration.md has the same as a page.
`;

/** One table for each group, as Markdown. */
export function optionTables(): string {
  return OPTION_GROUPS.map(({ title, intro, rows }) => {
    const head = [`### ${title}`, '', ...(intro === undefined ? [] : [intro, ''])];
    return [...head, '| option | default | reload | meaning |', '|---|---|---|---|', ...rows.map(tableRow)].join('\n');
  }).join('\n\n');
}

/** The annotated example file: a configuration that is all comments. */
export function exampleText(): string {
  const groups = OPTION_GROUPS.map(({ title, intro, rows }) => {
    const rule = '-'.repeat(COMMENT_WIDTH_MAX - 2);
    const head = [
      `# ${rule}`,
      `# ${title}`,
      ...(intro === undefined ? [] : wrap(intro.replaceAll('`', ''))),
      `# ${rule}`,
    ];
    return [...head, '', ...rows.flatMap(exampleLines)].join('\n');
  });
  return `${[...wrap(EXAMPLE_HEAD), '', ...groups].join('\n')}`;
}

/** The lines that would set an option to its default, or to an example where the default cannot be written. */
export function exampleSettings(row: Option): readonly string[] {
  const values = row.exampleValue === undefined ? defaultWords(row) : [row.exampleValue];
  const name = row.name.endsWith('_') ? `${row.name}KEY` : row.name;
  return values.map((value) => `${name} ${value}`);
}

function tableRow(row: Option): string {
  const name = row.name.endsWith('_') ? `${row.name}KEY` : row.name;
  const cells = [
    `\`${name} ${valueWords(row)}\`${aliasWords(row)}`,
    row.defaultText ?? quoted(defaultWords(row).join(', ')),
    reloadWord(row),
    meaningOf(row),
  ];
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
}

function exampleLines(row: Option): string[] {
  const shown = row.defaultText ?? (defaultWords(row).join(', ') || 'none');
  const isDefault = row.exampleValue === undefined && hasValue(row.type);
  const comment = wrap(`${meaningOf(row)}${isDefault ? '' : ` Default: ${shown}.`}`.replaceAll('`', ''));
  const scope = row.scope === 'listener' ? ['# (of a listener)'] : [];
  return [...scope, ...comment, ...exampleSettings(row).map((line) => `#${line}`), ''];
}

function meaningOf(row: Option): string {
  return `${row.text}${olderWords(row)}${deprecatedWords(row)}${earlyWords(row)}${ownWords(row)}`;
}

/** Text as comment lines that are not too long. */
function wrap(text: string): string[] {
  const lines: string[] = [];
  let line = '#';
  for (const word of text.split(/\s+/).filter((part) => part !== '')) {
    if (line.length + 1 + word.length > COMMENT_WIDTH_MAX) {
      lines.push(line);
      line = '#';
    }
    line += ` ${word}`;
  }
  return [...lines, line];
}

function valueWords(row: Option): string {
  return row.valueText ?? typeWords(row.type);
}

function typeWords(type: OptionType): string {
  switch (type.kind) {
    case 'boolean':
      return 'true|false';
    case 'choice':
    case 'choices':
      return type.words.join('|');
    case 'numbers':
      return type.numbers.join(' ');
    case 'duration':
    case 'number':
      return 'N';
    default:
      return 'VALUE';
  }
}

function defaultWords(row: Option): readonly string[] {
  return wordsOfValue(defaultOf(row, '2.1'));
}

/** A default as it would be written, one entry for each line. */
function wordsOfValue(value: unknown): readonly string[] {
  if (value === null || value === undefined) return [];
  if (Array.isArray(value)) {
    const words = value.flatMap(wordsOfValue);
    return value.every((entry) => typeof entry === 'number') ? [words.join(' ')] : words;
  }
  if (isDestination(value)) return [value.kind];
  return typeof value === 'object' ? [restartWords(Object.values(value))] : [String(value)];
}

/** `restart_timeout` without the stable time that nobody gave. */
function restartWords(values: readonly unknown[]): string {
  return values
    .filter((value) => value !== 0)
    .map(String)
    .join(' ');
}

function isDestination(value: unknown): value is LogDestination {
  return typeof value === 'object' && value !== null && 'kind' in value;
}

function aliasWords(row: Option): string {
  if (row.aliases === undefined) return '';
  return ` (also ${row.aliases.map((name) => quoted(row.name.endsWith('_') ? `${name}KEY` : name)).join(', ')})`;
}

function reloadWord(row: Option): string {
  return row.isReloaded ? 'yes' : 'no';
}

function olderWords(row: Option): string {
  const older = Object.entries(row.defaultIn ?? {}).map(([version, value]) => {
    return `\`${wordsOfValue(value).join(', ')}\` with \`--compat ${version}\``;
  });
  return older.length === 0 ? '' : ` The default is ${older.join(', ')}.`;
}

function deprecatedWords(row: Option): string {
  if (row.isDeprecated === undefined) return '';
  return ` Deprecated.${row.instead === undefined ? '' : ` ${row.instead.replaceAll("'", '`')}`}`;
}

function earlyWords(row: Option): string {
  return row.beforeListener === 'needs-one' ? ' Only after a `listener` line.' : '';
}

function ownWords(row: Option): string {
  return row.isOurs ? ' Zanzara only: Mosquitto refuses a file that has it.' : '';
}

function quoted(text: string): string {
  return text === '' ? 'none' : `\`${text}\``;
}
