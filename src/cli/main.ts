/**
 * The program: `zanzara [broker | pub | sub] arguments`. Each command is loaded only when it is asked for, so that
 * neither the broker nor the clients wait for code of the other.
 */
import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';
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
    default: {
      const { runBrokerCommand } = await import('./broker.ts');
      const hasName = first === undefined || first === 'broker';
      return await runBrokerCommand(hasName ? rest : [first, ...rest]);
    }
  }
}

// Node keeps what it compiled of the modules loaded from here on; the start takes about a third of the time with it.
// In our own folder, not in the system's for temporary files, where others could put code for us to run. Where it
// cannot be written, nothing is kept.
enableCompileCache(fileURLToPath(new URL('node_modules/.cache/zanzara', PACKAGE_ROOT)));

const exitCode = await runCommand(process.argv.slice(2));
process.exitCode = exitCode;
// An orderly end leaves by itself and loses no output; what still holds the process then is not waited for.
setTimeout(() => process.exit(exitCode), END_GRACE_MS).unref();
