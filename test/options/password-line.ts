import { createHash } from 'node:crypto';

/** A line of a password file with the quickest hash that there is. */
export function passwordLine(user: string, password: string): string {
  const salt = Buffer.from('twelve bytes');
  const key = createHash('sha512').update(password).update(salt).digest('base64');
  return `${user}:$6$${salt.toString('base64')}$${key}\n`;
}
