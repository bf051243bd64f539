// The package as its users use it: packs it, installs the tarball in empty projects, and tries it in every way that it
// is said to work. npm run test:package [-- --list] [--only readme,bun] [--tarball FILE] [--report FILE]

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { reportFailure } from '../../lib/cli/failure.js'
import { fetchDefaultModel } from '../default-model.js'
import { root } from '../prebuild/compile.js'
import { run } from '../prebuild/tools.js'
import { type Check, Context } from './check.js'
import { bundlers } from './checks/bundlers.js'
import { installation } from './checks/installation.js'
import { managers } from './checks/managers.js'
import { places } from './checks/places.js'
import { runtimes } from './checks/runtimes.js'
import { types } from './checks/types.js'
import { npmCli } from './project.js'

const checks: Check[] = [...installation, ...runtimes, ...types, ...managers, ...bundlers, ...places]

interface Flags {
  list?: boolean
  only?: string[]
  tarball?: string
  report?: string
}

async function testPackage({ list, only, tarball, report }: Flags): Promise<void> {
  if (list) {
    for (const { name, title, unavailable } of checks)
      console.log(`${name.padEnd(20)} ${title}${unavailable === undefined ? '' : ` (not here: ${unavailable})`}`)
    return
  }
  const chosen = checks.filter(({ name }) => only === undefined || only.includes(name))
  const workshop = await mkdtemp(path.join(os.tmpdir(), 'streaming-llm-pack-'))
  const context = new Context(
    tarball === undefined ? await pack(workshop) : path.resolve(tarball),
    await fetchDefaultModel(),
    await readFile(path.join(root, 'README.md'), 'utf8'),
  )
  const lines: string[] = []
  let failed = 0
  try {
    for (const { name, title, unavailable, run } of chosen) {
      const began = performance.now()
      const outcome =
        unavailable === undefined
          ? await run(context).then(
              found => `ok${found ? `: ${found}` : ''}`,
              (error: Error) => {
                failed++
                return `FAILED: ${error.message}`
              },
            )
          : `not here: ${unavailable}`
      lines.push(`${name.padEnd(20)} ${title}: ${outcome}`)
      console.log(`${lines.at(-1)}  [${((performance.now() - began) / 1000).toFixed(1)} s]`)
    }
  } finally {
    await context.close()
    await rm(workshop, { recursive: true, force: true })
  }
  if (report !== undefined) await writeFile(report, `${lines.join('\n')}\n`)
  if (failed > 0) throw new Error(`${failed} of ${chosen.length} checks failed.`)
}

async function pack(folder: string): Promise<string> {
  console.error('Packing')
  await run(process.execPath, [npmCli('npm'), 'pack', '--pack-destination', folder], { cwd: root })
  return path.join(folder, (await readdir(folder))[0] as string)
}

function parseNames(text: string): string[] {
  const names = text.split(',')
  for (const name of names)
    if (!checks.some(check => check.name === name)) throw new Error(`There is no check ${name}; --list names them.`)
  return names
}

const command = new Command('test:package')
  .description('Packs the package, installs it in empty projects, and tries it in every way that it is said to work.')
  .option('--list', 'name the checks')
  .option('--only <names>', 'some of them', parseNames)
  .option('--tarball <file>', 'a package that has been packed, instead of packing this one')
  .option('--report <file>', 'write the outcomes to this file, too')
  .action(testPackage)

command.parseAsync().catch(reportFailure)
