import assert from 'node:assert/strict';
import { test } from 'node:test';
import { knownPlugin } from './known-plugin.ts';

const CASES: readonly (readonly [path: string, plugin: ReturnType<typeof knownPlugin>])[] = [
  ['/usr/lib/x86_64-linux-gnu/mosquitto_password_file.so', 'password-file'],
  ['mosquitto_acl_file.so', 'acl-file'],
  ['/usr/lib/mosquitto_dynamic_security.so', 'dynamic-security'],
  ['./mosquitto_persist_sqlite.so', 'persist-sqlite'],
  ['/a b/mosquitto_sparkplug_aware.so', 'sparkplug-aware'],
  ['/usr/lib/my_mosquitto_acl_file.so', null],
  ['/mosquitto_acl_file.so/other.so', null],
  ['mosquitto_acl_file.so.bak', null],
  ['', null],
];

for (const [path, plugin] of CASES) {
  test(`the plugin '${path}' is ${plugin}`, () => assert.equal(knownPlugin(path), plugin));
}
