import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

// Which room may import which, type imports included. An entry names a room or one file of it;
// `type:` before it: its types alone; `*`: any room; `-` before it: all the same not this one.
const libTable: Record<string, string> = {
  errors: 'events messages',
  events: 'errors messages',
  messages: 'errors events',
  index: '* -cli',
  chat: 'templates tools reply structured engine options util',
  model: 'chat engine backend hub gguf memory options util',
  engine: 'type:options options/check util',
  options: 'util type:tools type:structured type:hub/progress type:engine/native',
  templates: 'util',
  reply: 'tools util',
  structured: 'util options/check options/kinds type:tools',
  tools: 'util options/check options/kinds templates structured',
  gguf: 'util',
  hub: 'gguf options/check util',
  memory: 'gguf options util engine/cache-constants type:engine/native',
  backend: 'gguf memory util type:engine/native',
  'source-build': 'backend hub util',
  cli: 'index model backend hub gguf memory source-build options util structured/grammar-check structured/json-schema',
  util: '',
}
/** What every room may import. */
const libForAll = 'errors events messages'

const nativeTable: Record<string, string> = {
  support: '',
  policy: 'support',
  speculation: 'policy support',
  llama: 'support',
  engine: 'llama policy speculation support',
  embedder: 'llama support engine/context_options',
  addon: '* -test',
  test: '*',
}

// Imports that break the tables today. The list only shrinks: one that is no longer there fails, too.
const libExceptions: string[] = []
const nativeExceptions: string[] = []

interface Arrow {
  from: string
  to: string
  typeOnly: boolean
}

/** An arrow's ends, without what the names of files end with. */
function name(arrow: Arrow): string {
  return `${arrow.from} -> ${arrow.to}`
}

/** All imports of a TypeScript file by relative paths. */
function imports(file: string, text: string): Arrow[] {
  const found: Arrow[] = []
  const add = (target: ts.Node | undefined, typeOnly: boolean): void => {
    if (target === undefined || !ts.isStringLiteral(target) || !target.text.startsWith('.')) return
    const to = posix.join(posix.dirname(file), target.text).replace(/\.js$/, '')
    found.push({ from: file.replace(/\.ts$/, ''), to, typeOnly })
  }
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node)) {
      const names = node.importClause?.namedBindings
      const onlyTypes = names !== undefined && ts.isNamedImports(names) && names.elements.every(each => each.isTypeOnly)
      const typeOnly = node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword
      add(node.moduleSpecifier, typeOnly || (node.importClause?.name === undefined && onlyTypes))
    } else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly)
    else if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) add(node.argument.literal, true)
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
      add(node.arguments[0], false)
    ts.forEachChild(node, visit)
  }
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest))
  return found
}

/** All includes of a C++ file by paths below native/. */
function includes(file: string, text: string): Arrow[] {
  const bare = (path: string): string => path.replace(/\.(h|cpp)$/, '')
  return [...text.matchAll(/^[ \t]*#[ \t]*include[ \t]*"([^"]+)"/gm)].map(([, path]) => ({
    from: bare(file),
    to: bare(path!),
    typeOnly: false,
  }))
}

/** Whether a table's row has room for an arrow. A room without a row may import nothing. */
function isAllowed(arrow: Arrow, table: Record<string, string>, forAll = ''): boolean {
  const room = arrow.from.split('/')[0]!
  const target = arrow.to.split('/')[0]!
  if (room === target) return true
  const row = `${table[room] ?? ''} ${forAll}`.split(' ')
  const isNamed = (prefix: string): boolean => [target, arrow.to].some(each => row.includes(prefix + each))
  return (row.includes('*') && !isNamed('-')) || isNamed('') || (arrow.typeOnly && isNamed('type:'))
}

/** Files of a folder by their paths from there, and their texts. */
function textsOf(folder: string, files: RegExp): [file: string, text: string][] {
  const root = fileURLToPath(new URL(`../../${folder}/`, import.meta.url))
  const names = readdirSync(root, { recursive: true, encoding: 'utf8' }).map(file => file.replaceAll('\\', '/'))
  // Headers of others are none of the rooms, and `include/llama.cpp` is a folder.
  const ours = names.filter(file => files.test(file) && !file.startsWith('include/'))
  return ours.map(file => [file, readFileSync(root + file, 'utf8')])
}

const arrowsOf = (folder: string, files: RegExp, read: (file: string, text: string) => Arrow[]): Arrow[] =>
  textsOf(folder, files).flatMap(([file, text]) => read(file, text))

test('lib: no room imports what the table does not name, but for the exceptions', () => {
  const arrows = arrowsOf('lib', /\.ts$/, imports)
  expect(arrows.length).toBeGreaterThan(500)
  const wrong = arrows.filter(arrow => !isAllowed(arrow, libTable, libForAll)).map(name)
  expect([...new Set(wrong)].sort()).toEqual(libExceptions)
})

test('native: no room includes what the table does not name, but for the exceptions', () => {
  const arrows = arrowsOf('native', /^(?!include\/|windows\/).*\.(h|cpp)$/, includes)
  expect(arrows.length).toBeGreaterThan(100)
  const wrong = arrows.filter(arrow => !isAllowed(arrow, nativeTable)).map(name)
  expect([...new Set(wrong)].sort()).toEqual(nativeExceptions)
})

test('each room and file that the tables name is there', () => {
  const named = (table: Record<string, string>): string[] =>
    Object.entries(table).flatMap(([room, entries]) => [
      room,
      ...entries
        .split(' ')
        .map(entry => entry.replace(/^-|^type:/, ''))
        .filter(entry => entry !== '' && entry !== '*'),
    ])
  const missing = (folder: string, table: Record<string, string>, ends: readonly string[]): string[] =>
    named(table).filter(
      name => !ends.some(end => existsSync(fileURLToPath(new URL(`../../${folder}/${name}${end}`, import.meta.url)))),
    )
  expect(missing('lib', libTable, ['', '.ts'])).toEqual([])
  expect(missing('native', nativeTable, ['', '.h'])).toEqual([])
  expect(missing('lib', { none: '' }, ['', '.ts'])).toEqual(['none'])
})

test.each([
  "import { Model } from '../model/model.js'",
  "import type { Model } from '../model/model.js'",
  "import {\n  type Model,\n} from '../model/model.js'",
  "export type { Model } from '../model/model.js'",
  "export * from '../model/model.js'",
  "import '../model/model.js'",
  "let model: import('../model/model.js').Model",
  "const { Model } = await import('../model/model.js')",
])('a wrong import is found: %s', text => {
  const [arrow, ...others] = imports('engine/made-up.ts', text)
  expect(others).toEqual([])
  expect(name(arrow!)).toBe('engine/made-up -> model/model')
  expect(isAllowed(arrow!, libTable, libForAll)).toBe(false)
  expect(isAllowed({ ...arrow!, from: 'index' }, libTable, libForAll)).toBe(true)
})

test('types where types alone are allowed, one file where one file is, and no room without a row', () => {
  const allows = (file: string, text: string): boolean => isAllowed(imports(file, text)[0]!, libTable, libForAll)
  expect(allows('engine/a.ts', "import type { A } from '../options/types.js'")).toBe(true)
  expect(allows('engine/a.ts', "import { type A } from '../options/types.js'")).toBe(true)
  expect(allows('engine/a.ts', "import { type A, b } from '../options/types.js'")).toBe(false)
  expect(allows('engine/a.ts', "import A, { type B } from '../options/types.js'")).toBe(false)
  expect(allows('hub/a.ts', "import { check } from '../options/check.js'")).toBe(true)
  expect(allows('hub/a.ts', "import type { A } from '../options/types.js'")).toBe(false)
  expect(allows('index.ts', "import type { A } from './cli/main.js'")).toBe(false)
  expect(allows('util/a.ts', "import { StreamingLLMError } from '../errors.js'")).toBe(true)
  expect(allows('unknown/a.ts', "import { json } from '../util/json.js'")).toBe(false)
})

test('a wrong include is found', () => {
  const allows = (file: string, path: string): boolean =>
    isAllowed(includes(file, `#pragma once\n  # include "${path}"\n`)[0]!, nativeTable)
  expect(allows('policy/made_up.h', 'support/tokens.h')).toBe(true)
  expect(allows('policy/made_up.h', 'llama/model.h')).toBe(false)
  expect(allows('addon/made_up.cpp', 'engine/engine.h')).toBe(true)
  expect(allows('addon/made_up.cpp', 'test/test_objects.h')).toBe(false)
})

/** Which files define members of each class of native/ outside of it. */
function definitions(texts: [file: string, text: string][]): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>()
  for (const [file, text] of texts) {
    for (const [, name] of text.matchAll(/^(?![ \t}/]).*?\b([A-Z]\w+)::~?\w+\(/gm))
      found.set(name!, (found.get(name!) ?? new Set()).add(file))
  }
  return found
}

test('no class is defined in more than one file', () => {
  const all = definitions(textsOf('native', /\.cpp$/))
  expect([...all.keys()]).toEqual(expect.arrayContaining(['CachedTokens', 'Engine', 'SlotTable']))
  expect([...all].filter(([, where]) => where.size > 1)).toEqual([])
  const apart: [string, string][] = [
    ['a.cpp', 'void Made::up() {'],
    ['b.cpp', 'int Made::off(int by) {'],
  ]
  expect(definitions(apart).get('Made')?.size).toBe(2)
})

test('nothing but the addon and itself names the engine', () => {
  const naming = textsOf('native', /\.(h|cpp)$/).filter(([, text]) => /\bEngine\b/.test(text.replaceAll(/\/\/.*/g, '')))
  expect(naming.map(([file]) => file).filter(file => !/^(engine\/engine\.|addon\/)/.test(file))).toEqual([])
})
