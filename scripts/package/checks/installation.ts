import { spawnSync } from 'node:child_process'
import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import { median } from '../../../research/report/statistics.js'
import { type Check, onLinuxX64 } from '../check.js'
import { firstTypeScript, withModel } from '../readme.js'
import { toolFolder } from '../tools.js'

const limits = { megabytes: 60, packages: 12, importMs: 60 }

export const installation: Check[] = [
  {
    name: 'readme',
    title: "the README's first program prints a reply, run by tsx",
    run: async context => {
      const project = await context.installed()
      await project.write('chat.mts', withModel(firstTypeScript(context.readme), context.model))
      const output = await project.node(
        '--import',
        `file://${path.join(await toolFolder('tsx'), 'dist', 'loader.mjs')}`,
        'chat.mts',
      )
      if (!/\w{3,} \w{2,}/.test(output) || !/completionTokens/.test(output))
        throw new Error(`A reply and its usage were expected; it printed:\n${output}`)
    },
  },
  {
    name: 'run',
    title: 'npx streaming-llm run prints a reply and nothing else',
    run: async context => {
      const project = await context.installed()
      const output = await project.npx(
        'streaming-llm',
        'run',
        '--model',
        context.model,
        '--prompt',
        'Why is the sky blue?',
        '--max-tokens',
        '30',
      )
      if (!/\w{3,} \w{2,}/.test(output) || output.includes('{'))
        throw new Error(`A reply was expected; it printed:\n${output}`)
      return output.trim().slice(0, 60)
    },
  },
  {
    name: 'size',
    title: `node_modules is under ${limits.megabytes} MB`,
    unavailable: onLinuxX64,
    run: async context => {
      const project = await context.installed()
      const kilobytes = Number(
        spawnSync('du', ['-sk', project.path('node_modules')], { encoding: 'utf8' }).stdout.split('\t')[0],
      )
      const megabytes = (kilobytes * 1024) / 1e6
      if (!(megabytes < limits.megabytes)) throw new Error(`It is ${megabytes.toFixed(1)} MB.`)
      return `${megabytes.toFixed(1)} MB (du -sh: ${(kilobytes / 1024).toFixed(1)}M)`
    },
  },
  {
    name: 'packages',
    title: `fewer than ${limits.packages} packages besides llama.cpp's libraries`,
    run: async context => {
      const packages = packagesIn((await context.installed()).path('node_modules')).filter(
        name => !name.startsWith('@node-llama-cpp/'),
      )
      if (packages.length >= limits.packages) throw new Error(`They are ${packages.length}: ${packages.join(', ')}`)
      return `${packages.length}: ${packages.join(', ')}`
    },
  },
  {
    name: 'import',
    title: `importing takes less than ${limits.importMs} ms`,
    run: async context => {
      const project = await context.installed()
      await project.write('empty.mjs', '')
      await project.write('import.mjs', "import 'streaming-llm'")
      const [without, with_]: [number[], number[]] = [[], []]
      for (let i = 0; i < 21; i++) {
        for (const [file, times] of [
          ['empty.mjs', without],
          ['import.mjs', with_],
        ] as const) {
          const began = performance.now()
          await project.node(file)
          if (i > 0) times.push(performance.now() - began) // the first reads the disk
        }
      }
      const took = median(with_) - median(without)
      if (!(took < limits.importMs))
        throw new Error(`It takes ${took.toFixed(0)} ms (median of 20, less an empty Node).`)
      return `${took.toFixed(0)} ms, the median of 20 processes less that of 20 empty ones`
    },
  },
]

function packagesIn(modules: string): string[] {
  return readdirSync(modules)
    .filter(name => !name.startsWith('.'))
    .flatMap(name => {
      if (!statSync(path.join(modules, name)).isDirectory()) return []
      return name.startsWith('@') ? readdirSync(path.join(modules, name)).map(each => `${name}/${each}`) : [name]
    })
}
