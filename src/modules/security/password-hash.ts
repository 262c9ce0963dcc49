/**
 * Password hashes as Mosquitto's password files hold them, and whether a password belongs to one:
 *
 *   $argon2id$v=19$m=47104,t=1,p=1$SALT$KEY    argon2id, RFC 9106; base64 without padding
 *   $7$ITERATIONS$SALT$KEY                     PBKDF2 with HMAC-SHA512; base64
 *   $6$SALT$KEY                                one SHA-512 over password and salt; base64
 *
 * The work is done in the threads of the runtime, but for $6$, which is as fast as a message. A hash that would take longer
 * than a client waits for its answer is refused when it is read: it could only be used to keep the threads busy.
 */
import { lazyCrypto } from './lazy-crypto.ts';

export type PasswordHash =
  | { readonly kind: 'sha512'; readonly salt: Uint8Array; readonly key: Uint8Array }
  | { readonly kind: 'pbkdf2'; readonly salt: Uint8Array; readonly key: Uint8Array; readonly iterations: number }
  | {
      readonly kind: 'argon2id';
      readonly salt: Uint8Array;
      readonly key: Uint8Array;
      readonly memoryKib: number;
      readonly passes: number;
      readonly lanes: number;
    };

/** Why a text is no hash that can be used. Neither part holds anything of the text. */
export interface HashFault {
  readonly kind: 'fault';
  /** In Mosquitto's words, to be followed by ` for user NAME.` */
  readonly what: string;
  readonly mend: string;
}

/** About five seconds; mosquitto_passwd makes 101 or 1000 unless told otherwise. */
const ITERATIONS_MAX = 10_000_000;
/** 1 GiB for one password; mosquitto_passwd makes 46 MiB. */
const ARGON2_MEMORY_KIB_MAX = 1_048_576;
/** Memory times passes, that is work: a few seconds. */
const ARGON2_WORK_KIB_MAX = 8_388_608;
const ARGON2_LANES_MAX = 64;
const ARGON2_SALT_BYTES_MIN = 8;
const ARGON2_KEY_BYTES_MIN = 16;
const SHA512_BYTES = 64;
/** Salts and keys; Mosquitto's have 12 or 64. */
const FIELD_BYTES_MAX = 1024;

const REWRITE = 'Write the line anew: mosquitto_passwd FILE USER';

const PLAIN_FAULT: HashFault = {
  kind: 'fault',
  what: 'Invalid password hash',
  mend:
    'What follows the colon is no hash. If it is the password itself, have all passwords of the file hashed: ' +
    'mosquitto_passwd -U FILE',
};
const TYPE_FAULT: HashFault = {
  kind: 'fault',
  what: 'Invalid password hash type',
  mend: `Known are $argon2id$, $7$ (PBKDF2 with SHA-512) and $6$ (SHA-512). ${REWRITE}`,
};
const FORM_FAULT: HashFault = { kind: 'fault', what: 'Invalid password hash', mend: `A part is missing. ${REWRITE}` };
const SALT_FAULT: HashFault = { kind: 'fault', what: 'Unable to decode password salt', mend: REWRITE };
const KEY_FAULT: HashFault = { kind: 'fault', what: 'Unable to decode password', mend: REWRITE };
const ITERATIONS_FAULT: HashFault = {
  kind: 'fault',
  what: 'Invalid hash iterations',
  mend: `1 to ${ITERATIONS_MAX} are taken: mosquitto_passwd -I ITERATIONS FILE USER`,
};
const ARGON2_FAULT: HashFault = {
  kind: 'fault',
  what: 'Invalid argon2id parameters',
  mend:
    `Taken are v=19, m (KiB) up to ${ARGON2_MEMORY_KIB_MAX} and at least 8 for each p, p up to ${ARGON2_LANES_MAX}, ` +
    `and m times t up to ${ARGON2_WORK_KIB_MAX}. ${REWRITE}`,
};

const WHOLE_NUMBER = /^[1-9]\d{0,8}$/;
const ARGON2_PARAMETERS = /^m=([1-9]\d{0,8}),t=([1-9]\d{0,8}),p=([1-9]\d{0,8})$/;

/** Reads the part of a line of a password file behind its colon. */
export function parsePasswordHash(text: string): PasswordHash | HashFault {
  if (!text.startsWith('$')) return PLAIN_FAULT;
  const [, type, ...fields] = text.split('$');
  if (type === '6') return parseSha512(fields);
  if (type === '7') return parsePbkdf2(fields);
  return type === 'argon2id' ? parseArgon2(fields) : TYPE_FAULT;
}

/** True when this is the password of the hash. Takes equally long for every password of the same length. */
export async function isPasswordOf(hash: PasswordHash, password: Uint8Array): Promise<boolean> {
  const key = await deriveKey(hash, password);
  return key.length === hash.key.length && lazyCrypto().timingSafeEqual(key, hash.key);
}

/** Memory that checking a password takes meanwhile, in KiB, when it is worth counting. */
export function memoryKibOf(hash: PasswordHash): number {
  return hash.kind === 'argon2id' ? hash.memoryKib : 0;
}

function parseSha512(fields: readonly string[]): PasswordHash | HashFault {
  const [saltText, keyText] = fields;
  if (fields.length !== 2 || saltText === undefined || keyText === undefined) return FORM_FAULT;
  const salt = decodeField(saltText);
  if (salt === null) return SALT_FAULT;
  const key = decodeField(keyText);
  return key?.length === SHA512_BYTES ? { kind: 'sha512', salt, key } : KEY_FAULT;
}

function parsePbkdf2(fields: readonly string[]): PasswordHash | HashFault {
  const [iterationsText, saltText, keyText] = fields;
  if (fields.length !== 3 || iterationsText === undefined || saltText === undefined || keyText === undefined) {
    return FORM_FAULT;
  }
  const iterations = WHOLE_NUMBER.test(iterationsText) ? Number(iterationsText) : 0;
  if (iterations < 1 || iterations > ITERATIONS_MAX) return ITERATIONS_FAULT;
  const salt = decodeField(saltText);
  if (salt === null) return SALT_FAULT;
  const key = decodeField(keyText);
  return key?.length === SHA512_BYTES ? { kind: 'pbkdf2', salt, key, iterations } : KEY_FAULT;
}

function parseArgon2(fields: readonly string[]): PasswordHash | HashFault {
  const [version, parameters, saltText, keyText] = fields;
  if (fields.length !== 4 || parameters === undefined || saltText === undefined || keyText === undefined) {
    return FORM_FAULT;
  }
  const [, memoryKib = 0, passes = 0, lanes = 0] = (ARGON2_PARAMETERS.exec(parameters) ?? []).map(Number);
  const isTaken =
    lanes >= 1 &&
    lanes <= ARGON2_LANES_MAX &&
    memoryKib >= 8 * lanes &&
    memoryKib <= ARGON2_MEMORY_KIB_MAX &&
    memoryKib * passes <= ARGON2_WORK_KIB_MAX;
  if (version !== 'v=19' || !isTaken) return ARGON2_FAULT;
  const salt = decodeField(saltText);
  if (salt === null || salt.length < ARGON2_SALT_BYTES_MIN) return SALT_FAULT;
  const key = decodeField(keyText);
  if (key === null || key.length < ARGON2_KEY_BYTES_MIN) return KEY_FAULT;
  return { kind: 'argon2id', salt, key, memoryKib, passes, lanes };
}

/** Base64 with or without padding; null when it is anything else, empty or too long. */
function decodeField(text: string): Uint8Array | null {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0 || bytes.length > FIELD_BYTES_MAX) return null;
  // Buffer skips what is no base64, so what it made has to give the same text again.
  const padded = bytes.toString('base64');
  return text === padded || text === padded.replaceAll('=', '') ? bytes : null;
}

function deriveKey(hash: PasswordHash, password: Uint8Array): Promise<Uint8Array> {
  const { salt, key } = hash;
  switch (hash.kind) {
    case 'sha512':
      return Promise.resolve(lazyCrypto().createHash('sha512').update(password).update(salt).digest());
    case 'pbkdf2':
      return new Promise((resolve, reject) => {
        lazyCrypto().pbkdf2(password, salt, hash.iterations, key.length, 'sha512', (error, derived) => {
          if (error === null) resolve(derived);
          else reject(error);
        });
      });
    case 'argon2id':
      return new Promise((resolve, reject) => {
        const { memoryKib: memory, passes, lanes: parallelism } = hash;
        const parameters = { message: password, nonce: salt, memory, passes, parallelism, tagLength: key.length };
        lazyCrypto().argon2('argon2id', parameters, (error, derived) => {
          if (error === null) resolve(derived);
          else reject(error);
        });
      });
  }
}
