/** Versions of Mosquitto whose defaults can be asked for. */
export const COMPAT_VERSIONS = ['1.6', '2.0', '2.1'] as const;
export type CompatVersion = (typeof COMPAT_VERSIONS)[number];

export const LOG_FORMATS = ['text', 'json'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];

/** What the command line asks for. */
export interface BrokerRequest {
  readonly configFile: string | null;
  readonly ports: readonly number[];
  readonly isVerbose: boolean;
  readonly isQuiet: boolean;
  /** Only says whether the configuration is right. */
  readonly isConfigTest: boolean;
  /** Takes the secrets of every TLS connection, for Wireshark; null = none. */
  readonly tlsKeyLogFile: string | null;
  /** The defaults that an option has which the file does not name. */
  readonly compat: CompatVersion;
  /** `${NAME}` in the configuration stands for a variable of the environment. */
  readonly isEnvironmentExpanded: boolean;
  readonly logFormat: LogFormat;
  /** Where state is kept when the configuration says nothing of `persistence`; null = in memory then. */
  readonly persistFolder: string | null;
  /** A store that is damaged ends the start, instead of being set aside. */
  readonly isDamageRefused: boolean;
}
