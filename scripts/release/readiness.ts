/** What a release depends on, besides that its checks pass. */
export interface Readiness {
  version: string
  changelog: string
  /** What `git status --porcelain` says. */
  changes: string
  /** Tags of this commit. */
  tags: string[]
  packageJson: { repository?: unknown; private?: boolean }
}

/** The section of a changelog for a version, without its heading; undefined where there is none. */
export function changelogSection(
  changelog: string,
  version: string,
): { date: string | undefined; text: string } | undefined {
  const lines = changelog.split('\n')
  const heading = new RegExp(`^## \\[${version.replaceAll('.', '\\.')}\\](?: - (\\d{4}-\\d{2}-\\d{2}))?\\s*$`)
  const at = lines.findIndex(line => heading.test(line))
  if (at < 0) return undefined
  const end = lines.findIndex((line, i) => i > at && line.startsWith('## '))
  return {
    date: heading.exec(lines[at] as string)?.[1],
    text: lines
      .slice(at + 1, end < 0 ? undefined : end)
      .join('\n')
      .trim(),
  }
}

/** What stands in the way of a release, a line each. */
export function obstacles({ version, changelog, changes, tags, packageJson }: Readiness): string[] {
  const found: string[] = []
  if (changes.trim() !== '') found.push('there are changes that are not committed')
  const section = changelogSection(changelog, version)
  if (section === undefined) found.push(`CHANGELOG.md has no section ## [${version}] - DATE`)
  else {
    if (section.date === undefined) found.push(`CHANGELOG.md does not say of which day ${version} is`)
    if (section.text === '') found.push(`CHANGELOG.md says nothing of ${version}`)
  }
  if (!tags.includes(`v${version}`)) found.push(`this commit is not tagged v${version}`)
  // npm's provenance compares it with where the package was built.
  if (packageJson.repository === undefined) found.push('package.json names no repository')
  if (packageJson.private) found.push('package.json says that the package is private')
  return found
}
