import { StartFailure } from '../start-failure.ts';
import type { Environment } from './open-carefully.ts';

/**
 * Mosquitto's UMASK_SET: rights, in octal, that no file of the broker gets.
 * @throws StartFailure when it is not such a number
 */
export function applyUmask(environment: Environment): void {
  const text = environment.UMASK_SET;
  if (text === undefined || text === '') return;
  if (!/^[0-7]{1,4}$/.test(text) || Number.parseInt(text, 8) > 0o777) {
    throw new StartFailure('UMASK_SET', [
      `Error: Invalid UMASK_SET '${text}' in the environment. It is an octal number from 0 to 777, such as 027.`,
    ]);
  }
  process.umask(Number.parseInt(text, 8));
}
