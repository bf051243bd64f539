import path from 'node:path'
import type { Check } from '../check.js'
import { toolFolder } from '../tools.js'

const server = `
import { createServer } from 'node:http'
import { generate } from './smoke.mjs'
const server = createServer(async (request, response) => response.end('tokens: ' + await generate(process.argv[2])))
server.listen(0, async () => {
  console.log(await (await fetch('http://127.0.0.1:' + server.address().port)).text())
  server.close()
})
`

const webpackScript = (webpack: string, type: 'module' | 'commonjs'): string => `
import { createRequire } from 'node:module'
const webpack = createRequire(import.meta.url)(${JSON.stringify(webpack)})
webpack({
  mode: 'production', target: 'node20', entry: './server.mjs', context: process.cwd(),
  ${type === 'module' ? 'experiments: { outputModule: true },' : ''}
  output: { path: process.cwd() + '/bundle', filename: 'webpack.${type === 'module' ? 'mjs' : 'cjs'}', ${type === 'module' ? 'module: true' : ''} },
  externals: { 'streaming-llm': '${type} streaming-llm' },
}, (error, stats) => {
  if (error || stats.hasErrors()) { console.error(error ?? stats.toString()); process.exit(1) }
})
`

export const bundlers: Check[] = [
  ...(['esm', 'cjs'] as const).map(
    (format): Check => ({
      name: `esbuild-${format}`,
      title: `a server bundled by esbuild (${format}), the package external`,
      run: async context => {
        const project = await context.installed()
        await project.write('server.mjs', server)
        const bundle = `bundle/esbuild.${format === 'esm' ? 'mjs' : 'cjs'}`
        await project.node(
          path.join(await toolFolder('esbuild'), 'bin', 'esbuild'),
          'server.mjs',
          '--bundle',
          '--platform=node',
          `--format=${format}`,
          '--external:streaming-llm',
          `--outfile=${bundle}`,
        )
        context.expectTokens(await project.node(bundle, context.model))
      },
    }),
  ),
  ...(['module', 'commonjs'] as const).map(
    (type): Check => ({
      name: `webpack-${type}`,
      title: `a server bundled by webpack (${type}), the package external`,
      run: async context => {
        const project = await context.installed()
        await project.write('server.mjs', server)
        await project.write(`webpack-${type}.mjs`, webpackScript(await toolFolder('webpack'), type))
        await project.node(`webpack-${type}.mjs`)
        context.expectTokens(await project.node(`bundle/webpack.${type === 'module' ? 'mjs' : 'cjs'}`, context.model))
      },
    }),
  ),
]
