import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseBenchArguments } from './arguments.ts';
import { chooseLengths } from './lengths.ts';
import { rowsOf } from './rows.ts';

const MANY_DESCRIPTORS = 1_000_000;

describe('the arguments of npm run bench', () => {
  test('nothing given: three rounds of everything', () => {
    const given = parseBenchArguments([]);
    assert.equal(given?.rounds, 3);
    assert.equal(given?.form, 'usual');
    assert.equal(given?.only, null);
    assert.deepEqual(given?.brokers, ['zanzara', 'mosquitto', 'aedes']);
  });

  test('what is given is read', () => {
    const line =
      '--quick --rounds 5 --only idle,start --brokers aedes,zanzara --transport node --secs 0.5 --json a.json';
    const given = parseBenchArguments(line.split(' '));
    assert.equal(given?.rounds, 5);
    assert.equal(given?.form, 'quick');
    assert.deepEqual(given?.only, ['idle', 'start']);
    assert.deepEqual(given?.brokers, ['aedes', 'zanzara']);
    assert.equal(given?.transport, 'node');
    assert.equal(given?.seconds, 0.5);
    assert.equal(given?.jsonPath, 'a.json');
  });

  test('--help asks for the usage', () => assert.equal(parseBenchArguments(['--help']), null));

  test('what makes no sense is refused with what was expected', () => {
    assert.throws(() => parseBenchArguments(['--brokers', 'emqx']), /expected some of zanzara,mosquitto,aedes/);
    assert.throws(() => parseBenchArguments(['--rounds', '0']), /expected a number above 0/);
    assert.throws(() => parseBenchArguments(['--rounds', '1.5']), /expected a whole number/);
    assert.throws(() => parseBenchArguments(['--quick', '--long']), /only one of them/);
    assert.throws(() => parseBenchArguments(['--fast']), /fast/);
  });
});

describe('the rows', () => {
  test('each has its own name, and each line a title of its own', () => {
    for (const form of ['usual', 'quick', 'long'] as const) {
      const rows = rowsOf(chooseLengths(form, null, MANY_DESCRIPTORS), form === 'long');
      assert.equal(new Set(rows.map(({ name }) => name)).size, rows.length);
      const titles = rows.flatMap((row) => row.measures.map(({ title }) => `${row.title}: ${title}`));
      assert.equal(new Set(titles).size, titles.length);
    }
  });

  test('the ten minutes and the million belong to the long form, and the others say so', () => {
    const long = rowsOf(chooseLengths('long', null, MANY_DESCRIPTORS), true);
    const usual = rowsOf(chooseLengths('usual', null, MANY_DESCRIPTORS), false);
    const titleOf = (rows: typeof long) => rows.find(({ name }) => name === 'plant-retained')?.title;
    assert.equal(titleOf(long), 'plant, 1,000,000 retained (10 min)');
    assert.equal(titleOf(usual), 'plant, 200,000 retained (20 s instead of 10 min)');
    assert.deepEqual(
      long.filter(({ isOnce }) => isOnce).map(({ name }) => name),
      ['plant-to-1000', 'plant-retained'],
    );
    assert.ok(usual.every(({ isOnce }) => !isOnce));
  });

  test('no more clients than the machine gives descriptors', () => {
    const { idleClients, busyClients } = chooseLengths('usual', null, 4096);
    assert.equal(idleClients, 3896);
    assert.equal(busyClients, 3896);
  });
});
