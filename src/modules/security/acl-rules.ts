/**
 * What an ACL file says, ready to be asked. The order is Mosquitto's: the client's own rules first (those of its user
 * name, or those for anonymous clients), then the patterns, which are for everybody; in both `deny` comes before what
 * grants; whatever nothing grants is denied.
 *
 * Names that could be read as a part of a pattern get nothing from patterns [CVE-2017-7650]:
 *  - with '+' or '#': from no pattern of the file, as Mosquitto does;
 *  - with '/': from no pattern that would hold the name. Mosquitto puts it in, and then a client that calls itself
 *    `robot5/arm` is inside of what `robots/%c/#` gives to robot5. A `deny` that would hold it cannot be told from what it
 *    was meant for, so then no pattern grants anything.
 */
import type { TopicName } from '../../protocol/topic.ts';
import { AclAccess, type ClientNames, RuleTree } from './rule-tree.ts';

/** `dangerous-...`: denied because of a name that patterns do not take. */
export type AclVerdict = 'allowed' | 'denied' | 'dangerous-user-name' | 'dangerous-client-id';

/** Which names a set of patterns holds. */
interface NameUse {
  isClientIdUsed: boolean;
  isUserNameUsed: boolean;
}

export class AclRules {
  readonly #anonymous = new RuleTree();
  readonly #users = new Map<string, RuleTree>();
  readonly #patterns = new RuleTree();
  readonly #grants: NameUse = { isClientIdUsed: false, isUserNameUsed: false };
  readonly #denials: NameUse = { isClientIdUsed: false, isUserNameUsed: false };
  #ruleCount = 0;
  #levelCount = 0;
  /** One topic is asked about for each of its receivers in turn. */
  #text: string | null = null;
  #levels: readonly string[] = [];

  /** Rules that were added. */
  get ruleCount(): number {
    return this.#ruleCount;
  }

  /** Levels of all their filters: what they cost in memory. */
  get levelCount(): number {
    return this.#levelCount;
  }

  /** What all answers together have cost so far, in comparisons. */
  get comparisonCount(): number {
    let count = this.#anonymous.comparisonCount + this.#patterns.comparisonCount;
    for (const tree of this.#users.values()) count += tree.comparisonCount;
    return count;
  }

  /** A rule for one user, or for anonymous clients (null). `access`: bits of AclAccess; the filter was checked. */
  addTopic(userName: string | null, access: number, filter: string): void {
    this.#add(this.#treeOf(userName), access, filter, false);
  }

  /** A rule for everybody, with %c and %u in its filter, which was checked as it is written. */
  addPattern(access: number, filter: string): void {
    const use = (access & AclAccess.Deny) === 0 ? this.#grants : this.#denials;
    use.isClientIdUsed ||= filter.includes('%c');
    use.isUserNameUsed ||= filter.includes('%u');
    this.#add(this.#patterns, access, filter, true);
  }

  /** May this client read or write the topic? `right`: AclAccess.Read or AclAccess.Write. */
  judge(client: ClientNames, topic: TopicName, right: number): AclVerdict {
    const { userName } = client;
    const levels = this.#levelsOf(topic);
    const own = userName === null ? this.#anonymous : this.#users.get(userName);
    const found = own === undefined ? 0 : own.match(levels, client);
    if ((found & AclAccess.Deny) !== 0) return 'denied';
    if ((found & right) !== 0) return 'allowed';
    return this.#patterns.isEmpty ? 'denied' : this.#judgePatterns(client, levels, right);
  }

  #judgePatterns(client: ClientNames, levels: readonly string[], right: number): AclVerdict {
    const { clientId, userName } = client;
    if (userName !== null && hasWildcard(userName)) return 'dangerous-user-name';
    if (hasWildcard(clientId)) return 'dangerous-client-id';
    const unclear = slashVerdict(client, this.#denials);
    if (unclear !== null) return unclear;
    const found = this.#patterns.match(levels, client);
    if ((found & AclAccess.Deny) !== 0) return 'denied';
    if ((found & right) !== 0) return 'allowed';
    return slashVerdict(client, this.#grants) ?? 'denied';
  }

  #treeOf(userName: string | null): RuleTree {
    if (userName === null) return this.#anonymous;
    const known = this.#users.get(userName);
    if (known !== undefined) return known;
    const tree = new RuleTree();
    this.#users.set(userName, tree);
    return tree;
  }

  #add(tree: RuleTree, access: number, filter: string, isPattern: boolean): void {
    const before = tree.levelCount;
    tree.add(filter, access, isPattern);
    this.#levelCount += tree.levelCount - before;
    this.#ruleCount++;
  }

  #levelsOf(topic: TopicName): readonly string[] {
    // Not by the object: a topic that is only lent is the same one for every topic.
    const { text } = topic;
    if (text === this.#text) return this.#levels;
    this.#text = text;
    this.#levels = text.split('/');
    return this.#levels;
  }
}

function hasWildcard(name: string): boolean {
  return name.includes('+') || name.includes('#');
}

/** Not null when these patterns hold a name of the client that has a '/'. */
function slashVerdict({ clientId, userName }: ClientNames, use: NameUse): AclVerdict | null {
  if (use.isUserNameUsed && userName?.includes('/') === true) return 'dangerous-user-name';
  return use.isClientIdUsed && clientId.includes('/') ? 'dangerous-client-id' : null;
}
