/** The program as users run it, without the script in front: a kill early in its start finds the broker and not a shell. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SCRIPT } from '../app/broker-process.ts';

const BUNDLE = fileURLToPath(new URL('../../dist/cli/main.cjs', import.meta.url));

/** Brings the bundle up to date. @returns a command */
export function bundledProgram(): readonly string[] {
  const [command = '', ...args] = SCRIPT;
  const { status, stderr } = spawnSync(command, [...args, '--version'], { encoding: 'utf8' });
  assert.equal(status, 0, stderr);
  return [process.execPath, '--disable-warning=ExperimentalWarning', BUNDLE];
}
