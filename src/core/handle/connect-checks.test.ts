import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createHarness } from '../../../test/fixtures/broker-harness.ts';
import { Reason } from '../../protocol/reasons.ts';

describe('wills that are refused at CONNECT', () => {
  const rows: readonly [title: string, topic: string, payload: string, v3: number, v5: number][] = [
    ['above message_size_limit', 'w', '123456', 5, Reason.PacketTooLarge],
    ['under $CONTROL', '$CONTROL/x', '', 5, Reason.NotAuthorized],
    ['too long behind the mount point', 'x'.repeat(65_535), '', 5, Reason.TopicNameInvalid],
  ];
  for (const [title, topic, payload, v3, v5] of rows) {
    test(`${title}: ${v3} and 0x${v5.toString(16)}`, () => {
      const house = createHarness({ settings: { messageSizeLimit: 5 }, listener: { mountPoint: 'm/' } });
      for (const version of [3, 4, 5] as const) {
        const peer = house.peer();
        assert.equal(
          peer.connect({ version, clientId: 'c', will: { topic, payload } }).reason,
          version === 5 ? v5 : v3,
        );
        assert.equal(peer.isClosed, true);
      }
      assert.equal(house.broker.sizes().sessions, 0);
    });
  }

  test('one at the limit is taken, and is published under the mount point', () => {
    const house = createHarness({ settings: { messageSizeLimit: 5 } });
    const watcher = house.client('watcher');
    watcher.subscribe('#');
    const mounted = house.openDoor({ id: 1, mountPoint: 'm/' });
    const peer = house.peer({}, 4, mounted);
    assert.equal(peer.connect({ clientId: 'c', will: { topic: 'w', payload: '12345' } }).reason, 0);
    peer.cut();
    const { topic, text } = watcher.expect('publish');
    assert.deepEqual([topic, text], ['m/w', '12345']);
  });
});
