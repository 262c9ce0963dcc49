/**
 * Makes a fresh clone ready: `npm start`, `npm test` and the other scripts run this first, on whatever Node (18 or
 * newer) and npm the machine has. It installs the packages when they are missing or not those of package-lock.json,
 * among them the Node that Zanzara is pinned to. npm puts node_modules/.bin first on the PATH, so that the script that
 * follows already runs on that Node. When everything is there this takes a few dozen milliseconds and says nothing.
 *
 * Everything is printed to stderr: the output of the script that follows stays its own.
 */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DISK_MEGABYTES, DOWNLOAD_MEGABYTES, mend, packageCount, whyStale } from './setup-plan.js';

const OLDEST_MAJOR = 26;
const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, 'node_modules', '.bin');

process.exitCode = await setup();

/** @returns {Promise<number>} the exit code */
async function setup() {
  const lock = readJson(join(root, 'package-lock.json'));
  if (lock === null)
    return fail('package-lock.json is missing or broken.', 'Restore it: git checkout package-lock.json');
  const reason = whyStale(lock, readJson(join(root, 'node_modules', '.package-lock.json')));
  if (reason !== null && (await install(lock, reason)) !== 0) return 1;
  return checkNode();
}

/**
 * @param {import('./setup-plan.js').Lock} lock
 * @param {string} reason
 * @returns {Promise<number>} 0, or the exit code of npm, after a failure was told
 */
async function install(lock, reason) {
  const libc = existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
  const count = packageCount(lock, { os: process.platform, cpu: process.arch, libc });
  const when = existsSync(join(root, 'node_modules')) ? `again (${reason})` : 'once';
  say(
    `Setting up Zanzara, ${when}: ${count} packages, ` +
      `about ${DOWNLOAD_MEGABYTES} MB to fetch and ${DISK_MEGABYTES} MB on disk ...`,
  );
  const startedMs = Date.now();
  const stopProgress = showProgress(startedMs);
  const { exitCode, output } = await npmCi();
  stopProgress();
  if (exitCode === 0) {
    say(`Ready after ${Math.round((Date.now() - startedMs) / 1000)} s.`);
    return 0;
  }
  say(output.trimEnd());
  fail('npm could not install the packages (what it said stands above).', mend(output));
  return exitCode;
}

/**
 * Runs `npm ci` on the machine's own Node: the pinned one is about to be replaced. The flags win over what an outer npm
 * passes down in the environment (`npm pack --dry-run` and NODE_ENV=production would leave us with nothing).
 * @returns {Promise<{ exitCode: number, output: string }>}
 */
function npmCi() {
  const { npm_execpath: npmScript, npm_node_execpath: npmNode } = process.env;
  const hasOuterNpm = npmScript !== undefined && npmNode !== undefined && /npm-cli\.c?js$/.test(npmScript);
  const flags = ['ci', '--no-audit', '--no-fund', '--include=dev', '--include=optional', '--dry-run=false'];
  const PATH = (process.env.PATH ?? '').split(':').filter((folder) => folder !== bin);
  const child = spawn(hasOuterNpm ? npmNode : 'npm', [...(hasOuterNpm ? [npmScript] : []), ...flags], {
    cwd: root,
    env: { ...process.env, PATH: PATH.join(':'), npm_config_global: 'false' },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  child.stderr.on('data', (chunk) => (output += chunk));
  return new Promise((resolve) => {
    child.on('error', (error) => resolve({ exitCode: 1, output: `npm could not be started: ${error.message}` }));
    child.on('close', (code) => resolve({ exitCode: code ?? 1, output }));
  });
}

/**
 * On a terminal, one line that shows that something goes on. Nothing elsewhere: logs stay short.
 * @param {number} startedMs
 */
function showProgress(startedMs) {
  if (!process.stderr.isTTY) return () => {};
  const timer = setInterval(() => {
    process.stderr.write(`\r  ${Math.round((Date.now() - startedMs) / 1000)} s`);
  }, 1000);
  return () => {
    clearInterval(timer);
    process.stderr.write('\r\x1b[K');
  };
}

/** The script that follows calls `node`: is what the PATH gives it new enough? */
function checkNode() {
  const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
  const { stdout } = spawnSync('node', ['--version'], { env, encoding: 'utf8' });
  const found = (stdout ?? '').trim();
  if (Number.parseInt(found.replace(/^v/, ''), 10) >= OLDEST_MAJOR) return 0;
  return fail(
    `The pinned Node is not there or does not run on this machine (node here: ${found || 'none'}).`,
    `Let npm run the install script of the package node: npm rebuild node --ignore-scripts=false\n` +
      `or put a Node ${OLDEST_MAJOR} or newer on the PATH.`,
  );
}

/**
 * @param {string} what
 * @param {string} whatToDo
 * @returns {number} the exit code of a failure
 */
function fail(what, whatToDo) {
  say(`Zanzara is not set up: ${what}\n${whatToDo}`);
  return 1;
}

/** @param {string} text */
function say(text) {
  process.stderr.write(`${text}\n`);
}

/** @param {string} path */
function readJson(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return null;
  }
}
