/**
 * Ten thousand sockets that send nothing, random bytes, or one byte at a time must not hurt a hundred clients that do
 * nothing wrong: the p99 of their latency stays below twice what it is in the quiet, or 5 ms if that is more; the medians
 * of all runs count.
 *
 *     node test/hostile/hostile.ts [--runs 5] [--sockets 10000] [--opens 600] [--noises 200] [--drips 3000] [--seconds 10] [--settle 32]
 *         [--decoy]
 *
 * `--opens`, `--noises` and `--drips` are the swarm's rates, see swarm.ts. The broker ends a socket without a CONNECT after
 * 30 seconds, so that hundreds a second have to be opened again: `--settle` is how long the swarm lasts before it is
 * measured. `--decoy` sends the swarm to a second broker: what is left then is not the broker's doing but the machine's.
 * ZANZARA_TRANSPORT reaches the broker.
 */
import { constants, setPriority } from 'node:os';
import { parseArgs } from 'node:util';
import { milliseconds } from '../fixtures/figures.ts';
import { endOnSignals, type MeasuredBroker, transportName } from '../fixtures/measured-broker.ts';
import type { Latency } from './good-clients.ts';
import {
  type HostilePlan,
  type HostileRun,
  judgeHostile,
  runHostile,
  socketsPossible,
  withBroker,
} from './run-hostile.ts';

const LIMITS = { factor: 2, floorMs: 5 };
const CLIENTS = 100;
const MESSAGES_PER_SECOND = 1000;

function shown({ p50, p99, longest }: Latency): string {
  return `p50 ${milliseconds(p50)}, p99 ${milliseconds(p99)}, longest ${milliseconds(longest)}`;
}

function showRun(run: HostileRun, number: number): void {
  const { open, failed } = run.swarm;
  const { made, noises, drips } = run.rates;
  console.log(`run ${number}  quiet:   ${shown(run.quiet)}`);
  console.log(
    `       hostile: ${shown(run.hostile)}; ${open} sockets open, ${failed} could not be made; a second: ` +
      `${made.toFixed(0)} opened, ${noises.toFixed(0)} of them noise, ${drips.toFixed(0)} single bytes; ` +
      `broker CPU ${run.brokerCpuShare.toFixed(2)}; a new client: ${milliseconds(run.connectMs)}`,
  );
}

async function runAll(broker: MeasuredBroker, wanted: HostilePlan, count: number): Promise<HostileRun[]> {
  const plan = { ...wanted, sockets: socketsPossible(broker, wanted.sockets) };
  console.log(`${plan.sockets} hostile sockets (wanted: ${wanted.sockets}), transport: ${transportName()}`);
  const runs: HostileRun[] = [];
  for (let number = 1; number <= count; number += 1) {
    const run = await runHostile(broker, plan, number);
    showRun(run, number);
    runs.push(run);
  }
  return runs;
}

/**
 * Puts this process and the broker that it starts in front of whatever else runs on the machine, in the quiet as under
 * attack: somebody else's work would look like the swarm's doing. Only root may.
 */
function raisePriority(): boolean {
  try {
    setPriority(constants.priority.PRIORITY_HIGH);
    return true;
  } catch {
    return false;
  }
}

async function main(): Promise<void> {
  endOnSignals();
  const options = {
    runs: { type: 'string', default: '5' },
    sockets: { type: 'string', default: '10000' },
    opens: { type: 'string', default: '600' },
    noises: { type: 'string', default: '200' },
    drips: { type: 'string', default: '3000' },
    seconds: { type: 'string', default: '10' },
    settle: { type: 'string', default: '32' },
    decoy: { type: 'boolean', default: false },
  } as const;
  const { values } = parseArgs({ options });
  if (!raisePriority()) console.log('priority could not be raised: other work on this machine shows in the figures');
  const plan = {
    sockets: Number(values.sockets),
    opensPerSecond: Number(values.opens),
    noisesPerSecond: Number(values.noises),
    dripsPerSecond: Number(values.drips),
    settleSeconds: Number(values.settle),
    isSwarmIdle: true,
    rateShareMin: 0.8,
    clients: CLIENTS,
    messagesPerSecond: MESSAGES_PER_SECOND,
    quietSeconds: Number(values.seconds),
    hostileSeconds: Number(values.seconds),
  };
  const count = Number(values.runs);
  const runs = await withBroker((broker) => {
    if (!values.decoy) return runAll(broker, plan, count);
    return withBroker((decoy) => runAll(broker, { ...plan, decoyPort: decoy.port }, count));
  });
  const { quietP99, hostileP99, allowedMs, faults } = judgeHostile(runs, LIMITS);
  console.log(
    `\nmedians: p99 quiet ${milliseconds(quietP99)}, hostile ${milliseconds(hostileP99)}, ` +
      `allowed below ${milliseconds(allowedMs)}`,
  );
  console.log(faults.length === 0 ? 'passed' : `FAILED\n${faults.join('\n')}`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

if (import.meta.main) await main();
