/** What stands below `/api/v1/`. Section 16 of the reference. */

/** A listener as `/api/v1/listeners` shows it. */
export interface ListenerView {
  /** Null = a unix socket. */
  readonly port: number | null;
  /** The file of a unix socket; null = TCP. */
  readonly path: string | null;
  readonly protocol: 'mqtt' | 'mqtt-sn' | 'websockets' | 'httpapi';
  readonly isTls: boolean;
  /** True: clients must show a certificate. */
  readonly isMutualTls: boolean;
  readonly allowsAnonymous: boolean;
}

export interface ApiSources {
  readonly listeners: () => readonly ListenerView[];
  /** Topics below `$SYS` and their values now. */
  readonly systree: () => ReadonlyMap<string, number | string>;
  readonly version: string;
}

export interface ApiAnswer {
  readonly contentType: string;
  readonly text: string;
}

const JSON_TYPE = 'application/json';
const UPTIME_TOPIC = '$SYS/broker/uptime';

/** The answer of the API, or null when `path` is none of its own. */
export function answerApi(path: string, sources: ApiSources): ApiAnswer | null {
  switch (path) {
    case '/api/v1/systree':
      return { contentType: JSON_TYPE, text: JSON.stringify(systreeObject(sources.systree())) };
    case '/api/v1/listeners':
      return { contentType: JSON_TYPE, text: JSON.stringify({ listeners: sources.listeners().map(listenerObject) }) };
    case '/api/v1/version':
      return { contentType: 'text/plain', text: sources.version };
    default:
      return null;
  }
}

/** Every whole number by its topic, and the uptime in seconds. The averages and other texts are left out. */
function systreeObject(topics: ReadonlyMap<string, number | string>): Record<string, number> {
  const shown: [string, number][] = [];
  for (const [topic, value] of topics) {
    if (typeof value === 'number') {
      if (Number.isInteger(value)) shown.push([topic, value]);
    } else if (topic === UPTIME_TOPIC) {
      shown.push([topic, Number.parseInt(value, 10)]);
    }
  }
  return Object.fromEntries(shown);
}

function listenerObject(listener: ListenerView): Record<string, unknown> {
  const { port, path, protocol, isTls, isMutualTls, allowsAnonymous } = listener;
  const place = path === null ? { port } : { path };
  return { ...place, protocol, tls: isTls, mtls: isMutualTls, allow_anonymous: allowsAnonymous };
}
