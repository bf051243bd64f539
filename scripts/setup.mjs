// What a fresh clone lacks: dependencies, the addon, the default model. Each step is quick when there is nothing to do.
// Plain JavaScript, since it must run before there are any dependencies.

import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import module, { createRequire } from 'node:module'
import path from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')

/** Set-up failed for a reason that the message tells in full. */
export class SetupError extends Error {}

const modules = path.join(root, 'node_modules')
const stampFile = path.join(modules, '.streaming-llm-setup')

/** Installs the dependencies when there are none, or when package-lock.json is another than at the last time. */
export async function dependencies(say) {
  const lock = readFileSync(path.join(root, 'package-lock.json'))
  const stamp = createHash('sha256').update(lock).digest('hex')
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  if (!isInstalled(JSON.parse(lock.toString()))) {
    say('Installing dependencies')
    // `ci` wants an empty place and makes one; where there is an older installation, `install` changes what differs.
    // Nothing here needs install scripts, and the addon is built by the next step.
    const command = existsSync(modules) ? ['install', '--no-save'] : ['ci']
    const flags = [
      '--ignore-scripts',
      '--include=dev',
      '--include=optional',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
    ]
    const { code } = await npm([...command, ...flags])
    if (code !== 0)
      throw new SetupError(`The dependencies could not be installed (npm ${command[0]} ended with ${code}).`)
  }
  writeFileSync(stampFile, stamp)
}

/** True when node_modules has every package of the lock file in its version, optional ones of other platforms apart. */
function isInstalled(lock) {
  try {
    const { packages } = JSON.parse(readFileSync(path.join(modules, '.package-lock.json'), 'utf8'))
    return Object.entries(lock.packages).every(
      ([name, { version, optional }]) =>
        name === '' || (packages[name] === undefined ? optional === true : packages[name].version === version),
    )
  } catch {
    return false
  }
}

/** Builds the addon when its sources changed. */
export async function addon(say) {
  const { buildNative } = await import('./build-native.mjs')
  try {
    await buildNative({ say })
  } catch (error) {
    throw new SetupError(error.message)
  }
}

/** The path of the default model, fetched where it is not on this machine yet. */
export async function defaultModel() {
  const script = path.join(root, 'scripts', 'fetch-default-model.ts')
  const { code, signal, output } = await spawned(
    process.execPath,
    [...typescript(), script],
    ['ignore', 'pipe', 'inherit'],
  )
  if (code === 0) return output
  throw new SetupError(
    signal ? `Fetching the default model was ended by ${signal}.` : 'There is no model to work with.',
  )
}

/** The arguments for Node that make it run TypeScript. */
export function typescript() {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
  return [module.register ? '--import' : '--loader', tsx] // Node before 20.6 knows the latter only
}

function npm(args) {
  // The npm that runs this script, if one does.
  const own = process.env.npm_execpath
  const stdio = ['ignore', 2, 2]
  if (own && path.basename(own) === 'npm-cli.js') return spawned(process.execPath, [own, ...args], stdio)
  return spawned('npm', args, stdio, { shell: process.platform === 'win32' })
}

function spawned(command, args, stdio, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: root, stdio, ...options })
    let output = ''
    child.stdout?.setEncoding('utf8').on('data', text => {
      output += text
    })
    child.on('error', error => reject(new SetupError(`${command} could not be started: ${error.message}`)))
    child.on('close', (code, signal) => resolve({ code, signal, output: output.trim() }))
  })
}
