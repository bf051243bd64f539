import { existsSync } from 'node:fs'
import { cp, rm } from 'node:fs/promises'
import path from 'node:path'
import { outsideArchive } from '../../../lib/backend/asar.js'
import { type Check, onLinuxX64 } from '../check.js'
import { muslNode, toolFolder } from '../tools.js'

const isRoot = process.getuid?.() === 0
const needsRoot =
  onLinuxX64 ?? (isRoot ? undefined : 'it takes root to separate a process from the disk or the network')

const asarScript = (asar: string): string => `
import path from 'node:path'
import { pathToFileURL } from 'node:url'
const { createPackageWithOptions } = await import(pathToFileURL(${JSON.stringify(asar)}))
await createPackageWithOptions('application', 'app.asar', { unpack: '**/*.{node,so,dylib,dll}' })
console.log(path.resolve('app.asar/node_modules/streaming-llm/prebuilds', process.platform + '-' + process.arch, 'streaming_llm.node'))
`

export const places: Check[] = [
  {
    name: 'read-only',
    title: 'node_modules that cannot be written to',
    unavailable: needsRoot,
    run: async context => {
      const project = await context.installed()
      const script =
        'mount --bind node_modules node_modules && mount -o remount,ro,bind node_modules && ! touch node_modules/x 2>/dev/null && exec "$0" smoke.mjs "$1"'
      context.expectTokens(
        await project.run('/usr/bin/unshare', ['--mount', '/bin/sh', '-c', script, process.execPath, context.model], {
          PATH: '/usr/bin:/bin',
        }),
      )
    },
  },
  {
    name: 'offline',
    title: 'without a network or a cache, once installed',
    unavailable: needsRoot,
    run: async context => {
      await using project = await context.newProject('offline', created =>
        created.npm('install', context.tarball).then(() => undefined),
      )
      await rm(project.environment['npm_config_cache'] as string, { recursive: true, force: true })
      context.expectTokens(
        await project.run('/usr/bin/unshare', ['--net', process.execPath, 'smoke.mjs', context.model]),
      )
    },
  },
  {
    name: 'alpine',
    title: 'on musl (Alpine) the error says what there is not, and what to do',
    unavailable: onLinuxX64,
    run: async context => {
      const project = await context.installed()
      const [program, ...args] = await muslNode()
      const { code, stderr } = await project.try(program, [...args, 'smoke.mjs', context.model])
      if (code === 0 || !/musl \(Alpine\)/.test(stderr) || !/npx streaming-llm build/.test(stderr))
        throw new Error(`It ended with ${code}:\n${stderr}`)
      return /There are no.*?(?= Build)/.exec(stderr)?.[0]
    },
  },
  {
    name: 'asar',
    title: "packed as Electron's packagers do it, the addon is found beside the archive",
    run: async context => {
      await using project = await context.newProject('asar', created =>
        created.npm('install', context.tarball).then(() => undefined),
      )
      await cp(project.path('node_modules'), project.path('application', 'node_modules'), {
        recursive: true,
        filter: source => path.basename(source) !== '.bin',
      })
      await project.write('pack.mjs', asarScript(path.join(await toolFolder('asar'), 'lib', 'asar.js')))
      // The package does not export this function.
      const found = outsideArchive((await project.node('pack.mjs')).trim())
      if (!found.includes('app.asar.unpacked') || !existsSync(found)) throw new Error(`It was looked for at ${found}`)
      context.expectTokens(
        await project.node(
          '--input-type=module',
          '-e',
          `process.dlopen({ exports: {} }, ${JSON.stringify(found)}); console.log('tokens: 8')`,
        ),
      )
    },
  },
]
