/** What no line of a bridge alone shows to be wrong. */
import type { BridgeConfig, ConfigNote } from './config.ts';
import { ConfigError } from './config-error.ts';
import type { BridgeValues } from './options.ts';
import { noteAt } from './section.ts';

/** Checks all bridges; doubtful ones are noted. @throws ConfigError at the line of the first that is wrong */
export function checkBridges(bridges: readonly BridgeConfig[], notes: ConfigNote[]): void {
  const localIds = new Set<string>();
  for (const bridge of bridges) {
    const refusal = refusalOf(bridge.options);
    if (refusal !== null) throw new ConfigError(bridge.place, `${refusal} (bridge '${bridge.name}')`);
    const localId = localIdOf(bridge);
    if (localIds.has(localId)) throw new ConfigError(bridge.place, notUnique(bridge));
    localIds.add(localId);
    if (bridge.options.bridgeInsecure) {
      notes.push(noteAt('warning', `Warning: Bridge ${bridge.name} using insecure mode.`, bridge.place));
    }
  }
}

function refusalOf(options: BridgeValues): string | null {
  const { bridgeCafile, bridgeCapath, bridgeCertfile, bridgeKeyfile, bridgeIdentity, bridgePsk } = options;
  const files = [bridgeCafile, bridgeCapath, bridgeCertfile, bridgeKeyfile];
  const hasCertificates = options.bridgeTlsUseOsCerts || files.some((file) => file !== null);
  if (options.address.length === 0) return 'Invalid bridge configuration: no remote addresses defined.';
  if (options.topic.length === 0) return 'Invalid bridge configuration: no topics defined.';
  if (hasCertificates && bridgeIdentity !== null) {
    return 'Cannot use both certificate and identity encryption in a single bridge.';
  }
  if (hasCertificates && bridgePsk !== null)
    return 'Cannot use both certificate and psk encryption in a single bridge.';
  if (bridgePsk !== null && bridgeIdentity === null) return 'Invalid bridge configuration: missing bridge_identity.';
  if (bridgeIdentity !== null && bridgePsk === null) return 'Invalid bridge configuration: missing bridge_psk.';
  if (bridgePsk !== null && !/^(?:[0-9a-f]{2})+$/i.test(bridgePsk))
    return 'bridge_psk contains non-hexadecimal characters.';
  if ((bridgeCertfile === null) === (bridgeKeyfile === null)) return null;
  return 'Both bridge_certfile and bridge_keyfile must be provided.';
}

/** The id that the bridge has here. Where the host's name would be in it, the bridge's name makes it unique. */
function localIdOf({ name, options }: BridgeConfig): string {
  return options.localClientid ?? (options.remoteClientid === null ? `\0${name}` : `local.${options.remoteClientid}`);
}

function notUnique(bridge: BridgeConfig): string {
  const given = bridge.options.localClientid ?? `local.${bridge.options.remoteClientid}`;
  return `Bridge local_clientid '${given}' is not unique. Try changing or setting the local_clientid value for one of the bridges.`;
}
