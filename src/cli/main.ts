/**
 * The program: `zanzara [broker | pub | sub] arguments`. Each command is loaded only when it is asked for, so that
 * neither the broker nor the clients wait for code of the other.
 */
import { runBrokerCommand } from './broker.ts';

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
    case 'broker':
      return await runBrokerCommand(rest);
    default:
      return await runBrokerCommand(first === undefined ? [] : [first, ...rest]);
  }
}

const exitCode = await runCommand(process.argv.slice(2));
process.exitCode = exitCode;
// An orderly end leaves by itself and loses no output; what still holds the process then is not waited for.
setTimeout(() => process.exit(exitCode), END_GRACE_MS).unref();
