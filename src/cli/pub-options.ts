/** The command line of `zanzara pub`. */
import { parseTopicName } from '../protocol/topic.ts';
import { ArgumentError, integerOf } from './argument-error.ts';
import { defaultSettings, type ToolGrammar, type ToolOption, type ToolSettings } from './tool-options.ts';

/** What is to be published. */
export type MessageSource =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'nothing' | 'stdin' | 'lines' };

export interface PubSettings extends ToolSettings {
  source: MessageSource | null;
  retain: boolean;
  repeatCount: number;
  repeatDelayMs: number;
}

const OPTIONS: readonly ToolOption<PubSettings>[] = [
  { names: ['-m', '--message'], value: 'message', apply: (to, text) => setSource(to, { kind: 'text', text }) },
  { names: ['-f', '--file'], value: 'file', apply: (to, path) => setSource(to, { kind: 'file', path }) },
  { names: ['-n', '--null-message'], apply: (to) => setSource(to, { kind: 'nothing' }) },
  { names: ['-l', '--stdin-line'], apply: (to) => setSource(to, { kind: 'lines' }) },
  { names: ['-s', '--stdin-file'], apply: (to) => setSource(to, { kind: 'stdin' }) },
  { names: ['-r', '--retain'], apply: (to) => (to.retain = true) },
  { names: ['--repeat'], value: 'count', apply: setRepeat },
  { names: ['--repeat-delay'], value: 'time', apply: setRepeatDelay },
];

export const PUB_GRAMMAR: ToolGrammar<PubSettings> = {
  tool: 'pub',
  options: OPTIONS,
  notYet: [],
  defaults: () => ({ ...defaultSettings(), source: null, retain: false, repeatCount: 1, repeatDelayMs: 0 }),
  check,
};

function check(settings: PubSettings): void {
  const topic = settings.topics.at(-1);
  if (topic === undefined || settings.source === null) {
    throw new ArgumentError('Both topic and message must be supplied.');
  }
  for (const given of settings.topics) {
    if (parseTopicName(given) !== null) continue;
    throw new ArgumentError(`Invalid publish topic '${given}', does it contain '+' or '#'?`);
  }
  const will = settings.will.topic;
  if (will !== null && parseTopicName(will) === null) {
    throw new ArgumentError(`Invalid will topic '${will}', does it contain '+' or '#'?`);
  }
}

function setSource(settings: PubSettings, source: MessageSource): void {
  if (settings.source !== null) throw new ArgumentError('Only one type of message can be sent at once.');
  settings.source = source;
}

function setRepeat(settings: PubSettings, value: string): void {
  const count = integerOf(value);
  if (count === null || count < 1) throw new ArgumentError('--repeat argument must be >0.');
  settings.repeatCount = count;
}

/** Seconds, with fractions. */
function setRepeatDelay(settings: PubSettings, value: string): void {
  const seconds = Number(value);
  if (!(seconds >= 0) || value.trim() === '') throw new ArgumentError('--repeat-delay argument must be >=0.0.');
  settings.repeatDelayMs = Math.min(seconds * 1000, 2 ** 31 - 1);
}

export const PUB_USAGE = `zanzara pub publishes a message, or each line of its input, and ends.

Usage: zanzara pub [-h HOST] [-p PORT] [-u NAME [-P PASSWORD]] -t TOPIC {-m TEXT | -f FILE | -n | -l | -s}
                   [-q 0|1|2] [-r] [--repeat N [--repeat-delay SECONDS]]
                   [-i ID | -I PREFIX] [-c] [-x SECONDS] [-k SECONDS] [-V VERSION] [-M N] [-d] [--quiet]
                   [--will-topic TOPIC [--will-payload TEXT] [--will-qos 0|1|2] [--will-retain]]
                   [-D COMMAND NAME VALUE [VALUE2]]
       zanzara pub -L mqtt://[NAME[:PASSWORD]@]HOST[:PORT]/TOPIC {-m TEXT | -f FILE | -n | -l | -s} ...

Message
 -t, --topic TOPIC        Where to publish.
 -m, --message TEXT       Publish TEXT.
 -f, --file FILE          Publish what is in FILE.
 -n, --null-message       Publish an empty message; with -r it removes the retained one.
 -l, --stdin-line         Publish each line of standard input as a message of its own.
 -s, --stdin-file         Publish all of standard input as one message.
 -q, --qos N              Quality of service; default 0.
 -r, --retain             Have the broker keep it for later subscribers.
     --repeat N           Publish N times; not with -l.
     --repeat-delay S     Wait S seconds in between.
`;
