import { spawn } from 'node:child_process'
import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import path from 'node:path'
import { type LlamaLibraries, locateLibraries } from '../../../lib/backend/locate.js'
import { StreamingLLMError } from '../../../lib/errors.js'
import { madeOnce } from '../../../lib/hub/made-once.js'
import { userCacheFolder } from '../../../lib/util/user-cache.js'

/** The release whose llama.cpp is the very one that this package runs on. */
export const nodeLlamaCppVersion = '3.21.1'

const folder = path.join(userCacheFolder('bench'), `node-llama-cpp-${nodeLlamaCppVersion}`)
const packageFolder = path.join(folder, 'node_modules', 'node-llama-cpp')

/**
 * The folder of the package node-llama-cpp, installed by npm into the user's cache at the first time: it is no
 * dependency of ours, not even for development, since only the benchmark needs it.
 *
 * @throws {StreamingLLMError} DOWNLOAD_FAILED when npm cannot install it
 */
export async function installNodeLlamaCpp(say: (line: string) => void = line => console.error(line)): Promise<string> {
  await madeOnce(folder, async unfinished => {
    say(`Installing node-llama-cpp ${nodeLlamaCppVersion}`)
    await mkdir(unfinished)
    await npmInstall(unfinished, [
      `node-llama-cpp@${nodeLlamaCppVersion}`,
      `${binariesPackage()}@${nodeLlamaCppVersion}`,
    ])
  })
  return packageFolder
}

/** llama.cpp's libraries as node-llama-cpp loads them: files of the same package and release as our own. */
export function librariesOfNodeLlamaCpp(): LlamaLibraries {
  const { resolve } = createRequire(path.join(packageFolder, 'package.json'))
  return locateLibraries({ platform: process.platform, arch: process.arch, musl: () => false, resolve })
}

/** The one for this machine, after what our own package found here. */
function binariesPackage(): string {
  return `@node-llama-cpp/${path.basename(locateLibraries().backendDirectory)}`
}

async function npmInstall(target: string, packages: string[]): Promise<void> {
  // Its install script would look for a GPU and build for it, and the optional packages are those of all machines.
  const args = [
    'install',
    '--prefix',
    target,
    '--no-save',
    '--ignore-scripts',
    '--omit=optional',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    ...packages,
  ]
  const own = process.env['npm_execpath']
  const [command, all] = own && path.basename(own) === 'npm-cli.js' ? [process.execPath, [own, ...args]] : ['npm', args]
  let errors = ''
  const code = await new Promise<number | null>((resolve, reject) => {
    const child = spawn(command, all, {
      cwd: target,
      stdio: ['ignore', 'ignore', 'pipe'],
      shell: process.platform === 'win32' && command === 'npm',
    })
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-4_000)
    })
    child.on('error', cause => reject(failure(cause.message, cause)))
    child.on('close', resolve)
  })
  if (code !== 0) throw failure(errors.trim() || `it ended with ${code}`)
}

function failure(reason: string, cause?: unknown): StreamingLLMError {
  return new StreamingLLMError(
    'DOWNLOAD_FAILED',
    `npm could not install node-llama-cpp ${nodeLlamaCppVersion}, to compare with: ${reason}\n` +
      "Try again where npm's registry can be reached (npm ping), or leave node-llama-cpp out of the comparison.",
    { cause },
  )
}
