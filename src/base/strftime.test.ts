import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { strftime } from './strftime.ts';

const AT = new Date(2026, 2, 5, 7, 9, 15, 123);

const CASES: readonly (readonly [format: string, shown: string])[] = [
  ['%Y-%m-%dT%H:%M:%S', '2026-03-05T07:09:15'],
  ['%FT%T', '2026-03-05T07:09:15'],
  ['[%a %e %B]', '[Thu  5 March]'],
  ['%j %u %V', '064 4 10'],
  ['%S.%N', '15.123000000'],
  ['100%%', '100%'],
  ['%EY %Od', '2026 05'],
  ['%Q stays, and so does %', '%Q stays, and so does %'],
  ['no directive', 'no directive'],
  ['', ''],
];
for (const [format, shown] of CASES) {
  test(`strftime '${format}'`, () => assert.equal(strftime(format)(AT), shown));
}

test('every directive shows what the date of this system shows', (context) => {
  const letters = [...'aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYz'];
  const seconds = [0, 951_782_400, 1_230_768_000, 1_798_761_599];
  for (const zone of ['UTC', 'America/St_Johns']) {
    for (const second of seconds) {
      const format = letters.map((letter) => `${letter}=%${letter}`).join('|');
      const options = { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C', TZ: zone } } as const;
      const date = spawnSync('date', ['-d', `@${second}`, `+${format}`], options);
      if (date.status !== 0) return context.skip('the date of this system cannot show a moment');
      const script = `import { strftime } from ${JSON.stringify(import.meta.resolve('./strftime.ts'))};
        process.stdout.write(strftime(process.argv[1])(new Date(${second * 1000})));`;
      const node = spawnSync(process.execPath, ['--input-type=module', '-e', script, format], options);
      assert.equal(node.stdout, date.stdout.slice(0, -1), `${zone} ${second}`);
    }
  }
});
