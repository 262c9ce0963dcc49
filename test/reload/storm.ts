/**
 * The configuration is read again and again under load, a third of the times broken: is a client dropped, is anybody let
 * in who must not be, is a message lost?
 *
 *     node test/reload/storm.ts --reloads 10000
 *
 * The broker runs as a process of its own. Steady clients publish with QoS 1 all the time. Before each SIGHUP the files
 * are written anew: a good configuration (one of two, whose rights differ), or one that is broken in one of several ways.
 * After it two intruders try: one without a password, and one that publishes where no version of the rules allows it.
 */
import { parseArgs } from 'node:util';
import { endOnSignals } from '../fixtures/measured-broker.ts';
import { runStorm, type StormResult, troublesOf } from './run-storm.ts';

async function main(): Promise<void> {
  endOnSignals();
  const { values } = parseArgs({ options: { reloads: { type: 'string', default: '10000' } } });
  const reloads = Number(values.reloads);
  if (!Number.isInteger(reloads) || reloads < 1) {
    console.error(`--reloads must be a whole number from 1, not '${values.reloads}'.`);
    process.exitCode = 2;
    return;
  }
  const result: StormResult = await runStorm(reloads, (done) => console.log(`${done} reloads`));
  console.log(JSON.stringify(result, null, 2));
  const troubles = troublesOf(result);
  for (const trouble of troubles) console.error(trouble);
  console.log(troubles.length === 0 ? 'passed' : 'FAILED');
  process.exitCode = troubles.length === 0 ? 0 : 1;
}

await main();
