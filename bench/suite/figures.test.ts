import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { judge, median, medianOf, parseFigures, ratio, type Target } from './figures.ts';

describe('the line of a load generator', () => {
  test('its numbers are read by name, other values are left out', () => {
    const figures = parseFigures('{"mode":"flow","delivered_per_s":1234.5,"lost":0}\n');
    assert.deepEqual(
      [...figures],
      [
        ['delivered_per_s', 1234.5],
        ['lost', 0],
      ],
    );
  });

  test('only the last line counts', () => {
    assert.equal(parseFigures('a warning\n{"lost":7}').get('lost'), 7);
  });

  test('anything else is an error that shows what came', () => {
    assert.throws(() => parseFigures('connect refused'), /got: connect refused/);
    assert.throws(() => parseFigures(''), /expected a line of JSON/);
    assert.throws(() => parseFigures('3'), /expected a JSON object/);
    assert.throws(() => parseFigures('null'), /expected a JSON object/);
  });
});

describe('medians and ratios', () => {
  test('the middle value, or the mean of the two in the middle', () => {
    assert.equal(median([]), null);
    assert.equal(median([3]), 3);
    assert.equal(median([9, 1, 5]), 5);
    assert.equal(median([4, 1, 3, 2]), 2.5);
  });

  test('as many values lie below the median as above it, in whatever order they come', () => {
    fc.assert(
      fc.property(fc.array(fc.integer(), { minLength: 1 }), (values) => {
        const middle = median(values) ?? Number.NaN;
        const below = values.filter((value) => value < middle).length;
        const above = values.filter((value) => value > middle).length;
        assert.ok(below <= values.length / 2 && above <= values.length / 2);
        assert.equal(median(values.toReversed()), middle);
      }),
    );
  });

  test('a run without the figure does not count', () => {
    const runs = [new Map([['p99_us', 5]]), new Map([['lost', 1]]), new Map([['p99_us', 7]])];
    assert.equal(medianOf(runs, 'p99_us'), 6);
    assert.equal(medianOf(runs, 'nothing'), null);
  });

  test('there is no ratio to nothing', () => {
    assert.equal(ratio(6, 3), 2);
    assert.equal(ratio(6, 0), null);
    assert.equal(ratio(null, 3), null);
    assert.equal(ratio(6, null), null);
  });
});

describe('verdicts', () => {
  const faster: Target = { better: 'more', of: 'ratio', required: 4, goal: 6 };
  const lighter: Target = { better: 'less', of: 'ratio', required: 1.1, goal: 0.8 };
  const pause: Target = { better: 'less', of: 'absolute', required: 50, goal: 20 };

  test('more is better: the ratio is held against both limits, which belong to what they allow', () => {
    assert.deepEqual(
      [3.99, 4, 5.99, 6].map((value) => judge(faster, null, value)),
      ['missed', 'met', 'met', 'goal'],
    );
  });

  test('less is better', () => {
    assert.deepEqual(
      [1.11, 1.1, 0.81, 0.8].map((value) => judge(lighter, null, value)),
      ['missed', 'met', 'met', 'goal'],
    );
  });

  test('an absolute limit does not look at Mosquitto', () => {
    assert.equal(judge(pause, 51, 0.1), 'missed');
    assert.equal(judge(pause, 30, null), 'met');
    assert.equal(judge(pause, 20, 9), 'goal');
  });

  test('a figure that is missing is not one that was missed', () => {
    assert.equal(judge(faster, 100, null), 'unknown');
    assert.equal(judge(pause, null, 1), 'unknown');
  });

  test('without a goal the best is met; without any limit there is no verdict', () => {
    assert.equal(judge({ ...pause, goal: null }, 1, null), 'met');
    assert.equal(judge({ ...pause, required: null }, 21, null), 'missed');
    assert.equal(judge({ ...pause, required: null, goal: null }, 1, 1), 'none');
  });
});
