/** The report of a durability test, as text. */
import type { DurabilityReport } from './durability-run.ts';
import { FAULT_WORDS, type FaultKind } from './ledger/faults.ts';

/** Kinds of faults that are told of even when there were none. */
const MAIN_KINDS: readonly FaultKind[] = [
  'lost',
  'twice',
  'never-sent',
  'disorder',
  'retained-missing',
  'retained-old',
  'retained-back',
  'will-missing',
  'will-unexpected',
  'session-lost',
  'subscription-lost',
];

/** Kinds of kills, by the words under which they are counted; other kinds are the packets at which they were done. */
const KILL_WORDS: ReadonlyMap<string, string> = new Map([
  ['time', 'at a random moment of traffic'],
  ['start', 'while it started again'],
  ['listening', 'just after it listened again'],
]);

/** Lines without an end. */
export function reportLines(report: DurabilityReport): readonly string[] {
  const { messages, recovery, faultCounts } = report;
  const count = (name: string): number => messages[name] ?? 0;
  return [
    `${report.cycles} of ${report.cyclesAsked} cycles in ${report.seconds} s, durability ${report.durability}, seed ${report.seed}`,
    '',
    'Kills (SIGKILL)',
    ...Object.entries(report.kills).map(([kind, kills]) => row(kills, killWords(kind))),
    '',
    'Looked at',
    row(count('sent'), 'messages of QoS 1 and 2 sent'),
    row(count('acknowledged'), 'of them acknowledged'),
    row(count('delivered'), 'delivered, to six receivers with sessions and a shared subscription'),
    row(count('repeatedQos1'), 'repeated, as QoS 1 allows'),
    row(count('retainedSent'), `retained, and ${count('retainedCleared')} cleared`),
    row(count('retainedChecked'), 'looks at a retained topic'),
    row(count('willsGiven'), `wills: ${count('willsCame')} came, ${count('willsDropped')} were dropped in order`),
    row(
      count('sessionsChecked'),
      `sessions looked at, ${count('sessionsMade')} made, ${count('sessionsRemoved')} removed`,
    ),
    row(count('subscriptionsChecked'), 'subscriptions looked at'),
    '',
    `From the start to the first CONNACK: median ${recovery.medianMs} ms, longest ${recovery.longestMs} ms, of ${recovery.count}`,
    '',
    'Found',
    ...MAIN_KINDS.map((kind) => row(faultCounts[kind] ?? 0, FAULT_WORDS[kind])),
    ...otherFaults(report),
    ...report.faults.flatMap((fault) => [
      '',
      `cycle ${fault.cycle}, killed ${fault.killedBy}: ${fault.kind}`,
      fault.text,
    ]),
    '',
    report.hasPassed ? 'Passed: nothing acknowledged was lost.' : 'FAILED.',
  ];
}

function otherFaults({ faultCounts }: DurabilityReport): readonly string[] {
  return Object.entries(FAULT_WORDS).flatMap(([kind, words]) => {
    const isMain = MAIN_KINDS.some((main) => main === kind);
    const count = Object.entries(faultCounts).find(([name]) => name === kind)?.[1] ?? 0;
    return isMain || count === 0 ? [] : [row(count, words)];
  });
}

function killWords(kind: string): string {
  return KILL_WORDS.get(kind) ?? `the moment a client saw ${kind.toUpperCase()}`;
}

function row(count: number, words: string): string {
  return `${String(count).padStart(10)}  ${words}`;
}
