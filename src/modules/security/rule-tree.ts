/**
 * Rules of an ACL, found by topic in a time that grows with what could match and not with how many there are: a tree by
 * filter level. A match goes down level by level with the set of nodes reached so far, and gathers the accesses of all
 * filters that match; their order does not matter, because `deny` beats everything and the others add up.
 *
 *   Plant1/+/state     root --Plant1--> o --+--> o --state--> o.here
 *   Plant1/#           root --Plant1--> o.below                         found on reaching `Plant1`, even as the last level
 *   robots/%c/#        root --robots--> o --[%c]--> o.below             the branch is open to the client of that id
 *
 * %c and %u are never put into a filter: such a level is a template, which is compared with one level of the topic,
 * piece by piece. So whatever an id holds ('+', '#', '/', '%u', '$SYS'), it is compared as text and can be no wildcard,
 * no second level and no `$` topic. A string that is put together and then matched as a filter (and escaped where somebody
 * thought of it) was what made CVE-2017-7650.
 *
 * No recursion: the depth of a topic is the client's choice. Nothing is normalised.
 */

/** What a rule says, as bits. */
export const AclAccess = { Read: 1, Write: 2, Deny: 4 } as const;

/** The names that stand for %c and %u. A template with %u is closed to a client without a user name. */
export interface ClientNames {
  readonly clientId: string;
  readonly userName: string | null;
}

type TemplatePart = 'client-id' | 'user-name' | { readonly text: string };

/** One level with %c or %u in it. */
interface Template {
  readonly source: string;
  readonly parts: readonly TemplatePart[];
}

interface TemplateBranch {
  readonly template: Template;
  readonly node: RuleNode;
}

class RuleNode {
  /** Accesses of the filters that end here. */
  here = 0;
  /** Accesses of the filters that go on with `#`. */
  below = 0;
  literals: Map<string, RuleNode> | null = null;
  plus: RuleNode | null = null;
  /** Few: one for each different text of a level, and nearly all of them are a lone `%c` or `%u`. */
  templates: TemplateBranch[] | null = null;
}

const DOLLAR = '$';
const PLACE = /%[cu]/g;

export class RuleTree {
  readonly #root = new RuleNode();
  #levelCount = 0;
  #comparisonCount = 0;

  get isEmpty(): boolean {
    return this.#levelCount === 0;
  }

  /** Levels of all filters that were added. */
  get levelCount(): number {
    return this.#levelCount;
  }

  /** Nodes looked at and templates compared by all matches so far: what a match costs. */
  get comparisonCount(): number {
    return this.#comparisonCount;
  }

  /** Adds a filter that was checked. `isPattern`: %c and %u in it stand for names; otherwise they are ordinary text. */
  add(filter: string, access: number, isPattern: boolean): void {
    let node = this.#root;
    for (const level of filter.split('/')) {
      this.#levelCount++;
      if (level === '#') {
        node.below |= access;
        return;
      }
      node = childFor(node, level, isPattern);
    }
    node.here |= access;
  }

  /**
   * The accesses of all filters that match a topic, given by its levels. A filter that does not begin with `$`, as it is
   * written, matches no topic that begins with `$`. With `Deny` among them the others may be missing.
   */
  match(levels: readonly string[], names: ClientNames): number {
    const isDollar = levels[0]?.startsWith(DOLLAR) === true;
    let found = 0;
    let reached: RuleNode[] = [this.#root];
    for (let depth = 0; reached.length > 0 && (found & AclAccess.Deny) === 0; depth++) {
      const level = levels[depth];
      const isHidden = isDollar && depth === 0;
      const next: RuleNode[] = [];
      this.#comparisonCount += reached.length;
      for (const node of reached) {
        if (!isHidden) found |= node.below;
        if (level === undefined) found |= node.here;
        else this.#reach(node, level, isHidden, names, next);
      }
      reached = next;
    }
    return found;
  }

  /** Appends the children of `node` that `level` leads to. `isHidden`: the level begins a `$` topic. */
  #reach(node: RuleNode, level: string, isHidden: boolean, names: ClientNames, next: RuleNode[]): void {
    const literal = node.literals?.get(level);
    if (literal !== undefined) next.push(literal);
    if (node.plus !== null && !isHidden) next.push(node.plus);
    if (node.templates === null) return;
    for (const branch of node.templates) {
      this.#comparisonCount++;
      if (isHidden && !branch.template.source.startsWith(DOLLAR)) continue;
      if (isFilled(branch.template, level, names)) next.push(branch.node);
    }
  }
}

function childFor(node: RuleNode, level: string, isPattern: boolean): RuleNode {
  if (level === '+') {
    node.plus ??= new RuleNode();
    return node.plus;
  }
  const template = isPattern ? templateOf(level) : null;
  if (template !== null) return templateChild(node, template);
  node.literals ??= new Map();
  const known = node.literals.get(level);
  if (known !== undefined) return known;
  const child = new RuleNode();
  node.literals.set(level, child);
  return child;
}

function templateChild(node: RuleNode, template: Template): RuleNode {
  node.templates ??= [];
  const known = node.templates.find((branch) => branch.template.source === template.source);
  if (known !== undefined) return known.node;
  const child = new RuleNode();
  node.templates.push({ template, node: child });
  return child;
}

/** Null: the level has neither %c nor %u. */
function templateOf(level: string): Template | null {
  const parts: TemplatePart[] = [];
  let end = 0;
  for (const { 0: place, index } of level.matchAll(PLACE)) {
    if (index > end) parts.push({ text: level.slice(end, index) });
    parts.push(place === '%c' ? 'client-id' : 'user-name');
    end = index + place.length;
  }
  if (parts.length === 0) return null;
  if (end < level.length) parts.push({ text: level.slice(end) });
  return { source: level, parts };
}

/** True when `level` is exactly the template with the names in their places. */
function isFilled(template: Template, level: string, names: ClientNames): boolean {
  let at = 0;
  for (const part of template.parts) {
    const text = textOf(part, names);
    if (text === null || !level.startsWith(text, at)) return false;
    at += text.length;
  }
  return at === level.length;
}

function textOf(part: TemplatePart, names: ClientNames): string | null {
  if (part === 'client-id') return names.clientId;
  return part === 'user-name' ? names.userName : part.text;
}
