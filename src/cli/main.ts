/**
 * The program: `zanzara [broker | pub | sub | import | export | backup | restore | selftest] arguments`. Each command is loaded
 * only when it is asked for, so that none waits for the code of another.
 *
 * `bin/zanzara` runs it as one file of JavaScript (scripts/bundle.sh), in CommonJS, so no `await` stands at the top.
 */
import { enableCompileCache } from 'node:module';
import { PACKAGE_ROOT } from '../app/version.ts';

/** Milliseconds that a command which has ended has to let go of its last sockets and files. */
const END_GRACE_MS = 1000;

async function runCommand([first, ...rest]: readonly string[]): Promise<number> {
  switch (first) {
    case 'pub': {
      const { runPub } = await import('./pub.ts');
      return await runPub(rest, process);
    }
    case 'sub': {
      const { runSub } = await import('./sub.ts');
      return await runSub(rest, process);
    }
    case 'selftest': {
      const { runSelftest } = await import('./selftest.ts');
      return await runSelftest(rest, process);
    }
    case 'import': {
      const { runImport } = await import('./import.ts');
      return await runImport(rest, process);
    }
    case 'export': {
      const { runExport } = await import('./export.ts');
      return await runExport(rest, process);
    }
    case 'backup': {
      const { runBackup } = await import('./backup.ts');
      return await runBackup(rest, process);
    }
    case 'restore': {
      const { runRestore } = await import('./restore.ts');
      return await runRestore(rest, process);
    }
    default: {
      const { runBrokerCommand } = await import('./broker.ts');
      const hasName = first === undefined || first === 'broker';
      return await runBrokerCommand(hasName ? rest : [first, ...rest]);
    }
  }
}

/** An orderly end leaves by itself and loses no output; what still holds the process then is not waited for. */
function end(exitCode: number): void {
  process.exitCode = exitCode;
  setTimeout(() => process.exit(exitCode), END_GRACE_MS).unref();
}

// Node keeps what it compiled. bin/zanzara turns this on as well, earlier and for the same folder; here it serves who
// runs this file without it. In our own folder, not in the system's for temporary files, where others could put code
// for us to run. Where it cannot be written, nothing is kept.
enableCompileCache(`${PACKAGE_ROOT}/node_modules/.cache/zanzara`);

runCommand(process.argv.slice(2)).then(end);
