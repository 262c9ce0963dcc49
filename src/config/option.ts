/**
 * What a row of the table of options may say, and which type of value follows from it. The rows stand in options/,
 * options.ts joins them; the readers of the kinds are values.ts and bridge-values.ts.
 *
 * The key of a value is made from the option's name, in the types as at run time, so that the two cannot disagree:
 * `ciphers_tls1.3` is `ciphersTls13`.
 */

/** The versions of Mosquitto whose defaults can be asked for (`--compat`). */
export const COMPAT_VERSIONS = ['1.6', '2.0', '2.1'] as const;
export type Compat = (typeof COMPAT_VERSIONS)[number];

/**
 * Whom an option concerns. `security` options belong to a listener under `per_listener_settings true`, else to the
 * whole broker; `plugin` options to the plugin line before them.
 */
export type OptionScope = 'global' | 'listener' | 'security' | 'bridge' | 'plugin';

/** Where `log_dest` sends the log. */
export type LogDestination =
  | { readonly kind: 'none' | 'stderr' | 'stdout' | 'syslog' | 'topic' }
  | { readonly kind: 'file'; readonly path: string };

/** One remote broker that a bridge may use. */
export interface BridgeAddress {
  readonly host: string;
  /** 1..65535. */
  readonly port: number;
}

/** One `topic` line of a bridge. */
export interface BridgeTopic {
  /** A topic filter, or '' to exchange exactly the topics that the two prefixes name. */
  readonly pattern: string;
  readonly direction: 'in' | 'out' | 'both';
  readonly qos: 0 | 1 | 2;
  readonly localPrefix: string;
  readonly remotePrefix: string;
}

/** `restart_timeout`, in seconds. A constant has a base that equals its cap. */
export interface RestartTimeout {
  readonly base: number;
  readonly cap: number;
  /** How long a connection must hold for the next wait to begin at the base again; 0 = it begins there at once. */
  readonly stable: number;
}

/** `bridge_tcp_keepalive`: seconds, seconds, probes. */
export interface TcpKeepalive {
  readonly idle: number;
  readonly interval: number;
  readonly count: number;
}

/** `durability`: what an acknowledgement waits for. */
export type Durability =
  | { readonly kind: 'strict' | 'off' }
  /** 1..3,600,000 milliseconds of what was acknowledged may be lost. */
  | { readonly kind: 'relaxed'; readonly windowMs: number };

export type OptionType =
  /** true, false, 1 or 0. */
  | { readonly kind: 'boolean' }
  /**
   * A whole number, decimal, 0x or octal with a leading 0. `below: 'raise'` takes a smaller one as `min` and says so,
   * as Mosquitto does. `refusal` replaces the words for one out of range, `raised` those for one that is raised.
   */
  | {
      readonly kind: 'number';
      readonly min: number;
      readonly max: number;
      readonly below?: 'raise';
      readonly refusal?: string;
      readonly raised?: string;
    }
  /** All to the end of the line; may stand once. */
  | { readonly kind: 'text'; readonly lengthMax?: number }
  /** All to the end of the line; may be repeated, the value is all of them in order. */
  | { readonly kind: 'texts' }
  /** One of `words`; the last line counts. `refused`: words that Mosquitto takes and we do not, with the reason. */
  | {
      readonly kind: 'choice';
      readonly words: readonly string[];
      readonly refused?: Readonly<Record<string, string>>;
    }
  /** One of `words` per line; may be repeated, the value is all of them in order. */
  | { readonly kind: 'choices'; readonly words: readonly string[] }
  /** One or more of `numbers` in one line, with spaces or commas between them. */
  | { readonly kind: 'numbers'; readonly numbers: readonly number[] }
  /** A number and one of s h d w m y; the value is in seconds. */
  | { readonly kind: 'duration' }
  /** A topic without wildcards. */
  | { readonly kind: 'mount-point' }
  | { readonly kind: 'log-destination' }
  | { readonly kind: 'addresses' }
  | { readonly kind: 'topic' }
  | { readonly kind: 'restart-timeout' }
  | { readonly kind: 'tcp-keepalive' }
  | { readonly kind: 'durability' }
  /** Lines that do not give a value but build something, see reading.ts. */
  | { readonly kind: StructureKind }
  /** An option that asks for something that does not exist here. */
  | { readonly kind: 'refused'; readonly reason: string }
  /** An option that does nothing in Mosquitto 2.1 either: a warning. */
  | { readonly kind: 'without-effect'; readonly warning: string };

export type StructureKind =
  | 'listener'
  | 'connection'
  | 'include-folder'
  | 'plugin'
  | 'named-plugin'
  | 'plugin-use'
  | 'plugin-option'
  | 'plugin-switch';

/** One option of mosquitto.conf. */
export interface Option {
  /** As it stands in the file; of an open-ended one (`plugin_opt_*`) the beginning. */
  readonly name: string;
  /** Other names that mean the same. */
  readonly aliases?: readonly string[];
  readonly scope: OptionScope;
  readonly type: OptionType;
  /** Null = none, or settled from other options. */
  readonly default: unknown;
  /** The default of older versions, where it was another. */
  readonly defaultIn?: Readonly<Partial<Record<Exclude<Compat, '2.1'>, unknown>>>;
  /** How documents show the default, where the value alone does not say it. */
  readonly defaultText?: string;
  /** How documents show the value, where the type alone does not say it. */
  readonly valueText?: string;
  /** What the example file shows, where the default is no value that could be written. */
  readonly exampleValue?: string;
  /** Taken over by a reload (SIGHUP); else only by a restart. */
  readonly isReloaded: boolean;
  /** Mosquitto says at each use that it will be removed. `instead` is what to use. */
  readonly isDeprecated?: true;
  readonly instead?: string;
  /** Mosquitto does not know it, and refuses a file that has it. */
  readonly isOurs?: true;
  /** Said at each use. */
  readonly advice?: string;
  /** What happens when it stands before any listener: the default listener is made, or the line is refused. */
  readonly beforeListener?: 'makes-one' | 'needs-one';
  /** Our own words on what it does, for the reference page and the example. */
  readonly text: string;
}

/** Kinds whose value is the list of what all lines gave. Of the others the last line counts, or a second is refused. */
export const REPEATABLE_KINDS: ReadonlySet<OptionType['kind']> = new Set([
  'texts',
  'choices',
  'log-destination',
  'topic',
]);

/** What one line gives. */
export type GivenValue =
  | boolean
  | number
  | string
  | null
  | readonly number[]
  | LogDestination
  | readonly BridgeAddress[]
  | BridgeTopic
  | RestartTimeout
  | TcpKeepalive
  | Durability;

/** The key of an option's value: its name in camelCase. */
export type KeyOf<Name extends string> = WithoutDots<CamelCase<Name>>;

type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;
type WithoutDots<Name extends string> = Name extends `${infer Head}.${infer Tail}`
  ? `${Head}${WithoutDots<Tail>}`
  : Name;

/** The key of an option's value, at run time. */
export function keyOf(name: string): string {
  return name.replaceAll('.', '').replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}

/** The type of the value that an option of this type has; never for one that has none. */
export type ValueOf<Type extends OptionType> = Type extends { kind: 'boolean' }
  ? boolean
  : Type extends { kind: 'number' | 'duration' }
    ? number
    : Type extends { kind: 'text' | 'mount-point' }
      ? string
      : Type extends { kind: 'texts' }
        ? readonly string[]
        : Type extends { kind: 'choice'; words: readonly (infer Word)[] }
          ? Word
          : Type extends { kind: 'choices'; words: readonly (infer Word)[] }
            ? readonly Word[]
            : Type extends { kind: 'numbers'; numbers: readonly (infer Item)[] }
              ? readonly Item[]
              : OtherValueOf<Type>;

type OtherValueOf<Type extends OptionType> = Type extends { kind: 'log-destination' }
  ? readonly LogDestination[]
  : Type extends { kind: 'addresses' }
    ? readonly BridgeAddress[]
    : Type extends { kind: 'topic' }
      ? readonly BridgeTopic[]
      : Type extends { kind: 'restart-timeout' }
        ? RestartTimeout
        : Type extends { kind: 'tcp-keepalive' }
          ? TcpKeepalive
          : Type extends { kind: 'durability' }
            ? Durability
            : never;

/** The values of all options of `Scope` among `Rows`, by key. */
export type ValuesOf<Rows extends Option, Scope extends OptionScope> = {
  readonly [Row in Rows as Row['scope'] extends Scope ? ValueKeyOf<Row> : never]: RowValue<Row>;
};

type ValueKeyOf<Row extends Option> = [ValueOf<Row['type']>] extends [never] ? never : KeyOf<Row['name']>;
type RowValue<Row extends Option> = ValueOf<Row['type']> | (Row['default'] extends null ? null : never);
