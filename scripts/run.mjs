// Behind `npm start`, `npm test`, `npm run cli`, `npm run paper`, `npm run bench`, `npm run eval`, `npm run fuzz`, `npm
// run check` and `npm run format`: sets up what is missing, then runs the program from source.
//
//   node scripts/run.mjs cli COMMAND ...    the command line, lib/cli/main.ts
//   node scripts/run.mjs test ...           jest, with the arguments passed on
//   node scripts/run.mjs check              types, form and lint of everything
//   node scripts/run.mjs format             the form, put right
//   node scripts/run.mjs paper ...          the paper's tables and figures, research/paper/main.ts
//   node scripts/run.mjs bench ...          the benchmark, research/bench/main.ts
//   node scripts/run.mjs eval CHECK ...     what long conversations do, research/evaluation/main.ts
//   node scripts/run.mjs fuzz TARGET ...    random inputs at all that takes input, scripts/fuzz/main.ts
//   node scripts/run.mjs fuzz:chats ...     random programs over chats, scripts/fuzz/chats/main.ts
//   node scripts/run.mjs fuzz:ci            both, for as long as CI has time, scripts/fuzz/ci/main.ts
//
// All words about setting up go to stderr: stdout is the program's alone.

import { spawn } from 'node:child_process'
import os from 'node:os'
import path from 'node:path'
import { addon, defaultModel, dependencies, root, SetupError, typescript } from './setup.mjs'

/** Programs without a model of their own, and the folders that they are in. */
const checks = {
  eval: 'research/evaluation',
  fuzz: 'scripts/fuzz',
  'fuzz:chats': 'scripts/fuzz/chats',
  'fuzz:ci': 'scripts/fuzz/ci',
}

const say = line => console.error(line)
const [program, ...args] = process.argv.slice(2)

try {
  // Before anything else: an old Node fails in ways that tell a newcomer nothing.
  if (Number(process.versions.node.split('.')[0]) < 20) {
    throw new SetupError(`Node 20 or later is needed; this is ${process.version} (${process.execPath}).`)
  }
  if (program === 'cli') await runCli()
  else if (program === 'paper') await runReport('paper')
  else if (program === 'bench') await runReport('bench')
  else if (checks[program] !== undefined) await runCheck(checks[program])
  else if (program === 'test') await runTests()
  else if (program === 'check') await check()
  else if (program === 'format') await format()
  else
    throw new SetupError(
      'Usage: node scripts/run.mjs cli COMMAND ... | test ... | check | format | paper ... | bench ... | eval CHECK ... | fuzz TARGET ... | fuzz:chats ... | fuzz:ci',
    )
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error)
  process.exitCode = 1
}

async function runCli() {
  await dependencies(say)
  if (args[0] !== 'build') await addon(say) // it makes its own
  const env = { ...process.env }
  if (wantsDefaultModel()) env.STREAMING_LLM_DEFAULT_MODEL = await defaultModel()
  await run([...typescript(), path.join(root, 'lib', 'cli', 'main.ts'), ...args], env)
}

/** The programs that measure and write a report. Help needs nothing but the dependencies. */
async function runReport(name) {
  await dependencies(say)
  const env = { ...process.env }
  if (!given('--help') && !given('-h') && !given('--list')) {
    await addon(say)
    // Some of what they measure needs the evaluation scripts' own addon; where it cannot be built, the report says so.
    const { buildNative } = await import('./build-native.mjs')
    await buildNative({ say, evaluation: true }).catch(error => say(error.message))
    if (!given('--model')) env.STREAMING_LLM_DEFAULT_MODEL = await defaultModel()
  }
  await run([...typescript(), path.join(root, 'research', name, 'main.ts'), ...args], env)
}

/** These find their model by themselves, and need no other addon than the library's. */
async function runCheck(folder) {
  await dependencies(say)
  if (!given('--help') && !given('-h')) await addon(say)
  await run([...typescript(), path.join(root, folder, 'main.ts'), ...args], process.env)
}

function given(name) {
  return args.some(arg => arg === name || arg.startsWith(`${name}=`))
}

function wantsDefaultModel() {
  return (
    ['chat', 'run', 'score', 'perplexity'].includes(args[0]) && !given('--model') && !given('--help') && !given('-h')
  )
}

async function check() {
  await dependencies(say)
  const { styleIsRight } = await import('./style.mjs')
  if (!styleIsRight({ write: false, say })) throw new SetupError('`npm run format` puts right what a program can.')
  await run(
    [path.join(root, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', path.join(root, 'tsconfig.json')],
    process.env,
  )
}

async function format() {
  await dependencies(say)
  const { styleIsRight } = await import('./style.mjs')
  if (!styleIsRight({ write: true, say })) process.exitCode = 1
}

async function runTests() {
  await dependencies(say)
  await addon(say)
  const env = { ...process.env }
  const jest = [path.join(root, 'node_modules', 'jest', 'bin', 'jest.js'), '--rootDir', root, ...args]
  const ignored = ['/node_modules/', '/test/source/']
  // The other tiers do without the model.
  const paths = args.filter(arg => !arg.startsWith('-'))
  if (paths.length === 0 || !paths.every(each => /^test[\\/](unit|native)/.test(each))) {
    try {
      env.STREAMING_LLM_TEST_MODEL = await defaultModel()
    } catch (error) {
      if (!(error instanceof SetupError) || inCI()) throw error
      say(`${error.message}\nThe model tier of the tests is left out.`)
      ignored.push('/test/model/')
    }
  }
  // Jest loads ES modules by an interface that Node calls experimental, and warns of each time.
  const quiet = process.allowedNodeEnvironmentFlags.has('--disable-warning')
    ? ['--disable-warning=ExperimentalWarning']
    : []
  const start = [...quiet, '--experimental-vm-modules', ...jest]
  if (args.length === 0) {
    // Two at a time, in processes of their own, since each computes on one thread; what is quick first.
    start.push('--maxWorkers=2')
    await run([...start, '--testPathPatterns', '/test/unit/'], env)
    if (process.exitCode !== 0) return
    ignored.push('/test/unit/')
  }
  await run([...start, '--testPathIgnorePatterns', ...ignored], env) // last: it takes all that follows
}

function inCI() {
  return !['', '0', 'false', undefined].includes(process.env.CI?.toLowerCase())
}

/** Runs Node until it ends, and ends as it did. */
async function run(nodeArguments, env) {
  // npm changes to the root; relative paths mean the folder from which it was called.
  const cwd =
    process.env.npm_lifecycle_event && process.env.INIT_CWD && program !== 'test' ? process.env.INIT_CWD : process.cwd()
  const child = spawn(process.execPath, nodeArguments, { cwd, env, stdio: 'inherit' })
  // A terminal sends Ctrl-C to both processes: the program decides what it means, and this one only has to outlive
  // it. Without a terminal a signal may have come to this process alone.
  const pass = signal => {
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  for (const signal of signals) process.on(signal, pass)
  const [code, signal] = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (...how) => resolve(how))
  })
  for (const each of signals) process.off(each, pass)
  if (signal) {
    // A listener that some package left would take the signal, and this process might then end as if all went well.
    process.exitCode = 128 + os.constants.signals[signal]
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  } else process.exitCode = code
}
