// Checks what npm run prebuild made: npm run prebuild:check [-- --only linux-x64] [--model FILE] [--exception-model
// FILE]
//
// Each addon is inspected by llvm's tools. Those that this machine can run, itself or by an emulator, load the package
// as npm lays it down, generate tokens, and are made to throw inside llama.cpp.

import { cp, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { Command } from 'commander'
import { reportFailure } from '../../lib/cli/failure.js'
import { tinyModel } from '../../test/tools/tiny-models.js'
import { buildDist } from '../package/build-dist.js'
import { prebuiltFile, root, symbolsOfNodeApi } from './compile.js'
import { librariesFor, runnerFor } from './emulators.js'
import { addonFacts, faults } from './inspect.js'
import { parseTargets, type TargetName, targetNames } from './targets.js'

// `exception`: with this model, llama.cpp's tokenizer throws std::out_of_range at a dash and a line feed.
const program = `
import { loadModel } from './node_modules/streaming-llm/dist/js/index.js'
const [model, exception] = process.argv.slice(2)
{
  await using loaded = await open(model)
  let tokens = 0
  for await (const event of loaded.stream('Once upon a time', { maxTokens: 20, temperature: 0 })) if (event.type === 'finish') tokens = event.usage.completionTokens
  console.log('tokens', tokens)
}
const loaded = await open(exception)
try {
  loaded.tokenize('\\u2014\\n')
  console.log('nothing was thrown')
} catch (error) {
  console.log('thrown', error.code, error.message)
}
console.log('alive', loaded.tokenize('He').length > 0)
await loaded.close()

async function open(file) {
  const loaded = await loadModel(file, { threads: 1 })
  return Object.assign(loaded, { [Symbol.asyncDispose]: () => loaded.close() })
}
`.replaceAll('await using loaded', 'const loaded') // Node 20 and 22 have no such declaration

interface Models {
  model: string
  exception: string
}

async function check(name: TargetName, models: Models): Promise<string> {
  const file = prebuiltFile(name)
  const found = faults(name, await addonFacts(file), symbolsOfNodeApi())
  if (found.length > 0) throw new Error(`${file}:\n${found.map(line => `  - ${line}`).join('\n')}`)
  const runner = await runnerFor(name)
  if (runner === undefined) return 'inspected, not run'
  const folder = await mkdtemp(path.join(os.tmpdir(), `prebuilt ${name} `))
  try {
    await layDownPackage(folder, name)
    await writeFile(path.join(folder, 'program.mjs'), program)
    const output = await runner.run(folder, [path.join(folder, 'program.mjs'), models.model, models.exception])
    for (const line of [/^tokens [1-9]/m, /^thrown TOKENIZE_FAILED /m, /^alive true/m]) {
      if (!line.test(output)) throw new Error(`${name} did not do what it should (${line}):\n${output}`)
    }
    return `${runner.how}: ${/^tokens .*/m.exec(output)?.[0]}; ${/^thrown .*/m.exec(output)?.[0]}`
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/**
 * As npm would on that platform: the package without addons for others, what it depends on, the platform's libraries.
 */
async function layDownPackage(folder: string, name: TargetName): Promise<void> {
  const modules = path.join(folder, 'node_modules')
  const own = path.join(modules, 'streaming-llm')
  await mkdir(own, { recursive: true })
  await buildDist(path.join(own, 'dist'))
  await cp(path.join(root, 'package.json'), path.join(own, 'package.json'))
  await cp(prebuiltFile(name), path.join(own, path.relative(root, prebuiltFile(name))))
  for (const each of await dependencies())
    await cp(path.join(root, 'node_modules', each), path.join(modules, each), { recursive: true, dereference: true })
  const libraries = await librariesFor(name)
  await cp(libraries.folder, path.join(modules, libraries.packageName), { recursive: true })
}

async function dependencies(): Promise<string[]> {
  const { packages } = JSON.parse(await readFile(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, { dependencies?: Record<string, string> }>
  }
  const found = new Set<string>()
  const visit = (key: string): void => {
    for (const each of Object.keys(packages[key]?.dependencies ?? {})) {
      if (found.has(each)) continue
      found.add(each)
      visit(`node_modules/${each}`)
    }
  }
  visit('')
  return [...found]
}

const command = new Command('prebuild:check')
  .description('Inspects the prebuilt addons, and runs those that this machine can run or emulate.')
  .option('--only <targets>', `some of ${targetNames.join(',')}`, (text: string) => parseTargets(text.split(',')))
  .option('--model <file>', 'a GGUF file to generate with', tinyModel('llama'))
  .option(
    '--exception-model <file>',
    'one whose vocabulary cannot express a dash and a line feed',
    tinyModel('llama', { vocabulary: 'incomplete' }),
  )
  .action(
    async ({
      only = [...targetNames],
      model,
      exceptionModel,
    }: {
      only?: TargetName[]
      model: string
      exceptionModel: string
    }) => {
      const models = { model: path.resolve(model), exception: path.resolve(exceptionModel) }
      let failed = 0
      for (const name of only) {
        const size = await stat(prebuiltFile(name)).then(
          ({ size }) => `${(size / 1e3).toFixed(0)} kB`,
          () => 'none',
        )
        const outcome = await check(name, models).catch((error: Error) => {
          failed++
          return `FAILED: ${error.message}`
        })
        console.log(`${name.padEnd(12)}  ${size.padStart(7)}  ${outcome}`)
      }
      if (failed > 0) throw new Error(`${failed} of ${only.length} addons are not as they should be.`)
    },
  )

command.parseAsync().catch(reportFailure)
