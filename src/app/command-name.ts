/** What to type to start this copy of Zanzara again, so that the commands we print can be pasted as they are. */
import { accessSync, constants, realpathSync } from 'node:fs';
import { delimiter, join, relative, sep } from 'node:path';

export interface CommandPlace {
  /** The folder of our package.json. */
  readonly root: string;
  /** Where the user is. */
  readonly workingFolder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 *   in a clone                           bin/zanzara, or the path to it
 *   in node_modules, found on the PATH   zanzara
 *   in node_modules of this folder or one above     npx zanzara
 *   in node_modules elsewhere, where npx would look for another package: the path to it
 */
export function commandName({ root, workingFolder, environment }: CommandPlace): string {
  if (root.split(sep).includes('node_modules')) {
    if (environment.npm_command === 'exec') return 'npx zanzara';
    if (isOnPath(root, environment.PATH ?? '')) return 'zanzara';
    const home = root.slice(0, root.lastIndexOf(`${sep}node_modules${sep}`));
    if (workingFolder === home || workingFolder.startsWith(home + sep)) return 'npx zanzara';
  }
  const path = relative(workingFolder, join(root, 'bin', 'zanzara'));
  const absolute = join(root, 'bin', 'zanzara');
  const shorter = path.length < absolute.length ? path : absolute;
  return /^[\w@%+=:,./-]+$/.test(shorter) ? shorter : `'${shorter.replaceAll("'", "'\\''")}'`;
}

function isOnPath(root: string, path: string): boolean {
  const program = join(root, 'bin', 'zanzara');
  return path.split(delimiter).some((folder) => {
    // npm and npx put node_modules/.bin on the PATH of what they start; the user's own shell does not have it.
    if (folder === '' || folder.endsWith(join('node_modules', '.bin'))) return false;
    const candidate = join(folder, 'zanzara');
    try {
      accessSync(candidate, constants.X_OK);
      return realpathSync(candidate) === program;
    } catch {
      return false;
    }
  });
}
