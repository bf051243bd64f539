import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const pages = ['README.md', 'CHANGELOG.md', ...readdirSync(join(root, 'docs')).filter(name => name.endsWith('.md')).map(name => join('docs', name))]

test.each(pages)('%s: what it links to is there', page => {
  const text = readFileSync(join(root, page), 'utf8')
  const links = [...text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)].map(match => match[1]!).filter(link => !/^[a-z]+:/.test(link))
  expect(links.filter(link => !existsSync(resolve(root, dirname(page), link)))).toEqual([])
})

test('each feature that is compared links to a test', () => {
  const rows = readFileSync(join(root, 'docs', 'compare.md'), 'utf8').split('\n').filter(line => /^\| (?!\*\*|---|\| )/.test(line))
  const without = rows.filter(row => !row.includes('](') || !/test\/|performance\.md/.test(row))
  expect(rows.length).toBeGreaterThan(25)
  expect(without).toEqual([])
})
