/** What no line of a listener alone shows to be wrong: options that contradict, need or make nothing of each other. */
import { type ConfigNote, type ListenerConfig, listenerIdentity } from './config.ts';
import { ConfigError } from './config-error.ts';
import { keyOf } from './option.ts';
import type { ListenerValues } from './options.ts';
import { noteAt } from './section.ts';

/** Options that do something only with certificates, with pre-shared keys, or behind a PROXY header of version 2. */
const ONLY_WITH_TLS = [
  { name: 'require_certificate', works: ['certificates', 'proxy-v2'] },
  { name: 'crlfile', works: ['certificates'] },
  { name: 'disable_client_cert_date_checks', works: ['certificates'] },
  { name: 'use_identity_as_username', works: ['certificates', 'psk', 'proxy-v2'] },
  { name: 'use_subject_as_username', works: ['certificates'] },
  { name: 'tls_version', works: ['certificates', 'psk'] },
  { name: 'ciphers', works: ['certificates', 'psk'] },
  { name: 'ciphers_tls1.3', works: ['certificates', 'psk'] },
] as const;
/** Options that the HTTP API makes nothing of. */
const NOT_FOR_HTTP = [
  'enable_proxy_protocol',
  'mount_point',
  'max_connections',
  'use_username_as_clientid',
  'use_identity_as_username',
  'use_subject_as_username',
] as const;
type Protection = 'certificates' | 'psk' | 'proxy-v2' | 'none';

/** Checks all listeners; doubtful ones are noted. @throws ConfigError at the line of the first that is wrong */
export function checkListeners(listeners: readonly ListenerConfig[], notes: ConfigNote[]): void {
  const placeOf = new Map<string, string>();
  for (const listener of listeners) {
    const identity = listenerIdentity(listener);
    const earlier = placeOf.get(identity);
    if (earlier !== undefined) {
      const name = listener.path ?? `port ${listener.port}`;
      throw new ConfigError(listener.place, `Duplicate listener on ${name}. The first stands at ${earlier}.`);
    }
    placeOf.set(identity, `${listener.place.file}:${listener.place.line}`);
    checkTls(listener);
    checkProxy(listener);
    noteWithoutEffect(listener, notes);
  }
}

function checkTls({ place, options }: ListenerConfig): void {
  const { certfile, keyfile, cafile, capath, pskHint } = options;
  if (pskHint !== null && [certfile, keyfile, cafile, capath].some((file) => file !== null)) {
    throw new ConfigError(place, 'Cannot use both certificate and psk encryption in a single listener.');
  }
  if ((certfile === null) !== (keyfile === null)) {
    throw new ConfigError(place, 'Both certfile and keyfile must be provided to enable a TLS listener.');
  }
  if (certfile !== null) return;
  const authorities = cafile === null ? 'capath' : 'cafile';
  if (cafile !== null || capath !== null) {
    throw new ConfigError(place, `${authorities} specified without certfile and keyfile.`);
  }
}

function checkProxy({ place, options }: ListenerConfig): void {
  const refused = options.enableProxyProtocol === null ? null : refusedWithProxy(options);
  if (refused !== null) {
    throw new ConfigError(place, `'enable_proxy_protocol' and '${refused}' cannot be used on the same listener.`);
  }
  if (!options.proxyProtocolV2RequireTls || options.enableProxyProtocol === 2) return;
  throw new ConfigError(place, "'proxy_protocol_v2_require_tls' needs 'enable_proxy_protocol 2' on the same listener.");
}

function refusedWithProxy(options: ListenerValues): string | null {
  if (options.certfile !== null) return 'certfile';
  if (options.useSubjectAsUsername) return 'use_subject_as_username';
  return options.pskHint === null ? null : 'psk_hint';
}

/** Options that say something which this listener cannot do. Mosquitto takes them in silence. */
function noteWithoutEffect({ place, options, security }: ListenerConfig, notes: ConfigNote[]): void {
  const note = (name: string, reason: string) => {
    notes.push(noteAt('warning', `Warning: '${name}' has no effect on this listener: ${reason}.`, place));
  };
  const protection = protectionOf(options);
  const values = new Map<string, unknown>(Object.entries(options));
  const isOn = (name: string) => ![null, false, -1].some((off) => values.get(keyOf(name)) === off);
  if (options.protocol === 'http_api') {
    for (const name of NOT_FOR_HTTP.filter(isOn)) note(name, "it is the HTTP API ('protocol http_api')");
  }
  for (const { name, works } of ONLY_WITH_TLS) {
    if (isOn(name) && !works.some((one) => one === protection)) note(name, REASONS[protection]);
  }
  if (options.pskHint !== null && security.pskFile === null) {
    notes.push(
      noteAt('warning', "Warning: 'psk_hint' without 'psk_file': nobody has a key, so nobody comes in.", place),
    );
  }
  if (options.httpDir !== null && options.protocol !== 'http_api') note('http_dir', "it needs 'protocol http_api'");
  if (options.websocketsOrigin.length > 0 && options.protocol !== 'websockets') {
    note('websockets_origin', "it needs 'protocol websockets'");
  }
}

const REASONS: Readonly<Record<Protection, string>> = {
  certificates: 'it has certificates',
  psk: 'it has pre-shared keys instead of certificates',
  'proxy-v2': 'its TLS ends at the load balancer',
  none: 'it has no TLS, which certfile and keyfile make',
};

function protectionOf(options: ListenerValues): Protection {
  if (options.certfile !== null) return 'certificates';
  if (options.pskHint !== null) return 'psk';
  return options.enableProxyProtocol === 2 ? 'proxy-v2' : 'none';
}
