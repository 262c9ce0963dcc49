/** Imports go downstairs only: the table in rooms.ts, what the runtime offers, packages, tests, files nobody imports. */
import { posix } from 'node:path';
import { ENTRY_POINTS, PACKAGES, ROOMS, type Room, RUNTIME_GLOBALS, roomOf } from './rooms.ts';
import type { Import, SourceFacts } from './source-facts.ts';
import { type Finding, isTest, type Tree } from './tree.ts';

type Facts = ReadonlyMap<string, SourceFacts>;

/** Every import and free global of every source file, held against the table. */
export function checkImports(tree: Tree, facts: Facts): Finding[] {
  const findings: Finding[] = [];
  for (const [path, fact] of facts) {
    const room = path.startsWith('src/') && !isTest(path) ? roomOf(path) : null;
    if (path.startsWith('src/') && !isTest(path) && room === null) findings.push(outsideRooms(path));
    for (const entry of fact.imports) {
      const text = whatIsWrong(path, entry, room);
      if (text !== null) findings.push({ path, line: entry.line, text });
    }
    if (room?.isPure) findings.push(...freeGlobals(path, fact));
  }
  return [...findings, ...orphans(tree, facts)];
}

function outsideRooms(path: string): Finding {
  const rooms = ROOMS.map((room) => room.path).join(', ');
  return { path, line: 0, text: `stands in no room (${rooms}); move it, or give it a row in scripts/tidy/rooms.ts` };
}

function whatIsWrong(path: string, { specifier }: Import, room: Room | null): string | null {
  if (specifier.startsWith('node:')) return room?.isPure ? runtimeText(room, specifier) : null;
  if (!specifier.startsWith('.')) return packageText(path, specifier);
  const target = targetOf(path, specifier);
  if (/\.test\.ts$/.test(target)) return `imports the test ${target}; move what both need into test/fixtures`;
  if (room === null) return null;
  if (!target.startsWith('src/')) return `imports ${target}: sources import sources only`;
  if (isTest(target)) return `imports ${target}, which only tests may`;
  return roomText(path, target, room);
}

function runtimeText(room: Room, specifier: string): string {
  return `imports ${specifier}, but ${room.path} is pure; let what is needed be handed in (Clock, Random, Log, Link, Turn)`;
}

function packageText(path: string, specifier: string): string | null {
  const entry = PACKAGES.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`));
  if (entry?.isFor(path)) return null;
  if (entry !== undefined) return `imports ${specifier}, which is for ${entry.where} only`;
  return `imports the package ${specifier}; write it yourself, or give it a reason in docs/dependencies.md and a row in scripts/tidy/rooms.ts`;
}

function roomText(path: string, target: string, room: Room): string | null {
  const isOwn = target.startsWith(room.path);
  if (!isOwn && !room.mayImport.some((prefix) => target.startsWith(prefix))) {
    const allowed = room.mayImport.length === 0 ? 'nothing' : room.mayImport.join(', ');
    return `imports ${target}: ${room.path} may import ${allowed} besides itself; move the code down, or hand it in through a port`;
  }
  const isModuleInside = /^src\/modules\/[^/]+\/(?!index\.ts$)/.test(target);
  if (!isOwn && isModuleInside) return `imports ${target}: a module's only door is its index.ts; export it there`;
  return target === path ? 'imports itself' : null;
}

function freeGlobals(path: string, fact: SourceFacts): Finding[] {
  return fact.globals.map(({ name, line }) => {
    return { path, line, text: `uses ${name} in a pure room; ${RUNTIME_GLOBALS.get(name) ?? 'let it be handed in'}` };
  });
}

/** Sources that no source imports: dead, even when a test of their own keeps them warm. */
function orphans(tree: Tree, facts: Facts): Finding[] {
  const imported = new Set<string>(ENTRY_POINTS);
  for (const [path, fact] of facts) {
    if (isTest(path)) continue;
    for (const { specifier } of fact.imports) imported.add(targetOf(path, specifier));
  }
  const isOrphan = (path: string) => /^src\/.*\.ts$/.test(path) && !isTest(path) && !imported.has(path);
  return [...tree.keys()].filter(isOrphan).map((path) => {
    return {
      path,
      line: 0,
      text: 'is imported by no source (tests do not count); use it, delete it, or move it to test/fixtures',
    };
  });
}

function targetOf(path: string, specifier: string): string {
  return posix.normalize(posix.join(posix.dirname(path), specifier));
}
