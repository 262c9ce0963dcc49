/** What a figure depends on besides the broker: said at the head of every table. */
import { spawnSync } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGb: number;
  readonly kernel: string;
  readonly node: string;
  /** The hard limit of open files: how many clients a broker can have. */
  readonly descriptorLimit: number;
}

export function describeMachine(): Machine {
  const processors = cpus();
  const hardLimit = spawnSync('/bin/sh', ['-c', 'ulimit -Hn'], { encoding: 'utf8' }).stdout.trim();
  return {
    processor: processors[0]?.model ?? 'unknown processor',
    cores: processors.length,
    memoryGb: Math.round(totalmem() / 2 ** 30),
    kernel: release(),
    node: process.version,
    descriptorLimit: hardLimit === 'unlimited' ? Number.MAX_SAFE_INTEGER : Number(hardLimit),
  };
}
