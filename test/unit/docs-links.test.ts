import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { escapePattern } from '../../lib/util/escape-pattern.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = [
  'README.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  join('examples', 'README.md'),
  ...readdirSync(join(root, 'docs'))
    .filter(name => name.endsWith('.md'))
    .map(name => join('docs', name)),
]

test.each(pages)('%s: what it links to is there', page => {
  const text = readFileSync(join(root, page), 'utf8')
  const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)]
    .map(match => match[1]!)
    .filter(link => !/^[a-z]+:/.test(link))
  expect(links.filter(link => !existsSync(resolve(root, dirname(page), link)))).toEqual([])
})

/** A path whose last part may have stars in it leads to at least one file or folder. */
function leadsSomewhere(path: string): boolean {
  const folder = join(root, dirname(path))
  const name = new RegExp(`^${basename(path).split('*').map(escapePattern).join('.*')}$`)
  return existsSync(folder) && readdirSync(folder).some(each => name.test(each))
}

test.each(pages)('%s: the files that it names without a link are there', page => {
  const text = readFileSync(join(root, page), 'utf8').replace(/^```[\s\S]*?^```$/gm, '')
  const paths = [...text.matchAll(/`((?:lib|native|research|examples|scripts|test|docs|\.github|\.ci)\/[\w./*-]*)`/g)]
  expect(paths.map(match => match[1]!).filter(path => !leadsSomewhere(path))).toEqual([])
})

/** The code that the pages for its readers name functions of. */
const code = ['lib', 'native', 'scripts', 'test/tools']
  .flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map(name => join(root, folder, name)),
  )
  .filter(path => /\.(ts|mjs|h|cpp)$/.test(path) && statSync(path).isFile())
  .map(path => readFileSync(path, 'utf8'))
  .join('\n')

/** The functions of a text that are written as `name()`, without the class before it. */
function functionNames(text: string): string[] {
  return [...text.matchAll(/`(?:[\w#]+(?:::|\.))?(#?\w+)\(\)`/g)].map(([, name]) => name!)
}

test.each([join('docs', 'architecture.md'), 'CONTRIBUTING.md'])(
  '%s: the functions that it names are in the code',
  page => {
    const isThere = (name: string) => new RegExp(`(?<![\\w#])${name}\\(`).test(code)
    const names = functionNames(readFileSync(join(root, page), 'utf8'))
    expect(names.length).toBeGreaterThan(5)
    expect(names.filter(name => !isThere(name))).toEqual([])
    expect(functionNames('`Engine::madeUp()` and `#other()`').filter(name => !isThere(name))).toHaveLength(2)
  },
)

/** The places on a page that have names: its own, and those that GitHub gives the headings. */
function anchors(page: string): Set<string> {
  const text = readFileSync(join(root, page), 'utf8')
  const counts = new Map<string, number>()
  const names = new Set([...text.matchAll(/<a id="([^"]+)"/g)].map(match => match[1]!))
  for (const [, title] of text.replace(/^```[\s\S]*?^```$/gm, '').matchAll(/^#+ (.*)$/gm)) {
    const name = title!
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}_ -]/gu, '')
      .replaceAll(' ', '-')
    const before = counts.get(name) ?? 0
    counts.set(name, before + 1)
    names.add(before === 0 ? name : `${name}-${before}`)
  }
  return names
}

test.each(pages)('%s: the places on pages that it links to are there', page => {
  const links = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\(([^)#\s:]*)#([^)\s]+)\)/g)]
  const missing = links.filter(
    ([, other, anchor]) => !anchors(other === '' ? page : join(dirname(page), other!)).has(anchor!),
  )
  expect(missing.map(([link]) => link)).toEqual([])
})

test('each feature that is compared links to a test', () => {
  const rows = readFileSync(join(root, 'docs', 'compare.md'), 'utf8')
    .split('\n')
    .filter(line => /^\| (?!\*\*|---|\| )/.test(line))
  const without = rows.filter(row => !row.includes('](') || !/test\/|performance\.md/.test(row))
  expect(rows.length).toBeGreaterThan(25)
  expect(without).toEqual([])
})
