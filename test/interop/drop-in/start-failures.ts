/** Configurations that no broker starts with: what is said, and how the process ends. */
import type { Scenario } from './two-brokers.ts';

const LISTENER = 'listener {PORT} 127.0.0.1\n';

const CONFIGS: readonly (readonly [name: string, config: string, files?: Readonly<Record<string, string>>])[] = [
  ['an option that does not exist', `${LISTENER}max_inflight_mesages 20\n`],
  ['an option without its value', `${LISTENER}password_file\n`],
  ['a boolean that is none', `${LISTENER}allow_anonymous maybe\n`],
  ['a port that is none', 'listener 70000\n'],
  ['a file twice', `${LISTENER}password_file {FOLDER}/a\npassword_file {FOLDER}/b\n`],
  ['no password file', `${LISTENER}password_file {FOLDER}/nowhere\n`],
  ['no ACL file', `${LISTENER}acl_file {FOLDER}/nowhere\n`],
  ['an ACL file that is wrong', `${LISTENER}acl_file {FOLDER}/acl\n`, { acl: 'user ann\ntopic readwrte a/b\n' }],
  ['an address of another machine', 'listener {PORT} 203.0.113.1\n'],
  ['a certificate without its key', `${LISTENER}certfile {FOLDER}/none.crt\n`],
  ['no certificate', `${LISTENER}certfile {FOLDER}/none.crt\nkeyfile {FOLDER}/none.key\n`],
  ['a mount point with a wildcard', `${LISTENER}mount_point a/#\n`],
  [
    'a mistake in an included file',
    `${LISTENER}include_dir {FOLDER}/conf.d\n`,
    { 'conf.d/a.conf': 'user root\nnonsense\n' },
  ],
  ['per_listener_settings behind a security option', `allow_anonymous true\nper_listener_settings true\n${LISTENER}`],
];

/** 2.0 starts with it, and without TLS; 2.1 does not start. */
const SINCE_2_1 = new Set(['a certificate without its key']);

export interface StartFailure {
  readonly scenario: Scenario;
  readonly isRefusedBy: 'both' | 'zanzara';
}

export const START_FAILURES: readonly StartFailure[] = CONFIGS.map(([name, config, files = {}]) => ({
  scenario: { name, ports: ['PORT'], files: { 'mosquitto.conf': config, ...files }, script: async () => [] },
  isRefusedBy: SINCE_2_1.has(name) ? 'zanzara' : 'both',
}));
