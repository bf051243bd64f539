// Makes a release, or all of it but the publishing: npm run release [-- --publish] [--tarball FILE]
//
// The addons for all platforms, checked; the package, packed and tried as its users use it; and, with --publish, in CI
// alone, given to npm with provenance. What would stand in the way of publishing is told, and stops nothing else.

import { spawn } from 'node:child_process'
import { copyFile, mkdir, readdir, readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { Command } from 'commander'
import { reportFailure } from '../../lib/cli/failure.js'
import { npmCli } from '../package/project.js'
import { root } from '../prebuild/compile.js'
import { run } from '../prebuild/tools.js'
import { obstacles, type Readiness } from './readiness.js'

interface Flags {
  publish?: boolean
  tarball?: string
}

async function release({ publish = false, tarball }: Flags): Promise<void> {
  const found = obstacles(await readiness())
  if (found.length > 0) console.error(`Before this can be published:\n${found.map(line => `- ${line}`).join('\n')}`)
  if (publish && found.length > 0) throw new Error('It is not published.')
  if (publish && !process.env['CI'])
    throw new Error('Publishing is done in CI, which vouches for where the package was built.')
  const file = tarball === undefined ? await makePackage() : path.resolve(tarball)
  if (publish) await step('Publishing', 'publish', file, '--provenance', '--access', 'public')
  else console.error(`\nReady: ${path.relative(process.cwd(), file)}`)
}

async function makePackage(): Promise<string> {
  await step('Compiling the addons', 'run', 'prebuild')
  await step('Checking the addons', 'run', 'prebuild:check')
  const folder = path.join(root, 'build', 'release')
  await rm(folder, { recursive: true, force: true })
  await mkdir(folder, { recursive: true })
  await step('Packing', 'pack', '--pack-destination', folder)
  const packed = path.join(folder, (await readdir(folder))[0] as string)
  await step('Trying the package', 'run', 'test:package', '--', '--tarball', packed)
  const file = path.join(root, 'build', path.basename(packed))
  await copyFile(packed, file)
  return file
}

async function readiness(): Promise<Readiness> {
  const packageJson = JSON.parse(
    await readFile(path.join(root, 'package.json'), 'utf8'),
  ) as Readiness['packageJson'] & { version: string }
  const git = async (...args: string[]): Promise<string> => await run('git', args, { cwd: root })
  return {
    version: packageJson.version,
    changelog: await readFile(path.join(root, 'CHANGELOG.md'), 'utf8'),
    changes: await git('status', '--porcelain'),
    tags: (await git('tag', '--points-at', 'HEAD')).split('\n').filter(Boolean),
    packageJson,
  }
}

async function step(title: string, ...args: string[]): Promise<void> {
  console.error(`\n== ${title}`)
  const child = spawn(process.execPath, [npmCli('npm'), ...args], { cwd: root, stdio: 'inherit' })
  const how = await new Promise<number | string | null>((resolve, reject) =>
    child.on('error', reject).on('close', (code, signal) => resolve(signal ?? code)),
  )
  if (how !== 0) throw new Error(`npm ${args.slice(0, 2).join(' ')} ended with ${how}.`)
}

const command = new Command('release')
  .description('Compiles the addons, checks them, packs the package and tries it; with --publish gives it to npm.')
  .option('--publish', 'publish it, with provenance; in CI alone')
  .option('--tarball <file>', 'a package that has been made and tried, to be published')
  .action(release)

command.parseAsync().catch(reportFailure)
