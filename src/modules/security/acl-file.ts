/**
 * Reads an ACL file (`acl_file`). Its grammar, one rule a line; spaces separate, and only spaces:
 *
 *   topic [read|write|readwrite|deny] FILTER      before the first `user` for anonymous clients, then for that user
 *   user NAME                                     NAME and FILTER go to the end of the line and may hold spaces
 *   pattern [read|write|readwrite|deny] FILTER    for everybody; %c is the client id, %u the user name
 *   # comment                                     only when '#' is the first character of the line
 *
 * Without an access word a rule is readwrite; a filter with spaces needs the word. Any other line is an error, because a
 * rule that is not understood might be one that denies.
 */
import { TOPIC_LEVELS_MAX } from '../../protocol/topic.ts';
import { isMqttText } from '../../protocol/utf8.ts';
import { AclRules } from './acl-rules.ts';
import { type FileLine, FileWarnings, readFileLines, trimBlanks } from './file-lines.ts';
import { AclAccess } from './rule-tree.ts';
import { shown, wrongLine } from './security-file-error.ts';

/** More rules are refused; what they cost in memory follows from both. */
const RULES_MAX = 250_000;
const LEVELS_MAX = 2_000_000;

const ACCESS_WORDS: ReadonlyMap<string, number> = new Map([
  ['read', AclAccess.Read],
  ['write', AclAccess.Write],
  ['readwrite', AclAccess.Read | AclAccess.Write],
  ['deny', AclAccess.Deny],
]);

/** A file that was read. */
export interface AclFile {
  readonly rules: AclRules;
  readonly warnings: readonly string[];
}

interface Rule {
  readonly access: number;
  readonly filter: string;
}

/** @throws SecurityFileError at the first line that cannot be understood, or when there are too many rules. */
export function parseAclFile(source: Uint8Array, path: string): AclFile {
  const rules = new AclRules();
  const warnings = new FileWarnings(path);
  let userName: string | null = null;
  for (const line of readFileLines(source, path)) {
    const { word, rest } = firstWord(line.text);
    if (word === 'user') userName = readUserName(line, rest);
    else if (word === 'topic') addTopic(line, rest, { rules, userName, warnings });
    else if (word === 'pattern') addPattern(line, rest, { rules, warnings });
    else throw unknownLine(line);
    if (rules.ruleCount > RULES_MAX || rules.levelCount > LEVELS_MAX) throw tooMany(line);
  }
  return { rules, warnings: warnings.lines };
}

interface Into {
  readonly rules: AclRules;
  readonly warnings: FileWarnings;
}

function addTopic(line: FileLine, rest: string, into: Into & { readonly userName: string | null }): void {
  const { access, filter } = readRule(line, rest);
  if (hasPlace(filter)) {
    const meaning = "holds '%c' or '%u' as it stands: only a line with 'pattern' puts names in.";
    into.warnings.add(`Warning: ACL topic '${shown(filter)}' (${line.path}:${line.line}) ${meaning}`);
  }
  into.rules.addTopic(into.userName, access, filter);
}

function addPattern(line: FileLine, rest: string, { rules, warnings }: Into): void {
  const { access, filter } = readRule(line, rest);
  if (!hasPlace(filter)) {
    const place = `(${line.path}:${line.line})`;
    warnings.add(`Warning: ACL pattern '${shown(filter)}' does not contain '%c' or '%u'. ${place}`);
  }
  rules.addPattern(access, filter);
}

function hasPlace(filter: string): boolean {
  return filter.includes('%c') || filter.includes('%u');
}

function readUserName(line: FileLine, rest: string): string {
  const name = trimBlanks(rest);
  if (name === '') {
    throw wrongLine(line, `Missing username in acl_file "${line.path}".`, 'Write: user NAME');
  }
  if (!isMqttText(name)) {
    const what = `Invalid username in acl_file "${line.path}": ${shown(name)}.`;
    throw wrongLine(line, what, 'It holds a control character, so no client can have it. A tab? Only spaces separate.');
  }
  return name;
}

function readRule(line: FileLine, rest: string): Rule {
  if (rest === '') {
    const mend = 'Write: topic FILTER, or: topic read|write|readwrite|deny FILTER';
    throw wrongLine(line, `Empty topic in acl_file "${line.path}".`, mend);
  }
  const { word, rest: filter } = firstWord(rest);
  if (filter === '') return checked(line, { access: AclAccess.Read | AclAccess.Write, filter: word });
  const access = ACCESS_WORDS.get(word);
  if (access === undefined) {
    const mend =
      'Known are read, write, readwrite and deny. A topic with spaces needs one of them before it: topic readwrite Plant 1/#';
    throw wrongLine(line, `Invalid topic access type "${shown(word)}" in acl_file "${line.path}".`, mend);
  }
  return checked(line, { access, filter });
}

function checked(line: FileLine, rule: Rule): Rule {
  const fault = filterFault(rule.filter);
  if (fault === null) return rule;
  throw wrongLine(line, `Invalid ACL topic "${shown(rule.filter)}" in acl_file "${line.path}".`, fault);
}

/** What is wrong with a filter and what to do; null = nothing. `$share/...` is text like any other here. */
function filterFault(filter: string): string | null {
  if (!isMqttText(filter)) {
    return 'It holds a control character or is longer than 65535 bytes, so no topic matches it. A tab? Only spaces separate.';
  }
  const levels = filter.split('/');
  if (levels.length > TOPIC_LEVELS_MAX)
    return `It has ${levels.length} levels; topics have ${TOPIC_LEVELS_MAX} at most.`;
  const hashAt = levels.findIndex((level) => level.includes('#'));
  if (hashAt >= 0 && (levels[hashAt] !== '#' || hashAt < levels.length - 1)) {
    return "'#' must be the last level, and all of it: Plant1/#";
  }
  const isPlusWrong = levels.some((level) => level.includes('+') && level !== '+');
  return isPlusWrong ? "'+' must be the whole of its level: Plant1/+/state" : null;
}

function unknownLine(line: FileLine) {
  const what = `Invalid line in acl_file "${line.path}": ${shown(line.text)}.`;
  const tab = line.text.includes('\t') ? ' There is a tab in it: only spaces separate.' : '';
  const blank = line.text.startsWith(' ') ? " A comment has its '#' as the first character of the line." : '';
  const mend = "A line begins with 'topic', 'user', 'pattern' or '#'.";
  return wrongLine(line, what, `${mend}${tab}${blank}`);
}

function tooMany(line: FileLine) {
  const what = `Too many rules in acl_file "${line.path}": ${RULES_MAX} rules and ${LEVELS_MAX} levels are the limits.`;
  return wrongLine(line, what, 'Use wildcards or patterns (%c, %u) for what is the same for many clients.');
}

/** The first word and all that follows it and its spaces; leading spaces do not count. */
function firstWord(text: string): { readonly word: string; readonly rest: string } {
  const start = skipSpaces(text, 0);
  const space = text.indexOf(' ', start);
  const end = space < 0 ? text.length : space;
  return { word: text.slice(start, end), rest: text.slice(skipSpaces(text, end)) };
}

function skipSpaces(text: string, from: number): number {
  let at = from;
  while (text.charCodeAt(at) === 0x20) at++;
  return at;
}
