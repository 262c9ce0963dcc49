import type { Identity } from '../ports.ts';
import { Session } from './session.ts';
import type { SessionParts } from './session-parts.ts';

/** All sessions, by client id [MQTT-3.1.3-2]. */
export class SessionStore {
  readonly #sessions = new Map<string, Session>();
  readonly #parts: SessionParts;
  #maximum = 0;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  get count(): number {
    return this.#sessions.size;
  }

  /** The most that there were at a time. */
  get maximum(): number {
    return this.#maximum;
  }

  get(clientId: string): Session | undefined {
    return this.#sessions.get(clientId);
  }

  /** Makes a session for a client id that has none. */
  create(identity: Identity, expirySeconds: number): Session {
    const session = new Session(identity, expirySeconds, this.#parts);
    this.#sessions.set(identity.clientId, session);
    this.#maximum = Math.max(this.#maximum, this.#sessions.size);
    return session;
  }

  /** Called when a session has ended. A newer one of the same id stays. */
  remove(session: Session): void {
    if (this.#sessions.get(session.clientId) === session) this.#sessions.delete(session.clientId);
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }
}
