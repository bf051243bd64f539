import { mkdir } from 'node:fs/promises'
import { createRequire } from 'node:module'
import os from 'node:os'
import { relative, resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { loadAddon } from '../../lib/backend/addon.js'
import { locateLibraries } from '../../lib/backend/locate.js'
import { Interrupted, onInterrupt } from '../../lib/cli/failure.js'
import type { NativeAddon } from '../../lib/engine/native.js'
import { StreamingLLMError } from '../../lib/errors.js'
import { defaultThreads } from '../../lib/options/parse.js'
import { runCommand } from '../../scripts/command.js'
import { duration, measureSpeed, type Speeds, secondsOfCell } from './estimate.js'
import { type Cell, type Experiment, isMissing, type Plain, type Setting } from './experiment.js'
import { experiments } from './experiments.js'
import { ModelShelf } from './models.js'
import { type Facts, writeReport } from './report.js'
import { distinctCells, runCells } from './run-cells.js'
import { cellsFolder, makeSetting, type PaperFlags } from './setting.js'
import { CellStore } from './store.js'

/** The quick run must end within 15 minutes; the report itself takes some seconds of them. */
const quickSeconds = 14 * 60

const program = new Command('paper')
  .description(
    'Measures the tables and figures of "Efficient Streaming Language Models with Attention Sinks" (Xiao et al., 2023) on this machine and writes a report. Finished measurements are kept: after an interruption the same command goes on.',
  )
  .option('--quick', 'fewer tokens: ends within 15 minutes on 2 cores with the default model')
  .option('--out <folder>', 'where the report and the finished measurements go', 'paper-report')
  .option(
    '--model <model>',
    'path of a GGUF file, hf:owner/repo/file.gguf or hf:owner/repo:QUANT (default: SmolLM2-135M-Instruct)',
  )
  .option(
    '--exploding-model <model>',
    'a model whose dense attention explodes past its trained length (default: stories260K)',
  )
  .option(
    '--texts <folder>',
    'where moby-dick_pg2701.txt, ARC-Easy-test.jsonl, ARC-Challenge-test.jsonl, mt_bench_question.jsonl and stories260K.gguf may be (default: they are fetched)',
  )
  .option('--text <file>', 'the long text to measure perplexity on (default: Moby-Dick)')
  .option('--only <ids>', 'only these experiments, such as table-1,figure-10', text => text.split(','))
  .option('--long-tokens <count>', 'tokens of Figure 5 (default: 200000; quick: 30000)', wholeNumber)
  .option('--threads <count>', "threads that compute (default: the library's)", wholeNumber)
  .option('--seed <number>', 'for what is drawn by chance', wholeNumber, 1)
  .option('--fresh', 'forget the finished measurements in the folder')
  .addOption(
    new Command()
      .createOption('--scale <factor>', 'multiplies the numbers of tokens')
      .argParser(positive)
      .default(1)
      .hideHelp(),
  )
  .action(paper)

await runCommand(program)

async function paper(flags: PaperFlags): Promise<void> {
  const started = performance.now()
  const interrupt = onInterrupt()
  const shelf = new ModelShelf(flags.threads)
  try {
    await makeFolder(flags.out)
    say('Looking for the models and texts')
    const setting = await makeSetting(flags, shelf)
    const chosen = choose(setting, flags.only)
    const store = await CellStore.open(cellsFolder(flags.out), { fresh: flags.fresh })
    const cells = distinctCells(chosen)
    const open = cells.filter(cell => cell.missing === undefined && store.get(cell.key) === undefined)
    const speeds = await speedsFor(open, setting)
    const seconds = open.reduce((sum, cell) => sum + secondsOfCell(cell, speeds), 0)
    say(
      open.length === 0
        ? 'Everything has been measured before'
        : `${open.length} of ${cells.length} measurements are to be made; that will take about ${duration(seconds)}`,
    )
    const timeLimit = setting.quick ? quickSeconds - (performance.now() - started) / 1_000 : undefined
    const outcomes = await runCells(cells, { store, speeds, signal: interrupt.signal, timeLimit, say })
    const page = await writeReport(chosen, outcomes, {
      folder: flags.out,
      introduction: introduction(setting),
      facts: facts(
        setting,
        cells.filter(cell => outcomes.value(cell) === undefined).length,
        cells.length,
        store.period(cells.map(({ key }) => key)),
      ),
      commands: commands(flags, setting),
    })
    say(`The report is ${relative(process.cwd(), resolve(page))}`)
    if (interrupt.signal.aborted) throw new Interrupted()
  } finally {
    interrupt.release()
    await shelf.clear()
  }
}

async function makeFolder(out: string): Promise<void> {
  try {
    await mkdir(out, { recursive: true })
  } catch (cause) {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `--out: ${out} cannot be the report's folder: ${(cause as Error).message}`,
      { cause },
    )
  }
}

function choose(setting: Setting, only: string[] | undefined): Experiment[] {
  const all = experiments.map(make => make(setting))
  const unknown = only?.find(id => !all.some(experiment => experiment.id === id))
  if (unknown !== undefined)
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `--only: there is no experiment ${unknown}; there are ${all.map(({ id }) => id).join(', ')}`,
    )
  return all.filter(({ id }) => only?.includes(id) ?? true)
}

/** Measures how fast the models are that are still needed. */
async function speedsFor(cells: Cell<Plain>[], setting: Setting): Promise<Speeds> {
  const speeds: Speeds = new Map()
  for (const { model } of cells.flatMap(({ work }) => work)) {
    if (speeds.has(model.sha256)) continue
    say(`Measuring how fast ${model.name} is here`)
    speeds.set(model.sha256, await measureSpeed(setting, model))
  }
  return speeds
}

function introduction({ quick, model }: Setting): string[] {
  return [
    `What "Efficient Streaming Language Models with Attention Sinks" (Xiao et al., 2023, arXiv 2309.17453) claims, measured with ${model.name} on this machine, with the paper's figures beside ours. ` +
      "The paper's models are 50 to 500 times as large, so it is the shapes that should agree, not the numbers.",
    ...(quick
      ? [
          'This is the quick run: few tokens, so differences of some percent between perplexities mean nothing. The full run is the same command without --quick.',
        ]
      : []),
  ]
}

function facts(setting: Setting, notMeasured: number, cells: number, period: [string, string] | undefined): Facts {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  const libraries = locateLibraries()
  const { version: system, devices } = (loadAddon() as NativeAddon).open(libraries)
  const { model, explodingModel, tinyModel, text, texts } = setting
  const processors = os.cpus()
  return [
    ['Date', new Date().toISOString()],
    [
      'Run',
      `${setting.quick ? 'quick' : 'full'}; ${cells - notMeasured} of ${cells} measurements made${period === undefined ? '' : `, from ${period.join(' to ')}`}`,
    ],
    [
      'Machine',
      `${processors[0]?.model.trim() ?? 'unknown processor'}, ${os.availableParallelism()} of ${processors.length} logical cores, ${Math.round(os.totalmem() / 2 ** 30)} GiB, ${os.type()} ${os.release()} ${os.arch()}`,
    ],
    ['Devices', devices.map(device => `${device.description} (${device.type})`).join('; ')],
    ['Threads', String(setting.threads ?? `${defaultThreads()} (default)`)],
    [
      'Versions',
      `Node ${process.versions.node}, streaming-llm ${version}, llama.cpp libraries ${libraryPackage(libraries.llama)} (${system})`,
    ],
    ['Model', `${model.name}, SHA-256 ${model.sha256}, trained on ${model.trainedLength} tokens at once`],
    [
      'Model that explodes',
      isMissing(explodingModel)
        ? `none: ${explodingModel.missing}`
        : `${explodingModel.name}, SHA-256 ${explodingModel.sha256}`,
    ],
    ['Tiny model', `random weights, SHA-256 ${tinyModel.sha256}`],
    ['Seed', String(setting.seed)],
    ['Long text', `${text.name}; ${text.source}; SHA-256 ${text.sha256}`],
    ...Object.entries(texts).map(([file, found]): [string, string] => [
      file,
      isMissing(found) ? `none: ${found.missing}` : `${found.name}; ${found.source}; SHA-256 ${found.sha256}`,
    ]),
  ]
}

/** Such as "libllama.v0.4.0.so": no path of this machine belongs in a report. */
function libraryPackage(path: string): string {
  return path.split(/[\\/]/).at(-1) ?? path
}

function commands(flags: PaperFlags, setting: Setting): string[] {
  const given: [string, string | number | undefined][] = [
    ['--model', flags.model],
    ['--exploding-model', flags.explodingModel],
    ['--texts', flags.texts],
    ['--text', flags.text],
    ['--only', flags.only?.join(',')],
    ['--long-tokens', flags.longTokens],
    ['--threads', flags.threads],
    ['--seed', flags.seed],
    ['--scale', flags.scale === 1 ? undefined : flags.scale],
  ]
  const options = given.flatMap(([name, value]) => (value === undefined ? [] : [`${name} ${value}`]))
  return [['npm run paper --', ...(setting.quick ? ['--quick'] : []), ...options].join(' ')]
}

function say(line: string): void {
  process.stderr.write(`${line}\n`)
}

function wholeNumber(text: string): number {
  if (/^\d{1,12}$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It must be a whole number of at least 1.')
}

function positive(text: string): number {
  if (Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('It must be a number over 0.')
}
