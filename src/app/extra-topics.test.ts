import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHarness } from '../../test/fixtures/broker-harness.ts';
import type { StoreFigures } from '../modules/persistence/index.ts';
import { createExtraTopics } from './extra-topics.ts';

const FIGURES: StoreFigures = {
  isFailing: false,
  failure: null,
  commits: 12,
  lastCommitMs: 1.2345,
  longestCommitMs: 40,
  pendingBytes: 300,
  pendingChanges: 4,
  fileBytes: 40_960,
  logBytes: 8192,
  windowMs: 0,
};

function shown(store: StoreFigures | null) {
  const { broker } = createHarness();
  const topics = createExtraTopics({
    broker,
    version: '1.2.3',
    transport: 'node',
    reloads: () => 3,
    store: () => store,
  });
  return Object.fromEntries(topics());
}

const OF_THE_BROKER = {
  version: 'zanzara version 1.2.3',
  transport: 'node',
  'config/reloads': 3,
  'messages/expired': 0,
  'errors/protocol': 0,
  'errors/internal': 0,
};

test('without a store: all state is in memory', () => {
  assert.deepEqual(shown(null), { ...OF_THE_BROKER, 'store/state': 'memory' });
});

test('the figures of a store', () => {
  assert.deepEqual(shown(FIGURES), {
    ...OF_THE_BROKER,
    'store/state': 'ok',
    'store/commits': 12,
    'store/commit/last_ms': 1.2,
    'store/commit/longest_ms': 40,
    'store/pending/bytes': 300,
    'store/pending/changes': 4,
    'store/file/bytes': 40_960,
    'store/log/bytes': 8192,
    'store/window_ms': 0,
  });
});

test('a store that fails raises an alarm and says why', () => {
  const topics = shown({ ...FIGURES, isFailing: true, failure: 'no space left on device' });
  assert.deepEqual([topics['store/state'], topics['store/failure']], ['failing', 'no space left on device']);
});
