import { readdirSync, readFileSync } from 'node:fs'
import { changelogSection, obstacles, type Readiness } from '../../scripts/release/readiness.js'

const changelog =
  '# Changelog\n\n## [Unreleased]\n\nSomething.\n\n## [1.2.0] - 2026-01-02\n\n### Added\n\n- This.\n\n## [1.1.0]\n\n- That.\n'
const ready: Readiness = {
  version: '1.2.0',
  changelog,
  changes: '',
  tags: ['v1.2.0'],
  packageJson: { repository: 'somewhere' },
}

test('the section of a version', () => {
  expect(changelogSection(changelog, '1.2.0')).toEqual({ date: '2026-01-02', text: '### Added\n\n- This.' })
  expect(changelogSection(changelog, '1.1.0')).toEqual({ date: undefined, text: '- That.' })
  expect(changelogSection(changelog, '1.2')).toBeUndefined()
  expect(changelogSection(changelog, '1x2.0')).toBeUndefined()
})

test('nothing stands in the way of a release that is ready', () => {
  expect(obstacles(ready)).toEqual([])
})

test.each<[Partial<Readiness>, string]>([
  [{ changes: ' M lib/index.ts\n' }, 'not committed'],
  [{ version: '2.0.0', tags: ['v2.0.0'] }, 'CHANGELOG.md has no section ## [2.0.0]'],
  [{ version: '1.1.0', tags: ['v1.1.0'] }, 'of which day'],
  [{ changelog: '## [1.2.0] - 2026-01-02\n\n## [1.1.0]\n' }, 'says nothing of 1.2.0'],
  [{ tags: ['v1.1.0'] }, 'not tagged v1.2.0'],
  [{ packageJson: {} }, 'names no repository'],
  [{ packageJson: { repository: 'x', private: true } }, 'private'],
])('%j stands in the way', (change, words) => {
  const found = obstacles({ ...ready, ...change })
  expect(found).toHaveLength(1)
  expect(found[0]).toContain(words)
})

test('workflows call scripts that there are', () => {
  const { scripts } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    scripts: Record<string, string>
  }
  const folder = new URL('../../.github/workflows/', import.meta.url)
  const called = readdirSync(folder).flatMap(name =>
    [...readFileSync(new URL(name, folder), 'utf8').matchAll(/npm run ([\w:]+)/g)].map(match => match[1] as string),
  )
  expect(called.length).toBeGreaterThan(2)
  for (const name of called) expect(Object.keys(scripts)).toContain(name)
})
