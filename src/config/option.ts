/**
 * What a row of the table of options may say, and which type of value follows from it. The table itself is
 * options.ts; the readers of the kinds are values.ts.
 */

/** One `listener PORT [ADDRESS]`. */
export interface ListenerConfig {
  /** 1..65535. */
  readonly port: number;
  /** Address or host name; null = every address, IPv4 and IPv6. */
  readonly address: string | null;
  /** The line that says it. */
  readonly line: number;
}

export type OptionType =
  /** true, false, 1 or 0. */
  | { readonly kind: 'boolean' }
  /** A boolean whose true has to wait: `reason` tells the user why. */
  | { readonly kind: 'only-false'; readonly reason: string }
  /** 0..max, decimal, 0x or leading 0 for octal. A negative number counts as 0, as in Mosquitto. */
  | { readonly kind: 'count'; readonly max: number }
  /** All to the end of the line; may stand once. */
  | { readonly kind: 'text' }
  /** One of `words` per line; may be repeated, the value is all of them in order. */
  | { readonly kind: 'words'; readonly words: readonly string[] }
  /** Opens a listener; may be repeated. */
  | { readonly kind: 'listener' };

/** One option of mosquitto.conf. */
export interface Option {
  /** As it stands in the file. */
  readonly name: string;
  /** As it stands in `Config`. */
  readonly key: string;
  /** `security` options move to the listener once per_listener_settings is supported; until then they are global. */
  readonly scope: 'global' | 'security';
  readonly type: OptionType;
  /** Null = depends on other options, see read-config.ts. */
  readonly default: unknown;
  /** Read again on SIGHUP. */
  readonly isReloaded: boolean;
  /** Warns when it is used. */
  readonly isDeprecated: boolean;
}

/** Kinds whose value is the list of what all lines gave. Of the others the last line counts. */
export const REPEATABLE_KINDS: ReadonlySet<OptionType['kind']> = new Set(['words', 'listener']);

/** What one line gives. */
export type GivenValue = boolean | number | string | ListenerConfig;

/** The type of the value that an option of this type has. */
export type ValueOf<Type extends OptionType> = Type extends { kind: 'boolean' | 'only-false' }
  ? boolean
  : Type extends { kind: 'count' }
    ? number
    : Type extends { kind: 'text' }
      ? string
      : Type extends { kind: 'words'; words: readonly (infer Word)[] }
        ? readonly Word[]
        : Type extends { kind: 'listener' }
          ? readonly ListenerConfig[]
          : never;
