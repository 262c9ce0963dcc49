/**
 * Who may come in and what each may do. Today it knows the one rule that stands below all others: whether clients that
 * nobody vouches for may come in at all (`allow_anonymous`). No module authenticates yet, so that holds for a client
 * with a user name too: nobody is there who could check it.
 */
import type { AuthenticateAnswer, Gatekeeper } from '../../core/ports.ts';
import { Reason } from '../../protocol/reasons.ts';

export interface AnonymousOptions {
  /** The option `allow_anonymous`, settled. */
  readonly allowAnonymous: boolean;
}

const ALLOWED: AuthenticateAnswer = { kind: 'allowed' };
/** A 3.x client is told return code 5, not authorized. */
const REFUSED: AuthenticateAnswer = { kind: 'refused', reason: Reason.NotAuthorized };

/** Lets all clients in or none. Whoever is in may publish, subscribe and receive everything: there are no rules. */
export function createAnonymousGatekeeper({ allowAnonymous }: AnonymousOptions): Gatekeeper {
  const answer = allowAnonymous ? ALLOWED : REFUSED;
  return {
    rulesVersion: 0,
    authenticate: () => answer,
    mayPublish: () => true,
    maySubscribe: () => true,
    mayReceive: () => true,
    startEnhanced: () => null,
  };
}
