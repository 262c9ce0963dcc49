/** Who may come in and what each may do, by Mosquitto's password, ACL and PSK files: docs/security.md. */
import type { Log } from '../../base/log.ts';
import type { Random } from '../../base/random.ts';
import type { Gatekeeper } from '../../core/ports.ts';
import { systemClock } from '../../transport/node/node-clock.ts';
import { systemRandom } from '../../transport/node/node-random.ts';
import { FileGatekeeper } from './file-gatekeeper.ts';
import { PasswordVerifier } from './password-verifier.ts';
import { type ListenerSecurity, type PreparedRules, prepareRules, type ReadFile } from './security-rules.ts';

export { SecurityFileError } from './security-file-error.ts';
export type { ListenerSecurity, PreparedRules, ReadFile };

const SECRET_BYTES = 32;

export interface SecurityParts {
  readonly log: Log;
  readonly listeners: readonly ListenerSecurity[];
  /** Reads a whole file; called at the start and in `prepare`, once for each file. */
  readonly readFile: ReadFile;
  /** Default: the system's. */
  readonly random?: Random;
  /** Milliseconds since an arbitrary start, never going back. Default: the system's. */
  readonly monotonicMs?: () => number;
}

export interface Security {
  /** One for all listeners; it finds the rules by the listener's id. */
  readonly gatekeeper: Gatekeeper;
  /** The key of a PSK identity on a listener, by the rules in force; null = it has none. */
  pskKeyOf(listenerId: number, identity: string): Uint8Array | null;
  /** Reads all files and changes nothing. @throws SecurityFileError when one cannot be read or is wrong. */
  prepare(listeners: readonly ListenerSecurity[]): PreparedRules;
  /** Puts these rules in force, all at once, and writes their warnings. Cannot fail. */
  apply(prepared: PreparedRules): void;
}

/** @throws SecurityFileError when a file cannot be read or is wrong. */
export function createSecurity(parts: SecurityParts): Security {
  const { log, listeners, readFile, random = systemRandom, monotonicMs = () => systemClock.monotonicMs() } = parts;
  const onFault = (error: unknown): void => {
    const reason = error instanceof Error ? error.message : String(error);
    log.write(
      'error',
      `Error: A password could not be checked: ${reason}. The client was told that the server is busy.`,
    );
  };
  const verifier = new PasswordVerifier({ monotonicMs, onFault });
  const gatekeeper = new FileGatekeeper({ log, verifier, secret: random.fill(new Uint8Array(SECRET_BYTES)) });
  gatekeeper.apply(prepareRules(listeners, readFile));
  return {
    gatekeeper,
    pskKeyOf: (listenerId, identity) => gatekeeper.pskKeyOf(listenerId, identity),
    prepare: (changed) => prepareRules(changed, readFile),
    apply: (prepared) => gatekeeper.apply(prepared),
  };
}
