/**
 * The swarm as a process of its own, so that its work does not delay who measures: started with its plan as JSON, tells
 * its counts several times a second, and ends when it is told to, or when who started it is gone.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { Chance } from '../fixtures/chance.ts';
import { NO_COUNTS, Swarm, type SwarmCounts, type SwarmPlan } from './swarm.ts';

const REPORT_MS = 200;
const EXIT_MS = 500;
const CHRT = '/usr/bin/chrt';

export class SwarmProcess {
  counts: SwarmCounts = NO_COUNTS;
  readonly #child: ChildProcess;

  /**
   * `isIdle`: it runs only when a processor has nothing else to do (SCHED_IDLE; without `chrt` at the lowest priority). In
   * the field the attacker has processors of his own; here he shares a few with the broker and with who measures, and what
   * is to be seen is what his sockets do to the broker, not what his own work does to the machine. That he reaches the
   * rates of his plan nevertheless is to be checked by his counts.
   */
  constructor(plan: SwarmPlan, isIdle: boolean) {
    const isIdleClass = isIdle && existsSync(CHRT);
    const idle = { execPath: CHRT, execArgv: ['--idle', '0', process.execPath] };
    this.#child = fork(import.meta.filename, [JSON.stringify(plan)], isIdleClass ? idle : {});
    const { pid } = this.#child;
    if (isIdle && !isIdleClass && pid !== undefined) setPriority(pid, constants.priority.PRIORITY_LOW);
    this.#child.on('message', (message) => {
      if (isCounts(message)) this.counts = message;
    });
  }

  /** Resolves when that many are open; false when it does not come to that in time. */
  async hasOpen(count: number, withinMs: number): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    while (this.counts.open < count) {
      if (performance.now() > deadline || this.#child.exitCode !== null) return false;
      await once(this.#child, 'message');
    }
    return true;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.disconnect();
    await ended;
  }
}

function isCounts(message: unknown): message is SwarmCounts {
  return typeof message === 'object' && message !== null && 'open' in message && 'drips' in message;
}

function main(): void {
  const plan: SwarmPlan = JSON.parse(process.argv[2] ?? '');
  const swarm = new Swarm(plan, new Chance(plan.seed));
  // Who reads them may be gone: then `disconnect` comes.
  const reports = setInterval(() => process.send?.(swarm.counts, undefined, undefined, () => {}), REPORT_MS);
  process.once('disconnect', () => {
    clearInterval(reports);
    swarm.stop();
    setTimeout(() => process.exit(), EXIT_MS);
  });
}

if (import.meta.main) main();
