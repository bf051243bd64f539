import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/**
 * English that every clone has, for where no book can be had: what the installed packages say about themselves in
 * their Markdown files, in the order of their paths, without code, tables and lists of links. package-lock.json pins
 * it; optional packages, which differ from machine to machine, are left out.
 */
export async function packageProse(modules: string): Promise<string> {
  const lock = JSON.parse(await readFile(join(modules, '.package-lock.json'), 'utf8')) as {
    packages: Record<string, { optional?: boolean }>
  }
  const optional = Object.entries(lock.packages)
    .filter(([, entry]) => entry.optional)
    .map(([name]) => `${name.replace(/^node_modules\//, '')}/`)
  const files = (await readdir(modules, { recursive: true }))
    .map(name => name.replaceAll('\\', '/'))
    .filter(name => /\.(md|markdown)$/i.test(name) && !optional.some(folder => name.startsWith(folder)))
    .sort()
  const texts: string[] = []
  const seen = new Set<string>() // a package that is installed in several places is read once
  for (const file of files) {
    const prose = proseOf(await readFile(join(modules, file), 'utf8'))
    if (prose.length < 400 || seen.has(prose)) continue
    seen.add(prose)
    texts.push(prose)
  }
  return texts.join('\n\n')
}

/** The paragraphs of a Markdown file that read as sentences. */
export function proseOf(markdown: string): string {
  const withoutCode = markdown
    .replaceAll('\r\n', '\n')
    .replace(/^\s*(```|~~~)[\s\S]*?^\s*\1[^\n]*$/gm, '')
    .replace(/<!--[\s\S]*?-->/g, '')
  return withoutCode
    .split(/\n\s*\n/)
    .map(paragraph =>
      paragraph
        .replace(/!\[[^\]]*\]\([^)]*\)/g, '')
        .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
        .replace(/<[^>]+>/g, '')
        .trim(),
    )
    .filter(
      paragraph => paragraph.length > 80 && !/^(\s{4}|\||\[|>|#)/.test(paragraph) && /[.!?:]["')]?$/.test(paragraph),
    )
    .filter(paragraph => (paragraph.match(/[A-Za-z ,.]/g)?.length ?? 0) > 0.9 * paragraph.length)
    .join('\n\n')
}
