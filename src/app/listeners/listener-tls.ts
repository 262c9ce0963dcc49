/** The TLS side of a listener, from its options. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Log } from '../../base/log.ts';
import type { ListenerConfig } from '../../config/config.ts';
import type { TlsContext } from '../../transport/node/tls-context.ts';
import type { TlsSettings } from '../../transport/node/tls-settings.ts';
import { StartFailure } from '../start-failure.ts';

export interface ListenerTlsParts {
  readonly log: Log;
  /** The key of a PSK identity of this listener. */
  readonly pskKeyOf: (identity: string) => Uint8Array | null;
  /** Takes the lines of --tls-keylog; null = nobody asked for them. */
  readonly onKeyLog: ((line: Uint8Array) => void) | null;
}

/** Whether connections of this listener are encrypted by us. */
export function isTls({ options }: Pick<ListenerConfig, 'options'>): boolean {
  return options.certfile !== null || options.pskHint !== null;
}

/**
 * Reads and checks the files of a listener's TLS options.
 * @throws StartFailure that says which file is wrong and how to mend it
 */
export async function loadTls(listener: ListenerConfig, parts: ListenerTlsParts): Promise<TlsContext> {
  const [{ createTlsContext }, { TlsSetupError }] = await Promise.all([
    import('../../transport/node/tls-context.ts'),
    import('../../transport/node/tls-settings.ts'),
  ]);
  const settings = tlsSettingsOf(listener, parts);
  try {
    const context = createTlsContext(
      settings,
      (path) => readFileSync(path),
      (path) => readdirSync(path),
    );
    for (const warning of context.warnings) parts.log.write('warning', warning);
    return context;
  } catch (error) {
    if (!(error instanceof TlsSetupError)) throw error;
    const { file, line } = listener.place;
    throw new StartFailure(error.lines[0] ?? error.message, [
      ...error.lines,
      `The listener is that of ${file}:${line}.`,
    ]);
  }
}

function tlsSettingsOf({ options, port, path }: ListenerConfig, parts: ListenerTlsParts): TlsSettings {
  return {
    certFile: options.certfile,
    keyFile: options.keyfile,
    caFile: options.cafile,
    caPath: options.capath,
    crlFile: options.crlfile,
    requiresCertificate: options.requireCertificate,
    version: options.tlsVersion,
    ciphers: options.ciphers,
    ciphersTls13: options.ciphersTls13,
    checksDates: !options.disableClientCertDateChecks,
    pskHint: options.pskHint,
    pskKeyOf: options.pskHint === null ? null : parts.pskKeyOf,
    onKeyLog: parts.onKeyLog,
    name: `listener ${path ?? port}`,
  };
}
