import path from 'node:path'
import { type Check, onLinuxX64 } from '../check.js'
import { type ToolName, toolFolder } from '../tools.js'

const required = `
const { loadModel } = require('streaming-llm')
if (typeof loadModel !== 'function') throw new Error('It is no function.')
import('./smoke.mjs').then(({ generate }) => generate(process.argv[2])).then(tokens => console.log('tokens: ' + tokens))
`

const workers = `
import { Worker, isMainThread, workerData, parentPort } from 'node:worker_threads'
import { generate } from './smoke.mjs'
if (isMainThread) {
  const model = process.argv[2]
  const counts = await Promise.all([generate(model), ...[1, 2, 3].map(() => new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url), { workerData: model }).on('message', resolve).on('error', reject)
  }))])
  if (counts.join() !== '8,8,8,8') throw new Error('They generated ' + counts)
  console.log('tokens: 8')
} else parentPort.postMessage(await generate(workerData))
`

function nodeChecks(version: string, tool: ToolName): Check[] {
  const program = async (): Promise<string> => path.join(await toolFolder(tool), 'bin', 'node')
  return [
    {
      name: `node${version}`,
      title: `Node ${version}: import`,
      unavailable: onLinuxX64,
      run: async context => {
        const project = await context.installed()
        context.expectTokens(await project.run(await program(), ['smoke.mjs', context.model]))
        return (await project.run(await program(), ['--version'])).trim()
      },
    },
    {
      name: `node${version}-require`,
      title: `Node ${version}: require()`,
      unavailable: onLinuxX64,
      run: async context => {
        const project = await context.installed()
        await project.write('required.cjs', required)
        context.expectTokens(await project.run(await program(), ['required.cjs', context.model]))
      },
    },
  ]
}

export const runtimes: Check[] = [
  ...nodeChecks('20', 'node20'),
  ...nodeChecks('22', 'node22'),
  ...nodeChecks('24', 'node24'),
  {
    name: 'bun',
    title: 'Bun',
    unavailable: onLinuxX64,
    run: async context => {
      const project = await context.installed()
      context.expectTokens(
        await project.run(path.join(await toolFolder('bun'), 'bin', 'bun'), ['smoke.mjs', context.model]),
      )
    },
  },
  {
    name: 'deno',
    title: 'Deno with node_modules',
    unavailable: onLinuxX64,
    run: async context => {
      const project = await context.installed()
      context.expectTokens(
        await project.run(path.join(await toolFolder('deno'), 'deno'), [
          'run',
          '-A',
          '--node-modules-dir=manual',
          'smoke.mjs',
          context.model,
        ]),
      )
    },
  },
  {
    name: 'workers',
    title: 'three worker threads and the main one at once',
    run: async context => {
      const project = await context.installed()
      await project.write('workers.mjs', workers)
      context.expectTokens(await project.node('workers.mjs', context.model))
    },
  },
]
