/**
 * A node's number together with marks of what is to be found at it, in one integer. It stands on the edge that leads to
 * the node, so that a match knows on arriving where else to look, and does not wait for memory to be told "nothing".
 *
 *   | number, 26 bits | below is lone | here is lone | has below | has here | has literal children | has + |
 */
export type NodeRef = number;

export const HAS_PLUS = 1;
export const HAS_LITERAL = 2;
export const HAS_CHILDREN = HAS_PLUS | HAS_LITERAL;
/** Filters end here. */
export const HAS_HERE = 4;
/** Filters end with `#` below. */
export const HAS_BELOW = 8;
/** The entry is a single ordinary subscription: it need not be looked into to be collected. */
export const HERE_IS_LONE = 16;
export const BELOW_IS_LONE = 32;

const ALL_MARKS = 63;
const MARK_BITS = 6;

export function refTo(node: number): NodeRef {
  return node << MARK_BITS;
}

export function nodeOf(ref: NodeRef): number {
  return ref >>> MARK_BITS;
}

export function isBare(ref: NodeRef): boolean {
  return (ref & ALL_MARKS) === 0;
}
