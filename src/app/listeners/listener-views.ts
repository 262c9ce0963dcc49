import type { ListenerView } from '../../modules/http-api/index.ts';
import type { OpenListener } from './listener-set.ts';
import { isTls } from './listener-tls.ts';

const PROTOCOLS = { mqtt: 'mqtt', websockets: 'websockets', http_api: 'httpapi' } as const;

/** What `/api/v1/listeners` shows of them. */
export function listenerViewsOf(listeners: readonly OpenListener[]): readonly ListenerView[] {
  return listeners.map(({ config: { port, path, options, security } }) => ({
    port: path === null ? port : null,
    path,
    protocol: PROTOCOLS[options.protocol],
    isTls: isTls({ options }),
    isMutualTls: isTls({ options }) && options.requireCertificate,
    allowsAnonymous: security.allowAnonymous,
  }));
}
