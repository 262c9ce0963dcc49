/** What the disk itself takes, below any broker: 4 KB written and made durable. */
import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { quantile } from '../test/fixtures/figures.ts';

const PAGE_BYTES = 4096;

export interface DiskTimes {
  /** At the end of a file that grows: the file system has its length to keep as well. */
  readonly appendMs: readonly number[];
  /** Over what was there. */
  readonly overwriteMs: readonly number[];
}

/** `rounds` of each, in turn. */
export function measureDisk(folder: string, rounds: number): DiskTimes {
  const page = Buffer.alloc(PAGE_BYTES, 'x');
  const paths = [join(folder, 'disk-append'), join(folder, 'disk-overwrite')] as const;
  const appended = openSync(paths[0], 'w');
  const overwritten = openSync(paths[1], 'w');
  const time = (fd: number, at: number): number => {
    const beganMs = performance.now();
    writeSync(fd, page, 0, PAGE_BYTES, at);
    fdatasyncSync(fd);
    return performance.now() - beganMs;
  };
  try {
    time(overwritten, 0);
    const appendMs: number[] = [];
    const overwriteMs: number[] = [];
    for (let round = 0; round < rounds; round++) {
      appendMs.push(time(appended, round * PAGE_BYTES));
      overwriteMs.push(time(overwritten, 0));
    }
    return { appendMs, overwriteMs };
  } finally {
    closeSync(appended);
    closeSync(overwritten);
    for (const path of paths) rmSync(path, { force: true });
  }
}

export interface DiskFigures {
  readonly median: number;
  readonly p99: number;
}

export function diskFigures(values: readonly number[]): DiskFigures {
  return { median: quantile(values, 0.5), p99: quantile(values, 0.99) };
}
