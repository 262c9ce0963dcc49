import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nearestName } from './nearest-name.ts';

const NAMES = ['listener', 'allow_anonymous', 'max_inflight_messages', 'max_queued_messages', 'user'];

const CASES: readonly (readonly [given: string, meant: string | null])[] = [
  ['listner', 'listener'],
  ['lsitener', 'listener'],
  ['LISTENER', 'listener'],
  ['allow-anonymous', 'allow_anonymous'],
  ['max_inflight_mesages', 'max_inflight_messages'],
  ['max_queued', 'max_queued_messages'],
  ['usr', 'user'],
  ['us', null],
  ['max_', null],
  ['banana', null],
  ['', null],
  ['l'.repeat(65), null],
];

for (const [given, meant] of CASES) {
  test(`'${given}' was meant to be ${meant}`, () => assert.equal(nearestName(given, NAMES), meant));
}
