/** What the tests of this module share: files in memory, names, and the plainest possible reading of an ACL. */
import assert from 'node:assert/strict';
import type { ConnectRequest, Identity } from '../../core/ports.ts';
import { parseTopicName, type TopicName } from '../../protocol/topic.ts';
import type { ClientNames } from './rule-tree.ts';
import { SecurityFileError } from './security-file-error.ts';

const encoder = new TextEncoder();

export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

export function topicOf(text: string): TopicName {
  const topic = parseTopicName(text);
  assert.ok(topic !== null, `${text} is a topic name`);
  return topic;
}

/** Files that a test writes; a missing one is missing as the system says it. */
export class Shelf {
  readonly texts = new Map<string, string>();
  /** Paths, in the order in which they were read. */
  readonly reads: string[] = [];

  readonly readFile = (path: string): Uint8Array => {
    this.reads.push(path);
    const text = this.texts.get(path);
    if (text !== undefined) return bytesOf(text);
    throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' });
  };
}

export function identityOf(identity: Partial<Identity> = {}): Identity {
  return { clientId: 'robot5', userName: null, listenerId: 1, ...identity };
}

export function requestOf(request: Partial<ConnectRequest> = {}): ConnectRequest {
  return {
    clientId: 'robot5',
    userName: null,
    password: null,
    version: 5,
    remoteAddress: '127.0.0.1',
    listenerPort: 1883,
    listenerId: 1,
    security: null,
    ...request,
  };
}

/** The lines of the SecurityFileError that `action` throws. */
export function errorLinesOf(action: () => unknown): readonly string[] {
  try {
    action();
  } catch (error) {
    assert.ok(error instanceof SecurityFileError, `a SecurityFileError, not ${String(error)}`);
    return error.lines;
  }
  return assert.fail('nothing was thrown');
}

/** Does a filter match a topic? Level by level, without any tree. */
export function naiveMatches(filter: string, topic: string, names: ClientNames | null): boolean {
  if (topic.startsWith('$') && !filter.startsWith('$')) return false;
  const wanted = filter.split('/');
  const given = topic.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return given.length >= index;
    if (index >= given.length) return false;
    if (level === '+') continue;
    const text = names === null ? level : filledIn(level, names);
    if (text !== given[index]) return false;
  }
  return wanted.length === given.length;
}

/** Null: the level has %u and there is no user name. */
function filledIn(level: string, { clientId, userName }: ClientNames): string | null {
  const pieces = level.split(/(%[cu])/);
  if (userName === null && pieces.includes('%u')) return null;
  return pieces.map((piece) => (piece === '%c' ? clientId : piece === '%u' ? userName : piece)).join('');
}

/** One line of an ACL. `user`: whose rule it is, null for anonymous clients; a pattern is everybody's. */
export interface PlainRule {
  readonly kind: 'topic' | 'pattern';
  readonly user: string | null;
  readonly access: 'read' | 'write' | 'readwrite' | 'deny';
  readonly filter: string;
}

/** The text of an ACL file with these rules; those of anonymous clients come first. */
export function textOfRules(rules: readonly PlainRule[]): string {
  const own = rules.filter((rule) => rule.kind === 'topic' && rule.user === null);
  const lines = own.map(({ access, filter }) => `topic ${access} ${filter}`);
  for (const { kind, user, access, filter } of rules) {
    if (kind === 'pattern') lines.push(`pattern ${access} ${filter}`);
    else if (user !== null) lines.push(`user ${user}`, `topic ${access} ${filter}`);
  }
  return `${lines.join('\n')}\n`;
}

/** What Mosquitto's manual says of these rules, one after the other. For names without `+`, `#` and `/`. */
export function naiveAllows(rules: readonly PlainRule[], client: ClientNames, topic: string, right: string): boolean {
  const own = rules.filter((rule) => rule.kind === 'topic' && rule.user === client.userName);
  const patterns = rules.filter((rule) => rule.kind === 'pattern');
  for (const group of [own, patterns]) {
    const hits = group.filter((rule) => naiveMatches(rule.filter, topic, rule.kind === 'pattern' ? client : null));
    if (hits.some((rule) => rule.access === 'deny')) return false;
    if (hits.some((rule) => rule.access === right || rule.access === 'readwrite')) return true;
  }
  return false;
}
