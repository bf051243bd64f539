// Writes docs/api.md, the reference of the public names, from their types and comments.
//
//   npm run docs:api               writes it
//   npm run docs:api -- --check    only says whether it is as it would be written

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Application, type TypeDocOptions } from 'typedoc'

const root = fileURLToPath(new URL('..', import.meta.url))
const page = path.join(root, 'docs', 'api.md')

// The second are the plugin's own.
const options: Partial<TypeDocOptions> & Record<string, unknown> = {
  name: 'API reference',
  entryPoints: [path.join(root, 'lib', 'index.ts')],
  tsconfig: path.join(root, 'tsconfig.build.json'),
  plugin: ['typedoc-plugin-markdown'],
  readme: 'none',
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  excludeExternals: true,
  logLevel: 'Warn',
  sort: ['kind', 'alphabetical'],
  outputFileStrategy: 'modules',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  parametersFormat: 'table',
  interfacePropertiesFormat: 'table',
  typeAliasPropertiesFormat: 'table',
  enumMembersFormat: 'table',
}

async function reference(): Promise<string> {
  const out = mkdtempSync(path.join(os.tmpdir(), 'streaming-llm-api-'))
  try {
    const app = await Application.bootstrapWithPlugins({ ...options, out } as Partial<TypeDocOptions>)
    const project = await app.convert()
    if (project === undefined) throw new Error('the types could not be read')
    await app.generateOutputs(project)
    if (app.logger.hasErrors() || app.logger.hasWarnings()) throw new Error('the reference has gaps; see above')
    const text = readFileSync(path.join(out, 'README.md'), 'utf8')
    return withoutNumbers(text).replace(
      '# API reference\n',
      '# API reference\n\nMade from the types by `npm run docs:api`. The [README](../README.md) has the API on one page.\n',
    )
  } finally {
    rmSync(out, { recursive: true, force: true })
  }
}

/** The plugin numbers the second of two names that differ by a table's row alone, which has no anchor on this page. */
function withoutNumbers(text: string): string {
  const headings = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replaceAll(/[^\w -]/g, '')
      .replaceAll(' ', '-'),
  )
  return text.replaceAll(/\(#([\w-]+)-(\d+)\)/g, (link, name: string, number: string) => {
    const same = headings.filter(heading => heading === name).length
    return same > 0 && same <= Number(number) ? `(#${name})` : link
  })
}

const text = await reference()
if (!process.argv.includes('--check')) writeFileSync(page, text)
else if (readFileSync(page, 'utf8') !== text) {
  console.error('docs/api.md is not what the types say: run npm run docs:api')
  process.exitCode = 1
}
