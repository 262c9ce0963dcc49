/** `include_dir`: the files of a folder. */
import type { ConfigHost } from './config.ts';
import { ConfigError } from './config-error.ts';
import type { Line } from './lines.ts';
import { takeRest } from './value-context.ts';

/** More files than anybody keeps by hand: a folder that has them is the wrong one. */
const FILES_MAX = 1000;
const ENDING = '.conf';

export interface IncludedFile {
  readonly path: string;
  readonly source: Uint8Array;
}

/** The `*.conf` of the folder that the line names, in the order of the bytes of their names. @throws ConfigError */
export function* includedFiles(line: Line, host: ConfigHost): Generator<IncludedFile> {
  const folder = takeRest(line);
  const names = namesIn(line, host, folder).filter((name) => name.endsWith(ENDING) && name !== ENDING);
  if (names.length > FILES_MAX) {
    throw new ConfigError(line, `include_dir '${folder}' has ${names.length} files, ${FILES_MAX} are the limit.`);
  }
  const start = folder.endsWith('/') ? folder : `${folder}/`;
  for (const name of names.sort(byBytes)) {
    const path = start + name;
    yield { path, source: contentOf(line, host, path) };
  }
}

function namesIn(line: Line, host: ConfigHost, folder: string): readonly string[] {
  try {
    return host.listFolder(folder);
  } catch (error) {
    throw new ConfigError(line, `Unable to open include_dir '${folder}'.${reasonOf(error)}`);
  }
}

function contentOf(line: Line, host: ConfigHost, path: string): Uint8Array {
  try {
    return host.readFile(path);
  } catch (error) {
    throw new ConfigError(line, `Unable to open config file ${path}.${reasonOf(error)}`);
  }
}

/** The system's own words end with the call and the path that we have named already. */
function reasonOf(error: unknown): string {
  const [reason = ''] = error instanceof Error ? error.message.split(',') : [];
  return reason === '' ? '' : ` (${reason})`;
}

/** UTF-8 keeps the order of code points, and strings do not: they compare the halves of surrogate pairs. */
function byBytes(a: string, b: string): number {
  const [left, right] = [[...a], [...b]];
  const count = Math.min(left.length, right.length);
  for (let index = 0; index < count; index++) {
    const difference = (left[index]?.codePointAt(0) ?? 0) - (right[index]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
