/**
 * The path of a request. Whatever is not a plain path is refused here, before anybody looks at files or rights: dots that
 * lead up, backslashes, empty parts, broken escapes, and what a topic cannot have (NUL, wildcards), because the rights to a
 * path are those to the topic of the same text.
 */
import { parseTopicName } from '../../protocol/topic.ts';

/** Characters of a path before its escapes are taken out. */
const TARGET_CHARS_MAX = 2048;

const REFUSED_NAMES: ReadonlySet<string> = new Set(['', '.', '..']);

/**
 * The decoded path of a request target, without its query: `/`, or parts that are names. Null when it has none that can
 * be answered. Both forms that a client may send are read: `/a/b` and `http://host/a/b` (RFC 9112, 3.2).
 */
export function pathOf(target: string): string | null {
  if (target.length > TARGET_CHARS_MAX) return null;
  const origin = withoutAuthority(target);
  const end = origin.search(/[?#]/);
  const path = decodePath(end === -1 ? origin : origin.slice(0, end));
  if (path === null || parseTopicName(path) === null) return null;
  return path === '/' || isPlain(path) ? path : null;
}

function withoutAuthority(target: string): string {
  const scheme = /^https?:\/\//i.exec(target);
  if (scheme === null) return target;
  const path = target.slice(scheme[0].length).replace(/^[^/?#]*/, '');
  return path.startsWith('/') ? path : `/${path}`;
}

function decodePath(path: string): string | null {
  // A client escapes everything else; node would read such bytes as Latin-1.
  if (!/^[!-~]+$/.test(path)) return null;
  try {
    return decodeURIComponent(path);
  } catch {
    return null;
  }
}

function isPlain(path: string): boolean {
  const [first, ...names] = path.split('/');
  return first === '' && names.every((name) => !REFUSED_NAMES.has(name) && !name.includes('\\'));
}
