/** The HTTP API of a broker: who may ask, and what is answered. Its code is loaded with the first listener that needs it. */
import type { ListenAt, Listening, UnixAddress } from '../base/link.ts';
import type { Log } from '../base/log.ts';
import type { ListenerConfig } from '../config/config.ts';
import type { Gatekeeper, Identity } from '../core/ports.ts';
import type { HttpApi, ListenerView } from '../modules/http-api/index.ts';
import { parseTopicName } from '../protocol/topic.ts';
import type { TlsContext } from '../transport/node/tls-context.ts';
import { writeDefect } from './defect.ts';
import { StartFailure } from './start-failure.ts';

/** The client id that the rules see behind a request, as in Mosquitto. */
const CLIENT_ID = 'http-api';

export interface HttpSideParts {
  readonly gatekeeper: Gatekeeper;
  readonly log: Log;
  readonly version: string;
  readonly systree: () => ReadonlyMap<string, number | string>;
  readonly listeners: () => readonly ListenerView[];
}

function needsPort({ place }: ListenerConfig): StartFailure {
  return new StartFailure('http_api on a unix socket', [
    "Error: 'protocol http_api' cannot be used on a unix socket.",
    `Give it a port: listener PORT 127.0.0.1. It stands at ${place.file}:${place.line}.`,
  ]);
}

export class HttpSide {
  readonly #parts: HttpSideParts;

  constructor(parts: HttpSideParts) {
    this.#parts = parts;
  }

  /** Opens the HTTP API of one listener, which a reload may change. `context` null = without TLS. */
  async listen(
    at: ListenAt | UnixAddress,
    listener: () => ListenerConfig,
    listenerId: number,
    context: (() => TlsContext | null) | null,
  ): Promise<Listening> {
    if ('path' in at) throw needsPort(listener());
    const { createHttpApi } = await import('../modules/http-api/index.ts');
    const { log, version, systree, listeners } = this.#parts;
    const api: HttpApi = createHttpApi({
      listeners,
      systree,
      version,
      get httpDir() {
        return listener().options.httpDir;
      },
      tls: context,
      log,
      onFault: (error) => writeDefect(log, error),
      authorise: (request) => this.#authorise(request, listenerId, at.port),
    });
    return await api.listen(at);
  }

  async #authorise(
    request: {
      readonly userName: string | null;
      readonly password: Uint8Array | null;
      readonly path: string;
      readonly remoteAddress: string;
    },
    listenerId: number,
    listenerPort: number,
  ): Promise<boolean> {
    const { gatekeeper } = this.#parts;
    const { userName, password, path, remoteAddress } = request;
    const answer = await gatekeeper.authenticate({
      clientId: CLIENT_ID,
      userName,
      password,
      version: 5,
      remoteAddress,
      listenerPort,
      listenerId,
      security: null,
    });
    if (answer.kind === 'refused') return false;
    if (!gatekeeper.hasRules) return true;
    const topic = parseTopicName(path);
    const identity: Identity = { clientId: CLIENT_ID, userName, listenerId };
    return topic !== null && gatekeeper.mayReceive(identity, topic);
  }
}
