import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { checkEscapes, countEscapes, formatLimits, parseLimits } from './check-escapes.ts';
import { checkExports, checkLinks } from './check-files.ts';
import { checkImports } from './check-imports.ts';
import { checkSizes } from './check-sizes.ts';
import { checkWords } from './check-words.ts';
import { readFacts } from './source-facts.ts';
import { countLines, type Finding } from './tree.ts';

/** A file, and what must be said of it, as `line text`. Without the third entry: nothing. */
type Row = readonly [path: string, text: string, wrong?: RegExp];

/** Parses all rows at once (starting the parser costs the most) and compares what was found file by file. */
function check(rows: readonly Row[], find: (tree: Map<string, string>) => readonly Finding[]): void {
  const tree = new Map(rows.map(([path, text]) => [path, text]));
  assert.equal(tree.size, rows.length, 'two rows with the same path');
  const findings = find(tree);
  for (const [path, , wrong] of rows) {
    const found = findings.filter((finding) => finding.path === path).map(({ line, text }) => `${line} ${text}`);
    if (wrong === undefined) assert.deepEqual(found, [], path);
    else
      assert.ok(found.length === 1 && wrong.test(found[0] ?? ''), `${path}: ${JSON.stringify(found)} is not ${wrong}`);
  }
}

/** The sources of a row import each other at will; only what the rule says about that row is looked at. */
function checkImportRows(rows: readonly Row[]): void {
  check(rows, (tree) => {
    const isOrphan = ({ text }: Finding) => text.startsWith('is imported by no source');
    return checkImports(tree, readFacts(tree)).filter((finding) => !isOrphan(finding));
  });
}

describe('the import table', () => {
  test('imports go downstairs only, types included', () => {
    checkImportRows([
      ['src/base/a.ts', `import { x } from './b.ts';`],
      [
        'src/base/b.ts',
        `\nimport type { X } from '../protocol/a.ts';`,
        /^2 imports src\/protocol\/a\.ts: src\/base\/ may import nothing/,
      ],
      ['src/protocol/a.ts', `import { x } from '../base/a.ts';`],
      ['src/protocol/decode/a.ts', `export { x } from '../../core/ports.ts';`, /^1 imports src\/core\/ports\.ts/],
      ['src/protocol/b.ts', `type T = import('../core/ports.ts').Ticket;`, /^1 imports src\/core\/ports\.ts/],
      ['src/protocol/c.ts', `const x = await import('../transport/a.ts');`, /^1 imports src\/transport\/a\.ts/],
      ['src/client/a.ts', `import '../transport/a.ts'; import '../protocol/a.ts';`],
      ['src/transport/a.ts', `import '../protocol/a.ts';`, /src\/transport\/ may import src\/base\/ besides itself/],
      ['src/app/a.ts', `import '../core/session/a.ts'; import '../modules/bridge/index.ts';`],
      ['src/app/b.ts', `import '../cli/main.ts';`, /^1 imports src\/cli\/main\.ts/],
      ['src/cli/a.ts', `import '../app/a.ts'; import '../core/broker.ts';`],
    ]);
  });

  test('inside core each folder sees what the walk of a PUBLISH lets it see', () => {
    checkImportRows([
      ['src/core/model/a.ts', `import '../ports.ts';`, /^1 imports src\/core\/ports\.ts/],
      ['src/core/ports.ts', `import './model/a.ts';`],
      ['src/core/delivery/a.ts', `import '../model/a.ts';`],
      ['src/core/delivery/b.ts', `import '../session/a.ts';`, /^1 imports src\/core\/session\/a\.ts/],
      ['src/core/session/a.ts', `import '../delivery/a.ts';`],
      ['src/core/session/b.ts', `import '../routing/a.ts';`, /^1 imports src\/core\/routing\/a\.ts/],
      ['src/core/routing/a.ts', `import '../ports.ts';`],
      ['src/core/handle/a.ts', `import '../routing/a.ts'; import '../session/a.ts'; import '../access/a.ts';`],
      ['src/core/intake/a.ts', `import '../handle/a.ts';`],
      ['src/core/intake/b.ts', `import '../session/a.ts';`, /^1 imports src\/core\/session\/a\.ts/],
      ['src/core/broker.ts', `import './intake/a.ts'; import './routing/a.ts';`],
      ['src/core/broker.test.ts', `import './broker.ts';`],
      ['src/core/extra.ts', `export const x = 1;`, /^0 stands in no room/],
    ]);
  });

  test('a module sees the doors of the core, and no other module', () => {
    checkImportRows([
      [
        'src/modules/sys/index.ts',
        `import './topics.ts'; import '../../core/ports.ts'; import '../../core/model/a.ts';`,
      ],
      ['src/modules/sys/topics.ts', `import '../../core/broker.ts';`, /^1 imports src\/core\/broker\.ts/],
      ['src/modules/sys/other.ts', `import '../bridge/index.ts';`, /^1 imports src\/modules\/bridge\/index\.ts/],
      ['src/core/broker.ts', `import '../modules/sys/index.ts';`, /^1 imports src\/modules\/sys\/index\.ts/],
      ['src/app/start.ts', `import '../modules/sys/topics.ts';`, /only door is its index\.ts/],
    ]);
  });

  test('the runtime, packages and tests stay where they belong', () => {
    checkImportRows([
      ['src/transport/a.ts', `import net from 'node:net';`],
      [
        'src/core/session/a.ts',
        `import { hash } from 'node:crypto';`,
        /^1 imports node:crypto, but src\/core\/session\/ is pure/,
      ],
      ['src/core/session/b.ts', `import 'left-pad';`, /^1 imports the package left-pad/],
      ['src/core/session/c.ts', `import './a.test.ts';`, /^1 imports the test/],
      ['src/core/session/d.ts', `import '../../../test/fixtures/clock.ts';`, /sources import sources only/],
      ['src/core/session/a.test.ts', `import 'node:fs'; import 'fast-check'; import '../../app/a.ts'; Date.now();`],
      ['src/core/session/b.test.ts', `import 'mqtt';`, /for test\/interop only/],
      ['test/interop/a.test.ts', `import 'mqtt'; import '../../src/cli/a.ts';`],
      ['src/core/session/e.ts', `import 'fast-check';`, /for tests only/],
    ]);
  });

  test('a pure room takes no clock, timer, randomness or Buffer from the runtime', () => {
    checkImportRows([
      ['src/core/session/a.ts', `\n\nconst now = Date.now();`, /^3 uses Date\.now in a pure room; use Clock/],
      ['src/core/session/b.ts', `export const at = new Date();`, /^1 uses new Date\(\)/],
      ['src/core/session/c.ts', `export const text = (ms: number) => new Date(ms).toISOString();`],
      ['src/core/session/d.ts', `setTimeout(() => {}, 1);`, /^1 uses setTimeout/],
      ['src/core/session/e.ts', `export const x = Math.random();`, /^1 uses Math\.random/],
      ['src/core/session/f.ts', `export const x = Math.max(1, 2);`],
      ['src/core/session/g.ts', `export function f(b: Buffer): void {}`, /^1 uses Buffer/],
      ['src/core/session/h.ts', `export function f(process: { pid: number }): number { return process.pid; }`],
      ['src/core/session/i.ts', `export interface X { readonly crypto: string } export const y = (x: X) => x.crypto;`],
      ['src/transport/a.ts', `setTimeout(() => {}, performance.now());`],
    ]);
  });

  test('a source that only its test imports is dead', () => {
    const rows: Row[] = [
      ['src/cli/main.ts', `import '../base/used.ts';`],
      ['src/base/used.ts', `export const x = 1;`],
      ['src/base/dead.ts', `export const x = 1;`, /^0 is imported by no source/],
      ['src/base/dead.test.ts', `import './dead.ts';`],
    ];
    check(rows, (tree) => checkImports(tree, readFacts(tree)));
  });
});

describe('sizes', () => {
  test('files of 600 lines, tests of 1000, functions of 70', () => {
    const lines = (count: number): string => '// x\n'.repeat(count);
    const body = (count: number): string => `{\n${'  f();\n'.repeat(count - 2)}}`;
    const rows: Row[] = [
      ['src/base/a.ts', lines(600)],
      ['src/base/b.ts', lines(601), /^601 has 601 lines, 600 are the limit/],
      ['src/base/b.test.ts', lines(1000)],
      ['src/base/c.test.ts', lines(1001), /^1001 has 1001 lines/],
      ['src/base/d.ts', `function f() ${body(70)}\nclass A { m() ${body(70)} }`],
      ['src/base/e.ts', `\nexport const longOne = () => ${body(71)};`, /^2 longOne has 71 lines, 70 are the limit/],
      ['src/base/f.ts', `class A {\n  #step() ${body(71)}\n}`, /^2 #step has 71 lines/],
      ['src/base/g.ts', `/**\n${' * x\n'.repeat(90)} */\nfunction f() ${body(5)}`],
      ['src/base/h.test.ts', `describe('x', () => {\n  test('y', () => {});\n${'f();\n'.repeat(90)}});`],
    ];
    check(rows, (tree) => checkSizes(tree, readFacts(tree)));
  });

  test('the line break at the end opens no line', () => {
    assert.deepEqual(['', 'a', 'a\n', 'a\nb', '\n'].map(countLines), [0, 1, 1, 2, 1]);
  });
});

test('words: unfinished work, one machine, code in comments, empty names', () => {
  const unfinished = ['TO', 'DO'].join('');
  const machine = ['"/wo', 'rk/main"'].join('');
  const rows: Row[] = [
    ['src/base/a.ts', `// ${unfinished}: later`, new RegExp(`^1 says ${unfinished}: do it now`)],
    ['docs/a.md', `see\n${machine}`, /^2 says .*a path of one machine/],
    ['src/base/b.ts', `// const x = 1;`, /^1 is commented-out code/],
    ['src/base/c.ts', `  // session.close(reason);`, /^1 is commented-out code/],
    ['src/base/d.ts', `// The queue is bounded; the rest is dropped and counted;\n// see section 3.3.4.`],
    ['src/base/e.ts', `// +---+---+\n// | 1 | 2 |\n// a: for each filter, one code`],
    ['src/base/string-utils.ts', `export const x = 1;`, /^0 "utils" in the name string-utils\.ts/],
    ['src/base/timerQueue.ts', `export const x = 1;`, /^0 file names are kebab-case/],
    ['src/base/f.ts', `\nexport class SessionManager {}`, /^2 "manager" in the name SessionManager/],
    ['src/base/g.ts', `export function readMsg(): void {}`, /^1 "msg" in the name readMsg/],
    ['src/base/h.ts', `export const database = 1; export const dataset = 2; export const message = 3;`],
    ['package-lock.json', `{\n"resolved": "x"}`, /^2 says "resolved":/],
  ];
  check(rows, (tree) => checkWords(tree, readFacts(tree)));
});

test('exports: no default, no barrel but the door of a module', () => {
  const rows: Row[] = [
    ['src/base/a.ts', `\nexport default function f() {}`, /^2 has a default export/],
    ['src/base/b.ts', `const x = 1;\nexport default x;`, /^2 has a default export/],
    ['src/base/index.ts', `export * from './a.ts';\nexport { x } from './b.ts';`, /^1 only passes on other files/],
    ['src/modules/sys/index.ts', `export { x } from './b.ts';`],
    ['src/base/c.ts', `export type { X } from './b.ts';\nexport const y = 1;`],
    ['scripts/run.ts', `import './a.ts';`],
  ];
  check(rows, (tree) => checkExports(readFacts(tree)));
});

test('links in documents lead somewhere', () => {
  const rows: Row[] = [
    ['README.md', '# Zanzara\n[a](docs/a.md) [b](docs/) [c](https://example.org/x) [d](#zanzara) `[e](nowhere.md)`'],
    ['docs/a.md', '# A title, with: signs\n\n[up](../README.md#zanzara)\n[own](#a-title-with-signs)\n![x](x.png)'],
    ['docs/b.md', '\n[gone](gone.md)', /^2 links to docs\/gone\.md, which does not exist/],
    ['docs/c.md', '[part](a.md#nowhere)', /^1 links to #nowhere, but docs\/a\.md has no such heading/],
    ['docs/d.md', '[ref]: ../LICENCE', /^1 links to LICENCE/],
    ['docs/e.md', '```\n[x](nowhere.md)\n```\n'],
    ['docs/x.png', ''],
  ];
  check(rows, checkLinks);
});

test('ways around the type checker are counted by room, and more of them than the limit are refused', () => {
  const source = `
    export const a = (x: any) => x as string;
    export const b = ['x'] as const;
    export const c = (list: number[]) => list[0]! + list[1]!;
    // ${['biome', 'ignore'].join('-')} lint/suspicious/noConsole: shown to the user
    export class D { e!: number }`;
  const facts = readFacts(new Map([['src/base/a.ts', source]]));
  const counts = countEscapes(facts);
  assert.deepEqual(counts.get('base'), { any: 1, as: 1, '!': 3, ignore: 1 });
  assert.deepEqual(checkEscapes(facts, parseLimits(formatLimits(counts))), []);
  const texts = checkEscapes(facts, parseLimits('{"base":{"any":1,"as":1,"!":2,"ignore":1}}')).map(({ text }) => text);
  assert.equal(texts.length, 1);
  assert.match(texts[0] ?? '', /^base has 3 of "!", 2 are allowed: src\/base\/a\.ts:4:4:6;/);
  assert.throws(() => parseLimits('{"base":{"any":1}}'), /base\.as is not a number/);
});
