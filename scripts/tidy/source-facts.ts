/**
 * What the scripts want to know of a TypeScript or JavaScript file, read off its syntax tree: imports, functions and
 * their length, free uses of runtime globals, ways around the type checker, exports, strings.
 *
 * The tree comes from the `typescript` package: version 7 offers it only through its unstable API, which is good enough
 * for a pinned development dependency. All of that API is used in this file alone. Nothing is resolved or checked
 * (noResolve, noLib), so that a whole project takes a fraction of a second and a test can hand in a tree of two files.
 */
import { type Node, type SourceFile, SyntaxKind } from 'typescript/unstable/ast';
import * as is from 'typescript/unstable/ast/is';
import { createVirtualFileSystem } from 'typescript/unstable/fs';
import { API } from 'typescript/unstable/sync';
import { RUNTIME_GLOBALS } from './rooms.ts';
import type { Tree } from './tree.ts';

export interface Import {
  /** As written: `../base/assert.ts`, `node:fs`, `mqtt`. */
  readonly specifier: string;
  readonly line: number;
  readonly isReExport: boolean;
}

export interface FunctionFact {
  readonly name: string;
  readonly line: number;
  readonly lineCount: number;
  /** It registers tests, as the body of a `describe` does: a list, not a story. */
  readonly isTestGroup: boolean;
}

export const ESCAPES = ['any', 'as', '!', 'ignore'] as const;
export type EscapeKind = (typeof ESCAPES)[number];

export interface StringFact {
  /** A template stands with its holes as written. */
  readonly text: string;
  readonly line: number;
  /** It is the title in `test.skip`, `test.todo` or `test(title, { skip: ... })`. */
  readonly isSkipped: boolean;
}

export interface SourceFacts {
  readonly imports: Import[];
  readonly functions: FunctionFact[];
  /** Names of RUNTIME_GLOBALS that are used and not declared in the file. */
  readonly globals: { readonly name: string; readonly line: number }[];
  readonly escapes: { readonly kind: EscapeKind; readonly line: number }[];
  readonly exported: { readonly name: string; readonly line: number }[];
  readonly defaultExportLines: number[];
  /** Nothing of its own: every statement passes on what other files export. */
  readonly isBarrel: boolean;
  readonly strings: StringFact[];
}

interface Walk {
  readonly file: SourceFile;
  readonly facts: SourceFacts;
  readonly declared: Set<string>;
}

const ROOT = '/tree/';
const IGNORE_MARK = /biome-ignore|@ts-(?:ignore|expect-error|nocheck)/;

/** The facts of every `.ts` and `.js` file of the tree, by path. */
export function readFacts(tree: Tree): ReadonlyMap<string, SourceFacts> {
  const paths = [...tree.keys()].filter((path) => /\.(?:ts|js)$/.test(path));
  const files: Record<string, string> = {};
  for (const path of paths) files[ROOT + path] = tree.get(path) ?? '';
  const project = `${ROOT}tsconfig.json`;
  files[project] = JSON.stringify({
    compilerOptions: { noLib: true, noResolve: true, types: [], allowJs: true, target: 'esnext', module: 'esnext' },
    files: paths,
  });
  const api = new API({ cwd: ROOT, fs: createVirtualFileSystem(files) });
  try {
    const program = api.updateSnapshot({ openProjects: [project] }).getProject(project)?.program;
    return new Map(paths.map((path) => [path, factsOf(path, program?.getSourceFile(ROOT + path))]));
  } finally {
    api.close();
  }
}

function factsOf(path: string, file: SourceFile | undefined): SourceFacts {
  if (file === undefined) throw new Error(`${path}: the TypeScript parser gave no tree for this file`);
  const facts: SourceFacts = {
    imports: [],
    functions: [],
    globals: [],
    escapes: [],
    exported: [],
    defaultExportLines: [],
    isBarrel: file.statements.length > 0 && file.statements.every(passesOn),
    strings: [],
  };
  const walk: Walk = { file, facts, declared: new Set() };
  visit(walk, file);
  file.text.split('\n').forEach((text, index) => {
    if (IGNORE_MARK.test(text) && /\/[/*]/.test(text)) facts.escapes.push({ kind: 'ignore', line: index + 1 });
  });
  const { declared } = walk;
  return { ...facts, globals: facts.globals.filter(({ name }) => !declared.has(name)) };
}

function visit(walk: Walk, node: Node): void {
  noteImport(walk, node);
  noteFunction(walk, node);
  noteGlobal(walk, node);
  noteEscape(walk, node);
  noteExport(walk, node);
  noteString(walk, node);
  node.forEachChild((child) => visit(walk, child));
}

function lineOf(walk: Walk, node: Node): number {
  return walk.file.getLineAndCharacterOfPosition(node.getStart(walk.file)).line + 1;
}

// ------------------------------------------------------------------------------------------------ imports and exports

function noteImport(walk: Walk, node: Node): void {
  const specifier = importedFrom(node);
  if (specifier === undefined || !is.isStringLiteral(specifier)) return;
  walk.facts.imports.push({
    specifier: specifier.text,
    line: lineOf(walk, node),
    isReExport: is.isExportDeclaration(node),
  });
}

function importedFrom(node: Node): Node | undefined {
  if (is.isImportDeclaration(node) || is.isExportDeclaration(node)) return node.moduleSpecifier;
  if (is.isImportTypeNode(node)) return is.isLiteralTypeNode(node.argument) ? node.argument.literal : undefined;
  const isDynamic = is.isCallExpression(node) && node.expression.kind === SyntaxKind.ImportKeyword;
  return isDynamic ? node.arguments[0] : undefined;
}

function passesOn(statement: Node): boolean {
  return is.isImportDeclaration(statement) || is.isExportDeclaration(statement);
}

function noteExport(walk: Walk, node: Node): void {
  if (is.isExportAssignment(node) || hasModifier(node, SyntaxKind.DefaultKeyword)) {
    walk.facts.defaultExportLines.push(lineOf(walk, node));
  }
  if (!hasModifier(node, SyntaxKind.ExportKeyword)) return;
  const line = lineOf(walk, node);
  for (const name of namesOf(node)) walk.facts.exported.push({ name, line });
}

function hasModifier(node: Node, kind: SyntaxKind): boolean {
  return 'modifiers' in node && Array.isArray(node.modifiers) && node.modifiers.some((entry) => entry.kind === kind);
}

function namesOf(node: Node): string[] {
  if (is.isVariableStatement(node)) {
    return node.declarationList.declarations.flatMap(({ name }) => (is.isIdentifier(name) ? [name.text] : []));
  }
  const name = nameOf(node);
  return name === null ? [] : [name];
}

function nameOf(node: Node): string | null {
  const name = nameNode(node);
  return name !== undefined && (is.isIdentifier(name) || is.isPrivateIdentifier(name)) ? name.text : null;
}

function nameNode(node: Node): Node | undefined {
  const isFunction = is.isFunctionDeclaration(node) || is.isFunctionExpression(node) || is.isMethodDeclaration(node);
  const isValue = is.isVariableDeclaration(node) || is.isParameterDeclaration(node) || is.isBindingElement(node);
  const isType = is.isClassDeclaration(node) || is.isInterfaceDeclaration(node) || is.isTypeAliasDeclaration(node);
  const isMember = is.isPropertyDeclaration(node) || is.isPropertyAssignment(node) || is.isGetAccessorDeclaration(node);
  if (isFunction || isValue || isType || isMember || is.isImportSpecifier(node)) return node.name;
  return is.isEnumDeclaration(node) || is.isSetAccessorDeclaration(node) ? node.name : undefined;
}

// ------------------------------------------------------------------------------------------------------- functions

function noteFunction(walk: Walk, node: Node): void {
  if (!hasBody(node)) return;
  const line = lineOf(walk, node);
  const lastLine = walk.file.getLineAndCharacterOfPosition(node.getEnd()).line + 1;
  walk.facts.functions.push({
    name: functionName(node),
    line,
    lineCount: lastLine - line + 1,
    isTestGroup: isTestGroup(walk, node),
  });
}

/** Its body calls `test`, `it` or `describe` as a statement. */
function isTestGroup(walk: Walk, node: Node & { readonly body: Node }): boolean {
  if (!is.isBlock(node.body)) return false;
  return node.body.statements.some((statement) => {
    const call = is.isExpressionStatement(statement) ? statement.expression : statement;
    return is.isCallExpression(call) && /^(?:test|it|describe|suite)\b/.test(calleeText(walk, call));
  });
}

/** Overloads and abstract methods have none. */
function hasBody(node: Node): node is Node & { readonly body: Node } {
  if (is.isArrowFunction(node)) return true;
  const isFunction =
    is.isFunctionDeclaration(node) ||
    is.isFunctionExpression(node) ||
    is.isMethodDeclaration(node) ||
    is.isConstructorDeclaration(node) ||
    is.isGetAccessorDeclaration(node) ||
    is.isSetAccessorDeclaration(node);
  return isFunction && node.body !== undefined;
}

/** An arrow function has the name of what it is given to. */
function functionName(node: Node): string {
  if (is.isConstructorDeclaration(node)) return 'constructor';
  return nameOf(node) ?? nameOf(node.parent) ?? 'a function without a name';
}

// --------------------------------------------------------------------------------------------------------- globals

function noteGlobal(walk: Walk, node: Node): void {
  if (isDeclaration(node)) for (const name of namesOf(node)) walk.declared.add(name);
  if (!is.isIdentifier(node) || isMemberName(node)) return;
  const name = globalForm(node);
  if (RUNTIME_GLOBALS.has(name)) walk.facts.globals.push({ name, line: lineOf(walk, node) });
}

function isDeclaration(node: Node): boolean {
  return (
    is.isVariableDeclaration(node) ||
    is.isParameterDeclaration(node) ||
    is.isBindingElement(node) ||
    is.isFunctionDeclaration(node) ||
    is.isImportSpecifier(node)
  );
}

/** `clock.performance`, `{ process: 1 }` and `interface X { crypto: Y }` name a member, not the global. */
function isMemberName(node: Node): boolean {
  const { parent } = node;
  if (is.isPropertyAccessExpression(parent)) return parent.name === node;
  if (is.isQualifiedName(parent)) return parent.right === node;
  const isMember =
    is.isPropertyAssignment(parent) ||
    is.isPropertySignatureDeclaration(parent) ||
    is.isPropertyDeclaration(parent) ||
    is.isMethodDeclaration(parent) ||
    is.isMethodSignatureDeclaration(parent);
  return isMember && parent.name === node;
}

/** `Date` in `Date.now()` is `Date.now`, in `new Date()` it is `new Date()`; elsewhere the name itself. */
function globalForm(node: Node & { readonly text: string }): string {
  const { parent } = node;
  if (is.isPropertyAccessExpression(parent)) {
    const dotted = `${node.text}.${parent.name.text}`;
    return RUNTIME_GLOBALS.has(dotted) ? dotted : node.text;
  }
  const isNewWithoutArguments = is.isNewExpression(parent) && (parent.arguments?.length ?? 0) === 0;
  return isNewWithoutArguments && node.text === 'Date' ? 'new Date()' : node.text;
}

// --------------------------------------------------------------------------------------------------------- escapes

function noteEscape(walk: Walk, node: Node): void {
  const kind = escapeKind(walk, node);
  if (kind !== null) walk.facts.escapes.push({ kind, line: lineOf(walk, node) });
}

function escapeKind(walk: Walk, node: Node): EscapeKind | null {
  if (node.kind === SyntaxKind.AnyKeyword) return 'any';
  if (is.isNonNullExpression(node)) return '!';
  if (is.isVariableDeclaration(node) && node.exclamationToken !== undefined) return '!';
  if (is.isPropertyDeclaration(node) && node.postfixToken?.kind === SyntaxKind.ExclamationToken) return '!';
  if (is.isTypeAssertion(node)) return 'as';
  return is.isAsExpression(node) && node.type.getText(walk.file) !== 'const' ? 'as' : null;
}

// --------------------------------------------------------------------------------------------------------- strings

function noteString(walk: Walk, node: Node): void {
  const isPlain = is.isStringLiteral(node) || is.isNoSubstitutionTemplateLiteral(node);
  if (!isPlain && !is.isTemplateExpression(node)) return;
  const text = isPlain ? node.text : node.getText(walk.file).slice(1, -1);
  walk.facts.strings.push({ text, line: lineOf(walk, node), isSkipped: isSkippedTitle(walk, node) });
}

function isSkippedTitle(walk: Walk, node: Node): boolean {
  const call = node.parent;
  if (!is.isCallExpression(call) || call.arguments[0] !== node) return false;
  if (/\.(?:skip|todo)$/.test(calleeText(walk, call))) return true;
  const options = call.arguments[1];
  if (options === undefined || !is.isObjectLiteralExpression(options)) return false;
  return options.properties.some((property) => /^(?:skip|todo)\b/.test(property.getText(walk.file)));
}

function calleeText(walk: Walk, call: Node & { readonly expression: Node }): string {
  return call.expression.getText(walk.file);
}
