/**
 * What an ACL file of many rules costs a broker that is busy: `npm run bench:acl [-- --rules 10000 --rounds 5 --secs 3]`.
 *
 * Zanzara with the file and without it in turn, QoS 0, 64 bytes: one topic, a thousand topics, and a hundred receivers. The
 * ratio of the medians is what counts: 0.9 is required.
 */
import { appendFileSync, chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type BrokerKind, prepareBroker, startBroker } from './suite/brokers.ts';
import { median } from './suite/figures.ts';
import { compileZload, runLoad } from './suite/load-program.ts';

const REQUIRED = 0.9;
const LOADS: readonly (readonly [title: string, load: string])[] = [
  ['1 to 1', 'flow'],
  ['1 to 1, 1,000 topics', 'flow --topics 1000'],
  ['1 to 100', 'flow --subs 100 --fan all --window 32'],
];

/** Rules of a plant: a machine each, those of the load last. */
function writeRules(path: string, count: number): void {
  const rules = Array.from({ length: count - 1 }, (_, index) => {
    const kind = index % 3 === 0 ? 'read' : 'readwrite';
    return `topic ${kind} plant${index % 7}/line${index % 100}/machine${index}/${index % 2 === 0 ? '#' : '+/value'}`;
  });
  writeFileSync(path, `${[...rules, 'topic readwrite load/#'].join('\n')}\n`);
}

function withRules(kind: BrokerKind, aclFile: string): BrokerKind {
  return {
    ...kind,
    command: (port, folder) => {
      const command = kind.command(port, folder);
      appendFileSync(command.at(-1) ?? '', `acl_file ${aclFile}\n`);
      return command;
    },
  };
}

function rateOf(rates: readonly number[]): number {
  return median(rates) ?? Number.NaN;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rules: { type: 'string', default: '10000' },
      rounds: { type: 'string', default: '5' },
      secs: { type: 'string', default: '3' },
    },
  });
  const folder = mkdtempSync(join(tmpdir(), 'zanzara-acl-'));
  // A broker that root starts is another user's.
  chmodSync(folder, 0o755);
  try {
    const zload = compileZload();
    const plain = prepareBroker('zanzara', folder, process.env.ZANZARA_TRANSPORT ?? '');
    const aclFile = join(folder, 'acl');
    writeRules(aclFile, Number(values.rules));
    const ruled = withRules(plain, aclFile);
    const run = async (kind: BrokerKind, load: string): Promise<number> => {
      const broker = await startBroker(kind, folder);
      const args = [...load.split(' '), '--secs', values.secs, '--port', String(broker.port)];
      const figures = await runLoad(zload, [...args, '--pid', String(broker.pid)]).finally(() => broker.stop());
      return figures.get('delivered_per_s') ?? Number.NaN;
    };
    for (const [title, load] of LOADS) {
      const without: number[] = [];
      const withFile: number[] = [];
      for (let round = 0; round < Number(values.rounds); round++) {
        without.push(await run(plain, load));
        withFile.push(await run(ruled, load));
      }
      const ratio = rateOf(withFile) / rateOf(without);
      const rates = `${Math.round(rateOf(without))} without, ${Math.round(rateOf(withFile))} with ${values.rules} rules`;
      console.log(`${title}: ${rates}, ratio ${ratio.toFixed(2)} (required: ${REQUIRED})`);
    }
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await main();
