/** One run: a row on one broker. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../src/selftest/free-port.ts';
import { type BrokerKind, startBroker } from './brokers.ts';
import { type Figures, median } from './figures.ts';
import type { Lengths } from './lengths.ts';
import { runLoad } from './load-program.ts';
import type { Row } from './rows.ts';

/** Seconds after the first CONNACK at which resident memory is read. */
const MEMORY_SECONDS = 2;

export interface Bench {
  readonly zload: string;
  readonly folder: string;
  readonly lengths: Lengths;
}

/** Runs `row` on a broker that is started for it and ended after it. Throws when either fails. */
export async function measure(bench: Bench, row: Row, kind: BrokerKind): Promise<Figures> {
  const folder = mkdtempSync(join(bench.folder, 'run-'));
  try {
    return row.kind === 'start'
      ? await measureStarts(bench, row, kind, folder)
      : await measureLoad(bench, row, kind, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measureLoad(bench: Bench, row: Row, kind: BrokerKind, folder: string): Promise<Figures> {
  const broker = await startBroker(kind, folder);
  let figures: Figures;
  try {
    figures = await runLoad(bench.zload, [...row.load, '--port', String(broker.port), '--pid', String(broker.pid)]);
  } catch (error) {
    // Why the broker is gone says more than that the load generator has noticed it.
    await broker.stop();
    throw error;
  }
  await broker.stop();
  return figures;
}

/** A first start where the broker keeps something for the next ones, then warm ones. */
async function measureStarts(bench: Bench, row: Row, kind: BrokerKind, folder: string): Promise<Figures> {
  const start = async (seconds: number): Promise<Figures> => {
    const port = await freePort();
    const program = kind.command(port, folder);
    const load = [...row.load, '--port', String(port), '--secs', String(seconds), '--', ...program];
    return await runLoad(bench.zload, load, kind.environment);
  };
  kind.forget?.();
  const first = await start(0);
  const withMemory = await start(MEMORY_SECONDS);
  const warm: number[] = [];
  for (let index = 0; index < bench.lengths.starts; index++)
    warm.push((await start(0)).get('first_connack_ms') ?? Number.NaN);
  return new Map([
    ['first_ever_ms', first.get('first_connack_ms') ?? Number.NaN],
    ['warm_ms', median(warm) ?? Number.NaN],
    ['rss_mb', (withMemory.get('rss_kb') ?? Number.NaN) / 1024],
    ['anon_mb', (withMemory.get('anon_kb') ?? Number.NaN) / 1024],
    ['pss_mb', (withMemory.get('pss_kb') ?? Number.NaN) / 1024],
  ]);
}
