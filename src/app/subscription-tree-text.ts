/** One subscription, for SIGUSR2. */
export interface ShownSubscription {
  readonly filter: string;
  readonly clientId: string;
  readonly qos: number;
}

/** Lines are cut off after so many: it is for looking at, not for keeping. */
export const TREE_LINES_MAX = 100_000;

interface Branch {
  readonly branches: Map<string, Branch>;
  readonly clients: string[];
}

/** The subscriptions as a tree, two spaces for each level, who subscribed in brackets. */
export function* subscriptionTreeText(subscriptions: Iterable<ShownSubscription>): Generator<string> {
  const root: Branch = { branches: new Map(), clients: [] };
  for (const { filter, clientId, qos } of subscriptions) {
    let branch = root;
    for (const level of filter.split('/')) {
      const next = branch.branches.get(level) ?? { branches: new Map(), clients: [] };
      branch.branches.set(level, next);
      branch = next;
    }
    branch.clients.push(`${clientId}, ${qos}`);
  }
  let count = 0;
  for (const line of linesOf(root, 0)) {
    count += 1;
    if (count > TREE_LINES_MAX) {
      yield `(cut off after ${TREE_LINES_MAX} lines)`;
      return;
    }
    yield line;
  }
}

function* linesOf(branch: Branch, depth: number): Generator<string> {
  for (const [level, next] of branch.branches) {
    const clients = next.clients.map((client) => ` (${client})`).join('');
    yield `${'  '.repeat(depth)}${level === '' ? '""' : level}${clients}`;
    yield* linesOf(next, depth + 1);
  }
}
