import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { createThreadPort } from './store-port.ts';

const run = promisify(execFile);

/** A thread's entry with this code, in which `port` is its port. */
async function withEntry(code: string, use: (file: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'port-'));
  const file = join(folder, 'entry.mjs');
  writeFileSync(file, `import { parentPort as port } from 'node:worker_threads';\n${code}\n`);
  try {
    await use(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const ECHO = "port.on('message', (message) => port.postMessage({ kind: 'tidied', fault: message.kind }));";

test('messages go and come in order; the buffer of a commit changes hands', () =>
  withEntry(ECHO, async (file) => {
    const port = createThreadPort(file);
    const answers: unknown[] = [];
    const ops = Uint8Array.of(1, 2, 3);
    await new Promise<void>((resolve, reject) => {
      port.onFault = reject;
      port.onMessage = (message) => {
        if (answers.push(message.kind === 'tidied' ? message.fault : null) === 3) resolve();
      };
      port.post({ kind: 'more' });
      port.post({ kind: 'commit', ops });
      port.post({ kind: 'tidy' });
    });
    assert.deepEqual(answers, ['more', 'commit', 'tidy']);
    assert.equal(ops.byteLength, 0);
    await port.end();
  }));

const faults: readonly { readonly name: string; readonly code: string; readonly words: RegExp }[] = [
  { name: 'throws', code: "port.on('message', () => { throw new Error('broken'); });", words: /broken/ },
  { name: 'throws what is no error', code: "port.on('message', () => { throw 'broken'; });", words: /broken/ },
  { name: 'ends by itself', code: "port.on('message', () => process.exit(3));", words: /ended with code 3/ },
  { name: 'cannot even be loaded', code: 'this is no program', words: /Unexpected|Missing|SyntaxError/ },
];
for (const { name, code, words } of faults) {
  test(`a thread that ${name} is a fault, told once`, () =>
    withEntry(code, async (file) => {
      const port = createThreadPort(file);
      const errors: Error[] = [];
      await new Promise<void>((resolve) => {
        port.onFault = (error) => {
          errors.push(error);
          resolve();
        };
        port.post({ kind: 'tidy' });
      });
      port.post({ kind: 'tidy' });
      await port.end();
      assert.equal(errors.length, 1);
      assert.match(String(errors[0]), words);
    }));
}

test('a thread that is ended here is no fault', () =>
  withEntry(ECHO, async (file) => {
    const port = createThreadPort(file);
    port.onFault = (error) => assert.fail(error);
    await port.end();
  }));

const SLOW_ECHO = "port.on('message', () => setTimeout(() => port.postMessage({ kind: 'tidied', fault: null }), 50));";

test('a thread keeps the process alive while an answer is owed, and not beyond', () =>
  withEntry(SLOW_ECHO, async (file) => {
    const module = JSON.stringify(pathToFileURL(join(import.meta.dirname, 'store-port.ts')).href);
    const script = join(dirname(file), 'main.mjs');
    writeFileSync(
      script,
      `import { createThreadPort } from ${module};
      const port = createThreadPort(${JSON.stringify(file)});
      let left = 3;
      port.onFault = (error) => console.log(String(error));
      port.onMessage = () => {
        left -= 1;
        if (left > 0) port.post({ kind: 'tidy' });
        else console.log('all answered');
      };
      port.post({ kind: 'tidy' });`,
    );
    const { stdout } = await run(process.execPath, [script], { timeout: 30_000 });
    assert.equal(stdout, 'all answered\n');
  }));
