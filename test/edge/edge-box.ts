/**
 * The smallest computer that Zanzara is meant for: 256 MB of memory, half a processor, 500 clients that publish once a
 * second. It must not be killed, stay within 96 MB of resident memory, and deliver everything.
 *
 *     node test/edge/edge-box.ts --minutes 10 [--clients 500] [--without-box]
 *
 * `--without-box` leaves the limits of the operating system away, where none can be set. ZANZARA_TRANSPORT reaches the
 * broker. How the box is made stands in box.ts.
 */
import { parseArgs } from 'node:util';
import { mebibytes } from '../fixtures/figures.ts';
import { endOnSignals, transportName } from '../fixtures/measured-broker.ts';
import { type Box, makeBox } from './box.ts';
import { type EdgeResult, type EdgeSample, judgeEdgeBox, latencyLine, runEdgeBox } from './run-edge-box.ts';

const MEBIBYTE = 1024 * 1024;
const BOX_LIMITS = { memoryBytes: 256 * MEBIBYTE, processors: 0.5 };
const LIMITS = { residentBytesMax: 96 * MEBIBYTE, sentShareMin: 0.9 };
const SAMPLE_MS = 1000;
const LINE_MS = 30_000;
const NO_BOX: Box = { kind: 'none: no limit is set', wrapper: [], felt: () => null, remove: () => {} };

function showSample(sample: EdgeSample): void {
  console.log(
    `${(sample.atMs / 60_000).toFixed(1).padStart(5)} min  resident ${mebibytes(sample.residentBytes)}, ` +
      `own ${mebibytes(sample.ownBytes)}, ${sample.descriptors} descriptors, CPU ${(sample.cpuMs / 1000).toFixed(1)} s`,
  );
}

function showResult(result: EdgeResult, box: Box): void {
  const { sent, received, doubled, samples } = result;
  const felt = box.felt();
  const resident = samples.map(({ residentBytes }) => residentBytes);
  console.log(
    `\nresident memory: highest ${mebibytes(Math.max(...resident))}, at the end ${mebibytes(resident.at(-1) ?? 0)}`,
  );
  console.log(`messages: ${sent} sent, ${received} received, ${doubled} doubled; the broker's end: ${result.end}`);
  console.log(latencyLine(result));
  if (felt === null) return;
  console.log(
    `box: ${felt.kills} kills, at most ${mebibytes(felt.peakBytes)} charged, ` +
      `processor refused for ${felt.throttledMs.toFixed(0)} ms in all`,
  );
}

async function main(): Promise<void> {
  endOnSignals();
  const options = {
    minutes: { type: 'string', default: '10' },
    clients: { type: 'string', default: '500' },
    'without-box': { type: 'boolean', default: false },
  } as const;
  const { values } = parseArgs({ options });
  const box = values['without-box'] ? NO_BOX : makeBox(BOX_LIMITS);
  if ('missing' in box) {
    console.error(`no box can be made here; --without-box goes without:\n  ${box.missing.join('\n  ')}`);
    process.exitCode = 2;
    return;
  }
  console.log(`${values.clients} clients, ${values.minutes} minutes, box: ${box.kind}, transport: ${transportName()}`);
  let lineDueMs = 0;
  try {
    const plan = {
      clients: Number(values.clients),
      messagesPerClientPerSecond: 1,
      seconds: Number(values.minutes) * 60,
      sampleMs: SAMPLE_MS,
      wrapper: box.wrapper,
    };
    const result = await runEdgeBox(plan, (sample) => {
      if (sample.atMs < lineDueMs) return;
      lineDueMs = sample.atMs + LINE_MS;
      showSample(sample);
    });
    showResult(result, box);
    const kills = box.felt()?.kills ?? 0;
    const faults = [...judgeEdgeBox(result, LIMITS), ...(kills > 0 ? [`${kills} kills for want of memory`] : [])];
    console.log(faults.length === 0 ? '\npassed' : `\nFAILED\n${faults.join('\n')}`);
    process.exitCode = faults.length === 0 ? 0 : 1;
  } finally {
    box.remove();
  }
}

if (import.meta.main) await main();
