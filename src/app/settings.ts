import type { Config } from '../config/read-config.ts';
import { type BrokerSettings, DEFAULT_SETTINGS } from '../core/model/settings.ts';

/** What the core is told, from the configuration. */
export function settingsOf(config: Config): BrokerSettings {
  const { maxInflightMessages, maxQueuedMessages } = config;
  return Object.freeze({ ...DEFAULT_SETTINGS, maxInflightMessages, maxQueuedMessages });
}
