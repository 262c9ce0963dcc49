/** `zanzara [broker]`: the broker. Only a real start loads it. */
import { createLineWriter } from '../app/log/line-writer.ts';
import { createStartReport } from '../app/process/start-report.ts';
import { readVersion } from '../app/version.ts';
import { parseBrokerArguments } from './broker-arguments.ts';

/** Exit code for arguments that cannot be used, as Mosquitto's. */
const BAD_ARGUMENTS = 3;

const USAGE = `Usage: zanzara [-c FILE] [-p PORT] [-v] [-q] [--test-config]
       zanzara pub | sub | import | export | backup | restore | selftest [options]

 -c, --config-file FILE   Read the configuration (the syntax of mosquitto.conf) from FILE.
 -d, --daemon             Run in the background. Comes back when the broker runs, or could not start.
 -p, --port PORT          Listen on PORT, for this machine only. May be given up to 10 times.
                          Ignored when the configuration defines listeners.
 -v, --verbose            Log everything, whatever the configuration says.
 -q, --quiet              Log nothing at all, whatever else is said.
     --test-config        Say whether the file given with -c is right, and end.
     --persist FOLDER     Keep sessions, messages and retained messages in FOLDER, so that they survive a restart.
                          Ignored when the configuration has a line 'persistence true' or 'persistence false'.
     --refuse-damaged     Do not start on a damaged store. Without it, it is set aside and a new one is begun.
     --tls-keylog FILE    Write the secrets of all TLS connections to FILE, for Wireshark. Never in production.
     --compat VERSION     Use the defaults of Mosquitto 1.6, 2.0 or 2.1 (the default is 2.1).
     --expand-env         Replace \${NAME} and \${NAME:-default} in the configuration by variables of the environment;
                          where only NAME_FILE is set, by the content of that file.
     --log-format FORMAT  text (as Mosquitto) or json (one object a line).
 -h, --help               Show this help.
     --version            Show the version.

 zanzara pub              Publish messages: see zanzara pub --help
 zanzara sub              Subscribe and print messages: see zanzara sub --help
 zanzara import           Begin a store with what a Mosquitto left; export writes a mosquitto.db to go back
 zanzara backup           Copy the store of a broker, which may run, and verify the copy; restore puts it back
 zanzara selftest         Kill a broker here over and over, and account for what it had acknowledged

Without -c it listens on 127.0.0.1 and ::1, port 1883, and needs no password.
`;

/** Runs the broker's command line. @returns the exit code */
export async function runBrokerCommand(argv: readonly string[]): Promise<number> {
  // Before anything may end: somebody may wait for it (-d).
  const report = createStartReport(process.env);
  const parsed = parseBrokerArguments(argv);
  switch (parsed.kind) {
    case 'help':
      createLineWriter(process.stdout)(`${versionLine()}\nAn MQTT broker: 3.1, 3.1.1 and 5.0.\n\n${USAGE}`);
      return 0;
    case 'version':
      createLineWriter(process.stdout)(`${versionLine()}\nLicence: Apache-2.0\n`);
      return 0;
    case 'wrong':
      createLineWriter(process.stderr)(`Error: ${parsed.message}\n${parsed.wantsUsage ? `\n${USAGE}` : ''}`);
      return BAD_ARGUMENTS;
    case 'run': {
      const { runBroker } = await import('../app/run-broker.ts');
      return await runBroker(parsed.request, report);
    }
  }
}

function versionLine(): string {
  return `zanzara ${readVersion()}`;
}
