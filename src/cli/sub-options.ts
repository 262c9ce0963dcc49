/** The command line of `zanzara sub`. */
import { parseTopicFilter, parseTopicName, type TopicFilter } from '../protocol/topic.ts';
import { ArgumentError, integerOf } from './argument-error.ts';
import { createFormatPrinter, type FormatOptions } from './message-format.ts';
import { createPlainPrinter, type MessagePrinter } from './message-printer.ts';
import { defaultSettings, type ToolGrammar, type ToolOption, type ToolSettings } from './tool-options.ts';

export interface SubSettings extends ToolSettings {
  unsubscribes: string[];
  filtersOut: string[];
  /** Messages after which it ends; null = never. */
  countMax: number | null;
  /** Seconds after which it ends; null = never. */
  timeoutSeconds: number | null;
  endsWhenSubscribed: boolean;
  isVerbose: boolean;
  hasLineEnds: boolean;
  skipsRetained: boolean;
  isRetainedOnly: boolean;
  retainAsPublished: boolean;
  retainHandling: 0 | 1 | 2;
  format: string | null;
  isPretty: boolean;
}

const RETAIN_HANDLING: ReadonlyMap<string, 0 | 1 | 2> = new Map([
  ['always', 0],
  ['new', 1],
  ['never', 2],
]);

const OPTIONS: readonly ToolOption<SubSettings>[] = [
  { names: ['-T', '--filter-out'], value: 'topic filter', apply: (to, value) => to.filtersOut.push(value) },
  { names: ['-U', '--unsubscribe'], value: 'unsubscribe topic', apply: (to, value) => to.unsubscribes.push(value) },
  { names: ['-C'], value: 'count', apply: (to, value) => (to.countMax = positive(value, 'Invalid message count')) },
  { names: ['-W'], value: 'timeout', apply: (to, value) => (to.timeoutSeconds = positive(value, 'Invalid timeout')) },
  { names: ['-E'], apply: (to) => (to.endsWhenSubscribed = true) },
  { names: ['-v', '--verbose'], apply: (to) => (to.isVerbose = true) },
  { names: ['-N'], apply: (to) => (to.hasLineEnds = false) },
  { names: ['-R'], apply: (to) => (to.skipsRetained = true) },
  { names: ['--retained-only'], apply: (to) => (to.isRetainedOnly = true) },
  { names: ['--retain-as-published'], apply: (to) => (to.retainAsPublished = true) },
  { names: ['--retain-handling'], value: 'option', apply: setRetainHandling },
  { names: ['-F'], value: 'format', apply: (to, value) => (to.format = value) },
  { names: ['--pretty'], apply: (to) => (to.isPretty = true) },
];

export const SUB_GRAMMAR: ToolGrammar<SubSettings> = {
  tool: 'sub',
  options: OPTIONS,
  notYet: ['-w', '--watch', '--message-rate', '--random-filter', '--remove-retained'],
  defaults: () => ({
    ...defaultSettings(),
    unsubscribes: [],
    filtersOut: [],
    countMax: null,
    timeoutSeconds: null,
    endsWhenSubscribed: false,
    isVerbose: false,
    hasLineEnds: true,
    skipsRetained: false,
    isRetainedOnly: false,
    retainAsPublished: false,
    retainHandling: 0,
    format: null,
    isPretty: false,
  }),
  check,
};

/** Filters that `check` has seen. */
export function filtersOf(texts: readonly string[]): readonly TopicFilter[] {
  return texts.map(parseTopicFilter).filter((filter) => filter !== null);
}

/** How messages are shown. @throws ArgumentError when the format is none */
export function printerOf(settings: SubSettings, hooks: Pick<FormatOptions, 'wallMs' | 'onNoJson'>): MessagePrinter {
  const { format, hasLineEnds, isPretty } = settings;
  if (format === null) return createPlainPrinter(settings);
  return createFormatPrinter(format, { hasLineEnds, isPretty, ...hooks });
}

function check(settings: SubSettings): void {
  if (settings.topics.length === 0 && settings.unsubscribes.length === 0) {
    throw new ArgumentError('You must specify a topic to subscribe to.');
  }
  checkFilters(settings.topics, 'subscription');
  checkFilters(settings.unsubscribes, 'unsubscribe');
  checkFilters(settings.filtersOut, 'filter');
  if (settings.skipsRetained && settings.isRetainedOnly) {
    throw new ArgumentError("Combining '-R' and '--retained-only' makes no sense.", false);
  }
  // Read once here, so that a mistake in it is told before anything is done.
  if (settings.format !== null) printerOf(settings, { wallMs: () => 0, onNoJson: () => {} });
  const will = settings.will.topic;
  if (will !== null && parseTopicName(will) === null) {
    throw new ArgumentError(`Invalid will topic '${will}', does it contain '+' or '#'?`);
  }
}

function checkFilters(texts: readonly string[], kind: string): void {
  for (const text of texts) {
    if (parseTopicFilter(text) !== null) continue;
    throw new ArgumentError(`Invalid ${kind} topic '${text}', are all '+' and '#' wildcards correct?`);
  }
}

function positive(value: string, message: string): number {
  const count = integerOf(value);
  if (count === null || count < 1) throw new ArgumentError(`${message} "${value}".`);
  return count;
}

function setRetainHandling(settings: SubSettings, value: string): void {
  const handling = RETAIN_HANDLING.get(value);
  if (handling === undefined) throw new ArgumentError(`Unknown retain handling option '${value}'.`);
  settings.retainHandling = handling;
}

export const SUB_USAGE = `zanzara sub subscribes to topics and prints what is published to them.

Usage: zanzara sub [-h HOST] [-p PORT] [-u NAME [-P PASSWORD]] -t FILTER [-t FILTER ...]
                   [-q 0|1|2] [-C COUNT] [-W SECONDS] [-E] [-v] [-N] [-F FORMAT [--pretty]]
                   [-R | --retained-only] [-T FILTER ...] [-U FILTER ...]
                   [--retain-as-published] [--retain-handling always|new|never]
                   [-i ID | -I PREFIX] [-c] [-x SECONDS] [-k SECONDS] [-V VERSION] [-M N] [-d] [--quiet]
                   [--will-topic TOPIC [--will-payload TEXT] [--will-qos 0|1|2] [--will-retain]]
                   [-D COMMAND NAME VALUE [VALUE2]]
       zanzara sub -L mqtt://[NAME[:PASSWORD]@]HOST[:PORT]/FILTER ...

Subscription
 -t, --topic FILTER       What to subscribe to; + and # are wildcards. May be repeated.
 -q, --qos N              Highest quality of service; default 0.
 -U, --unsubscribe FILTER End a subscription that the session has. May be repeated.
     --retain-as-published
                          Leave the retain flag as it was published (MQTT 5).
     --retain-handling W  Retained messages: always, for a new subscription only, or never (MQTT 5).

Output
 -v, --verbose            Print the topic before each payload.
 -N                       Print no line end after a payload.
 -F FORMAT                Print each message by FORMAT: %t topic, %p payload, %j JSON, %x hex, %I time, ...
     --pretty             With %j and %J: on several lines.
 -R                       Print no retained messages.
     --retained-only      Print retained messages only, and end at the first other one.
 -T, --filter-out FILTER  Print no messages whose topic matches FILTER. May be repeated.

End
 -C COUNT                 After COUNT messages.
 -W SECONDS               After SECONDS seconds, with exit code 27.
 -E                       As soon as the subscriptions are made.
`;
