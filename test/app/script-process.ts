/** Runs a few lines that use functions of the app, in a process of its own: for what a process can be only once. */
import assert from 'node:assert/strict';
import { type ChildProcessByStdio, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { NODE_COMMAND } from '../fixtures/node-command.ts';

const [NODE, ...NODE_FLAGS] = NODE_COMMAND;
const FLAGS = [...NODE_FLAGS, '--disable-warning=ExperimentalWarning', '--input-type=module', '-e'];

/** The address of a module of `src/`, for an `import` in a script. */
export function sourceUrl(path: string): string {
  return new URL(`../../src/${path}`, import.meta.url).href;
}

/** Runs a script to its end. */
export function runScript(script: string, env: NodeJS.ProcessEnv = {}) {
  const ran = spawnSync(NODE, [...FLAGS, script], { encoding: 'utf8', env: { ...process.env, ...env } });
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
}

/** A script that is still running; it ends with the test. */
export class ScriptProcess {
  readonly child: ChildProcessByStdio<null, Readable, Readable>;
  readonly ended: Promise<number | null>;
  stdout = '';
  stderr = '';

  constructor(context: TestContext, script: string, env: NodeJS.ProcessEnv = {}) {
    this.child = spawn(NODE, [...FLAGS, script], {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.child.stdout.setEncoding('utf8').on('data', (text: string) => {
      this.stdout += text;
    });
    this.child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.ended = once(this.child, 'close').then(([code]) => code);
    context.after(() => this.child.kill('SIGKILL'));
  }

  /** Waits until stdout holds `text`. Fails when the process ends before that. */
  async prints(text: string): Promise<void> {
    const ended = this.ended.then(() => 'ended');
    while (!this.stdout.includes(text)) {
      const event = await Promise.race([once(this.child.stdout, 'data'), ended]);
      if (event === 'ended')
        assert.ok(this.stdout.includes(text), `ended without '${text}':\n${this.stdout}${this.stderr}`);
    }
  }
}
