/**
 * The crash campaign that is shipped, run as a user runs it: `npm run crash -- --cycles 1000`. The arguments are those of
 * `zanzara selftest durability`.
 */
import { spawnSync } from 'node:child_process';
import { SCRIPT } from '../app/broker-process.ts';

if (import.meta.main) {
  const [command = '', ...first] = SCRIPT;
  const args = [...first, 'selftest', 'durability', ...process.argv.slice(2)];
  const { status } = spawnSync(command, args, { stdio: 'inherit' });
  process.exitCode = status ?? 1;
}
