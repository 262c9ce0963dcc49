/**
 * `npm test`: all tests, or those under the given files and folders: `npm test -- src/protocol test/interop`.
 *
 * Node's own runner does the work, one process per test file. Two files run at a time, because the smallest machines
 * that must run them have two cores, and tests that talk over sockets grow flaky where more compete.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';

const CONCURRENCY = 2;
/** For one test, and for one file as a whole: a hang ends, a slow machine does not fail. */
const TIMEOUT_MS = 120_000;
const EVERYTHING = ['src', 'test', 'scripts', 'bench'];

const asked = process.argv.slice(2);
const missing = asked.filter((path) => !path.startsWith('-') && !existsSync(path));
if (missing.length > 0) {
  console.error(
    `No such file or folder: ${missing.join(', ')}. Give paths from the root of the project, or none for all tests.`,
  );
  process.exit(1);
}

const flags = asked.filter((path) => path.startsWith('-'));
const paths = asked.filter((path) => !path.startsWith('-'));
const patterns = (paths.length > 0 ? paths : EVERYTHING.filter((path) => existsSync(path))).map((path) =>
  statSync(path).isDirectory() ? `${path.replace(/\/+$/, '')}/**/*.test.ts` : path,
);

const run = spawnSync(
  process.execPath,
  [
    '--test',
    '--disable-warning=ExperimentalWarning',
    `--test-concurrency=${CONCURRENCY}`,
    `--test-timeout=${TIMEOUT_MS}`,
    '--test-reporter=spec',
    ...flags,
    ...patterns,
  ],
  { stdio: 'inherit' },
);
if (run.error !== undefined) throw run.error;
process.exitCode = run.status ?? 1;
