import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Figures } from './figures.ts';
import type { Row } from './rows.ts';
import { buildLines, formatFigure, formatTable } from './table.ts';

const row: Row = {
  name: 'one',
  title: 'one to one',
  kind: 'load',
  load: ['flow'],
  isOnce: false,
  measures: [
    {
      title: 'delivered',
      figure: 'delivered_per_s',
      unit: 'per second',
      target: { better: 'more', of: 'ratio', required: 4, goal: 6 },
    },
    {
      title: 'longest pause',
      figure: 'max_us',
      unit: 'us',
      target: { better: 'less', of: 'absolute', required: 50_000, goal: 20_000 },
    },
  ],
};

function runsOf(figures: Readonly<Record<string, number>>): Figures[] {
  return [new Map(Object.entries(figures))];
}

describe('the table', () => {
  test('medians of the rounds, the ratio of the medians, the verdict', () => {
    const rounds = [100_000, 120_000, 500_000].map((value) => new Map([['delivered_per_s', value]]));
    const brokers = new Map([
      ['zanzara', rounds.map((run) => new Map([['delivered_per_s', (run.get('delivered_per_s') ?? 0) * 5]]))],
      ['mosquitto', rounds],
      ['aedes', runsOf({ delivered_per_s: 60_000 })],
    ]);
    const [line] = buildLines([row], new Map([['one', brokers]]));
    assert.equal(line?.mosquitto, 120_000);
    assert.equal(line?.zanzara, 600_000);
    assert.equal(line?.ratio, 5);
    assert.equal(line?.verdict, 'met');
    assert.equal(line?.aedesRatio, 0.5);
    assert.deepEqual(line?.notes, []);
  });

  test('as text: figures with units, limits as they are meant, a dash for what is missing', () => {
    const brokers = new Map([['zanzara', runsOf({ delivered_per_s: 600_000, max_us: 19_500 })]]);
    const text = formatTable(buildLines([row], new Map([['one', brokers]])));
    assert.deepEqual(
      text.split('\n').map((line) => line.replace(/ +/g, ' ').replace(/-+/g, '-')),
      [
        '| workload | mosquitto | zanzara | ratio | required | goal | verdict | aedes |',
        '|-|-:|-:|-:|-:|-:|-:|-:|',
        '| one to one: delivered | - | 600,000 | - | >= 4 | >= 6 | unknown | - |',
        '| one to one: longest pause | - | 19.5 ms | - | <= 50 ms | <= 20 ms | goal | - |',
      ],
    );
  });

  test('a row without any run is there all the same', () => {
    const lines = buildLines([row], new Map());
    assert.deepEqual(
      lines.map(({ verdict, zanzara }) => [verdict, zanzara]),
      [
        ['unknown', null],
        ['unknown', null],
      ],
    );
  });

  test('a figure that the load generator limits is marked', () => {
    const busy = runsOf({ delivered_per_s: 1, load_cpu_percent: 99, broker_cpu_percent: 60 });
    const [line] = buildLines([row], new Map([['one', new Map([['zanzara', busy]])]]));
    assert.deepEqual(line?.notes, ['*']);
    assert.match(formatTable(line === undefined ? [] : [line]), /one to one: delivered \*.*\n\n\* the load generator/s);
  });

  test('a broker that waited for a processor marks all its figures, a gap of the generator the longest pause, a loss all', () => {
    const notesOf = (figures: Readonly<Record<string, number>>) => {
      const brokers = new Map([['mosquitto', runsOf(figures)]]);
      return buildLines([row], new Map([['one', brokers]])).map(({ notes }) => notes.join(''));
    };
    assert.deepEqual(notesOf({ broker_waited_percent: 11 }), ['~', '~']);
    assert.deepEqual(notesOf({ broker_waited_percent: 9, max_us: 100, own_gap_max_us: 60 }), ['', '~']);
    assert.deepEqual(notesOf({ max_us: 100, own_gap_max_us: 40, lost: 0 }), ['', '']);
    assert.deepEqual(notesOf({ lost: 3 }), ['!', '!']);
  });
});

test('a figure has as many digits as it is worth', () => {
  assert.equal(formatFigure(1234567.8, 'per second'), '1,234,568');
  assert.equal(formatFigure(1.266, 'us'), '1.27 us');
  assert.equal(formatFigure(9999, 'us'), '9,999 us');
  assert.equal(formatFigure(12_345, 'us'), '12.3 ms');
  assert.equal(formatFigure(1782.2, 'bytes'), '1,782 B');
  assert.equal(formatFigure(51.26, 'MB'), '51.3 MB');
  assert.equal(formatFigure(null, 'ms'), '-');
});
