import { describe } from 'node:test';
import { ALL, type BadRow, type GoodRow, testBad, testGood } from '../codec.fixture.ts';
import { Reason } from '../reasons.ts';

const GOOD: readonly GoodRow[] = [
  ['PINGREQ', ALL, 'client', 'c000', { type: 'pingreq' }],
  ['PINGRESP', ALL, 'server', 'd000', { type: 'pingresp' }],
  ['3.1: flags are not looked at', 3, 'client', 'cf00', { type: 'pingreq' }, 'in only'],
];

const BAD: readonly BadRow[] = [
  ['[MQTT3-2.2.2-2] PINGREQ with flags', 4, 'client', 'c100', Reason.MalformedPacket],
  ['[MQTT5-2.1.3-1] PINGREQ with flags', 5, 'client', 'c800', Reason.MalformedPacket],
  ['[MQTT5-2.1.3-1] PINGRESP with flags', 5, 'server', 'd200', Reason.MalformedPacket],
  ['PINGREQ with a body', ALL, 'client', 'c001 00', Reason.MalformedPacket],
  ['PINGRESP with a body', ALL, 'server', 'd002 0000', Reason.MalformedPacket],
];

describe('PINGREQ and PINGRESP', () => {
  testGood(GOOD);
  testBad(BAD);
});
