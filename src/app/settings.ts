/** What the core and the modules are told, from the configuration. */
import type { Config, ListenerConfig } from '../config/config.ts';
import type { ListenerSettings } from '../core/model/listener.ts';
import { type BrokerSettings, DEFAULT_SETTINGS } from '../core/model/settings.ts';
import { isTls } from './listeners/listener-tls.ts';

const MINUTE_SECONDS = 60;

/** The broker as a whole. */
export function settingsOf(config: Config): BrokerSettings {
  const { options } = config;
  return Object.freeze({
    ...DEFAULT_SETTINGS,
    maxInflightMessages: options.maxInflightMessages,
    maxInflightBytes: options.maxInflightBytes,
    maxQueuedMessages: options.maxQueuedMessages,
    maxQueuedBytes: options.maxQueuedBytes,
    queueQos0Messages: options.queueQos0Messages,
    maxPacketSize: options.maxPacketSize,
    messageSizeLimit: options.messageSizeLimit,
    memoryLimitBytes: options.memoryLimit,
    maxKeepAlive: options.maxKeepalive,
    retainAvailable: options.retainAvailable,
    checkRetainSource: options.checkRetainSource,
    retainExpirySeconds: options.retainExpiryInterval === null ? null : options.retainExpiryInterval * MINUTE_SECONDS,
    allowDuplicateMessages: options.allowDuplicateMessages,
    upgradeOutgoingQos: options.upgradeOutgoingQos,
    persistentClientExpirationSeconds: options.persistentClientExpiration,
    willGraceMs: options.willRestartGrace * 1000,
    clientIdPrefixes: options.clientidPrefixes,
    globalMaxClients: options.globalMaxClients,
    globalMaxConnections: options.globalMaxConnections,
    hasConnectionMessages: options.connectionMessages,
  });
}

/** One listener; `id` stays the same for the same listener over a reload. */
export function listenerSettingsOf(listener: ListenerConfig, id: number): ListenerSettings {
  const { options, security, port, path } = listener;
  return Object.freeze({
    id,
    port,
    name: path ?? String(port),
    mountPoint: options.mountPoint ?? '',
    maxConnections: options.maxConnections,
    maxQos: options.maxQos === 0 ? 0 : options.maxQos === 1 ? 1 : 2,
    maxTopicAlias: options.maxTopicAlias,
    maxTopicAliasBroker: options.maxTopicAliasBroker,
    protocolVersions: options.acceptProtocolVersions,
    allowZeroLengthClientId: security.allowZeroLengthClientid,
    autoIdPrefix: security.autoIdPrefix,
    userNameSource: userNameSource(listener),
    isUserNameClientId: options.useUsernameAsClientid,
  });
}

/** Where there is neither TLS nor a proxy that ends it, nobody can vouch for a name: CONNECT says it, as in Mosquitto. */
function userNameSource({ options }: ListenerConfig): ListenerSettings['userNameSource'] {
  if (!isTls({ options }) && options.enableProxyProtocol !== 2) return 'connect';
  if (options.useIdentityAsUsername) return 'common-name';
  return options.useSubjectAsUsername ? 'subject' : 'connect';
}
