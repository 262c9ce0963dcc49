/**
 * What stands between a clone and a Zanzara that runs: which packages are wanted, whether they are there, and what to
 * tell a person when npm could not bring them. Pure functions; `setup.js` does what they say.
 *
 * Plain JavaScript for Node 18, because this runs before the pinned Node is there.
 */

/** Bytes that a first setup moves, measured on linux-x64; `setup.test.ts` compares the second with what stands there. */
export const DOWNLOAD_MEGABYTES = 135;
export const DISK_MEGABYTES = 360;

/** The package `node` brings its binary as one more package, which no lock file names. */
const PACKAGES_OUTSIDE_LOCK = 1;

/**
 * @typedef {{ version?: string, integrity?: string, optional?: boolean, os?: string[], cpu?: string[], libc?: string[] }} LockedPackage
 * @typedef {{ packages?: Record<string, LockedPackage> }} Lock
 * @typedef {{ os: string, cpu: string, libc: string }} Machine
 */

/**
 * True when npm would put this package on this machine. A list may hold wanted names and, with `!`, unwanted ones.
 * @param {LockedPackage} locked
 * @param {Machine} machine
 */
function fits(locked, machine) {
  return allows(locked.os, machine.os) && allows(locked.cpu, machine.cpu) && allows(locked.libc, machine.libc);
}

/**
 * @param {string[] | undefined} list
 * @param {string} name
 */
function allows(list, name) {
  if (list === undefined || list.length === 0) return true;
  if (list.includes(`!${name}`)) return false;
  return list.includes(name) || list.every((entry) => entry.startsWith('!'));
}

/**
 * How many packages a first setup brings to this machine.
 * @param {Lock} lock
 * @param {Machine} machine
 */
export function packageCount(lock, machine) {
  const wanted = Object.entries(lock.packages ?? {}).filter(([path, locked]) => path !== '' && fits(locked, machine));
  return wanted.length + PACKAGES_OUTSIDE_LOCK;
}

/**
 * Why the packages must be installed: a text, or null when all that the lock names is there as it names it. npm writes
 * what it installed into `node_modules/.package-lock.json` as its last step, so a broken-off install is seen as well.
 * @param {Lock} lock
 * @param {Lock | null} installed
 */
export function whyStale(lock, installed) {
  if (installed === null) return 'nothing is installed yet';
  for (const [path, wanted] of Object.entries(lock.packages ?? {})) {
    const found = installed.packages?.[path];
    if (path === '' || (found === undefined && wanted.optional)) continue;
    if (found === undefined) return `${path} is missing`;
    if (found.version !== wanted.version || found.integrity !== wanted.integrity) return `${path} has changed`;
  }
  return null;
}

/**
 * What a person can do after `npm ci` failed, judged by what it printed.
 * @param {string} output
 */
export function mend(output) {
  if (/\b(ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|ECONNRESET|ENETUNREACH|ERR_SOCKET_TIMEOUT)\b/.test(output)) {
    return 'The package registry cannot be reached. Check the network, and behind a proxy: npm config set proxy http://HOST:PORT';
  }
  if (/\b(SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_(GET|VERIFY)\w*|CERT_\w+)\b/.test(output)) {
    return 'The certificate of the package registry is not trusted here. Behind an inspecting proxy: npm config set cafile FILE';
  }
  if (/\bE(ACCES|PERM|ROFS)\b/.test(output)) {
    return 'This folder, or npm’s cache, cannot be written to by you. Give it to yourself (chown), or clone to a folder of your own.';
  }
  if (/\bENOSPC\b/.test(output)) return `The disk is full: ${DISK_MEGABYTES} MB are needed here.`;
  if (/\bEUSAGE\b/.test(output)) {
    return 'package.json and package-lock.json do not fit together. Undo local changes to them, or run: npm install';
  }
  return 'Run "npm ci" to see it once more; when that works, start again.';
}
