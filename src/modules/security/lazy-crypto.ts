/** node:crypto, loaded with the first password: it takes 10 ms and several megabytes of a start. */
export function lazyCrypto(): typeof import('node:crypto') {
  return process.getBuiltinModule('node:crypto');
}
