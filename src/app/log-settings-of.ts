import { LOG_LEVELS } from '../base/log.ts';
import type { Config } from '../config/config.ts';
import type { BrokerRequest } from './broker-request.ts';
import { type LogDestination, type LogSettings, levelsOf } from './log/log-settings.ts';

/** The log that a configuration and the command line ask for: -q stands above -v, and both above the file. */
export function logSettingsOf({ options }: Config, request: BrokerRequest): LogSettings {
  const { isQuiet, isVerbose, logFormat } = request;
  return {
    destinations: isQuiet ? [] : destinationsOf(options.logDest),
    facility: options.logFacility,
    levels: isVerbose ? new Set(LOG_LEVELS) : levelsOf(options.logType),
    format: logFormat,
    hasTimestamp: options.logTimestamp,
    timestampFormat: options.logTimestampFormat,
  };
}

/** `none` forgets what stands before it; of several files the last one counts. */
function destinationsOf(values: Config['options']['logDest']): readonly LogDestination[] {
  const byKind = new Map<string, LogDestination>();
  for (const value of values) {
    if (value.kind === 'none') byKind.clear();
    else if (value.kind === 'file') byKind.set('file', { kind: 'file', path: value.path });
    else byKind.set(value.kind, { kind: value.kind });
  }
  return [...byKind.values()];
}
