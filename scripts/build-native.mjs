// Builds the addon, build/Release/streaming_llm.node, from native/ by node-gyp: seconds, no cmake. Does nothing when
// the sources are those of the last build. Plain JavaScript without dependencies but node-gyp and proper-lockfile,
// since it runs before anything else of this repository does.
//
// With --evaluation it builds the one of the evaluation scripts instead, in research/native/build, from a part of the
// same sources, and with --sanitized the addon under sanitizers for `npm run test:asan`, in test/asan/build; nothing
// does that but what needs it.
//
// Never `node-gyp rebuild`: it deletes build/ before it can fail, and a working addon would be gone with it.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { nativeFiles } from './native-sources.mjs'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..')
const logLinesShown = 40

/** What can be built: where binding.gyp is, and which sources it has. */
const packageAddon = addonIn(root, 'streaming_llm', () => nativeFiles('.cpp', '.h'))
const researchFolder = path.join(root, 'research', 'native')
const evaluationAddon = addonIn(researchFolder, 'streaming_llm_evaluation', () => [
  ...nativeFiles('.cpp', '.h'),
  ...ownFiles(researchFolder),
])
const sanitizedAddon = addonIn(path.join(root, 'test', 'asan'), 'streaming_llm', packageAddon.sources)

function addonIn(folder, name, sources) {
  const build = path.join(folder, 'build')
  return {
    folder,
    sources,
    output: path.join(build, 'Release', `${name}.node`),
    stampFile: path.join(build, '.streaming-llm-stamp.json'),
    logFile: path.join(build, 'streaming-llm-build.log'),
  }
}

/**
 * Makes sure that the addon is there and up to date; true when it had to be built.
 * `say` gets one line when a build starts; `verbose` shows the compiler's output as it comes.
 * @param {{ say?: (line: string) => void, verbose?: boolean, evaluation?: boolean, sanitized?: boolean }} [options]
 */
export async function buildNative({ say = () => {}, verbose = false, evaluation = false, sanitized = false } = {}) {
  const addon = evaluation ? evaluationAddon : sanitized ? sanitizedAddon : packageAddon
  if (isCurrent(addon, fingerprint(addon))) return false
  const release = await lock(path.dirname(addon.stampFile))
  try {
    const wanted = fingerprint(addon)
    if (isCurrent(addon, wanted)) return false // another process built it meanwhile
    say(`Building the native addon${evaluation ? ' of the evaluation scripts' : sanitized ? ' under sanitizers' : ''}`)
    await build(addon, wanted, verbose)
    return true
  } finally {
    await release()
  }
}

async function build(addon, wanted, verbose) {
  const require = createRequire(import.meta.url)
  const nodeGyp = require.resolve('node-gyp/bin/node-gyp.js')
  let log = ''
  const run = async (...args) => {
    const result = await nodeGypRun([nodeGyp, ...args, ...nodedirArguments()], addon.folder, verbose)
    log += result.log
    if (result.code !== 0) throw new Error(explain(addon, log, verbose ? 0 : logLinesShown))
  }
  // The list of sources is read when gyp configures, so a new file in native/ needs that once; after it `build`
  // compiles only what changed.
  const configured = ['build/Makefile', 'build/binding.sln'].some(name => existsSync(path.join(addon.folder, name)))
  if (!configured || readStamp(addon).configured !== wanted.configured) {
    await run('configure')
    writeFileSync(addon.stampFile, JSON.stringify({ configured: wanted.configured }))
  }
  await run('build', `--jobs=${os.availableParallelism()}`)
  if (!existsSync(addon.output))
    throw new Error(`The build ended well, but ${path.relative(root, addon.output)} is not there.`)
  writeFileSync(addon.stampFile, JSON.stringify(wanted))
}

function nodeGypRun(args, folder, verbose) {
  return new Promise((resolve, reject) => {
    const env = { ...process.env }
    // A nodedir of npm's configuration beats the flag, even when empty.
    for (const name in env) if (/^npm_(config|package_config_node_gyp)_nodedir$/i.test(name)) delete env[name]
    const child = spawn(process.execPath, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] })
    let log = ''
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding('utf8')
      stream.on('data', text => {
        log += text
        if (verbose) process.stderr.write(text)
      })
    }
    child.on('error', reject)
    child.on('close', (code, signal) => resolve({ log, code: signal ? 1 : code }))
  })
}

/** Node's headers, where they came with this node; elsewhere node-gyp downloads them. */
function nodedirArguments() {
  const own = path.resolve(process.execPath, process.platform === 'win32' ? '..' : '../..')
  const candidates = [process.env.npm_config_nodedir, own]
  const nodedir = candidates.find(folder => folder && existsSync(path.join(folder, 'include', 'node', 'common.gypi')))
  return nodedir ? [`--nodedir=${nodedir}`] : []
}

function ownFiles(folder) {
  return readdirSync(folder)
    .filter(name => /\.(cpp|h)$/.test(name))
    .sort()
    .map(name => path.relative(root, path.join(folder, name)).replaceAll('\\', '/'))
}

/**
 * `all` changes whenever the addon must be built, `configured` when its build files must be made again: they have this
 * folder's path.
 */
function fingerprint(addon) {
  const sources = addon.sources()
  if (sources.length === 0) throw new Error('There are no sources in native/.')
  const host = [process.version, process.platform, process.arch, ...nodedirArguments()].join(' ')
  const gyp = readFileSync(path.join(addon.folder, 'binding.gyp'))
  const configured = createHash('sha256')
    .update(`${host}\n${root}\n${sources.filter(name => name.endsWith('.cpp'))}\n`)
    .update(gyp)
  const all = createHash('sha256').update(host).update(gyp)
  for (const name of sources) all.update(`\n${name}\n`).update(readFileSync(path.join(root, name)))
  return { all: all.digest('hex'), configured: configured.digest('hex') }
}

function isCurrent(addon, wanted) {
  return existsSync(addon.output) && readStamp(addon).all === wanted.all
}

function readStamp(addon) {
  try {
    return JSON.parse(readFileSync(addon.stampFile, 'utf8'))
  } catch {
    return {} // none yet, or cut off while being written: build
  }
}

/** One build of an addon at a time: `npm start` and `npm test` may run side by side. */
async function lock(folder) {
  const require = createRequire(import.meta.url)
  mkdirSync(folder, { recursive: true })
  return require('proper-lockfile').lock(folder, {
    lockfilePath: path.join(folder, '.lock'),
    retries: { forever: true, factor: 1, minTimeout: 250, maxRetryTime: 600_000 },
  })
}

/** What failed, as the log's last lines, and what this machine lacks. */
function explain({ logFile }, log, linesShown) {
  mkdirSync(path.dirname(logFile), { recursive: true })
  writeFileSync(logFile, log)
  const lines = log.trimEnd().split('\n')
  const missing = whatIsMissing(log)
  const name = path.relative(root, logFile)
  return [
    ...(linesShown > 0
      ? [`The native addon could not be built. The last lines of ${name}:`, '', ...lines.slice(-linesShown), '']
      : [`The native addon could not be built (the log is in ${name}).`, '']),
    ...(missing.length > 0 ? ['What this machine lacks:', ...missing.map(line => `  - ${line}`)] : []),
  ]
    .join('\n')
    .trimEnd()
}

function whatIsMissing(log) {
  const missing = []
  const compilers = process.env.CXX ? [process.env.CXX.split(' ')[0]] : ['c++', 'g++', 'clang++']
  const hint =
    {
      linux: 'on Debian and Ubuntu: apt-get install g++ make python3',
      darwin: 'xcode-select --install',
      win32: 'Visual Studio Build Tools 2022 with "Desktop development with C++"',
    }[process.platform] ?? "from your system's packages"
  const noCompiler =
    process.platform === 'win32'
      ? /find(ing)? VS/i.test(log) && /not found|could not find/i.test(log)
      : !compilers.some(onPath)
  if (noCompiler) missing.push(`a C++20 compiler: g++ 11, clang 14, or Visual Studio 2022 and later (${hint})`)
  else if (
    /std=c\+\+20|\/std:c\+\+20/.test(log) &&
    /unrecognized|unknown argument|invalid value|unknown option/i.test(log)
  ) {
    missing.push(`a compiler that knows C++20: g++ 11, clang 14, or Visual Studio 2022 and later (${hint})`)
  }
  if (/Could not find any Python/i.test(log)) missing.push(`Python 3 (${hint})`)
  if (process.platform !== 'win32' && !onPath('make') && !onPath('gmake')) missing.push(`make (${hint})`)
  if (/getaddrinfo|ENOTFOUND|ECONNREFUSED|ETIMEDOUT|bad response code|status code \d{3} downloading/i.test(log)) {
    missing.push(
      "Node's headers, which could not be downloaded: install the development files of this Node, or set npm_config_nodedir to a folder that has include/node",
    )
  }
  return missing
}

function onPath(program) {
  return !spawnSync(program, ['--version'], { stdio: 'ignore' }).error
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  try {
    const built = await buildNative({
      say: line => console.error(line),
      verbose: process.argv.includes('--verbose'),
      evaluation: process.argv.includes('--evaluation'),
      sanitized: process.argv.includes('--sanitized'),
    })
    console.error(built ? 'The native addon is built' : 'The native addon is up to date')
  } catch (error) {
    console.error(error.message)
    process.exitCode = 1
  }
}
