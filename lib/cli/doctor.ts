import { createRequire } from 'node:module'
import { Command } from 'commander'
import { type Examination, type ExaminedBackend, examine } from '../backend/examine.js'
import { write } from './reply.js'

export function doctorCommand(): Command {
  return new Command('doctor')
    .description(
      'Says what this machine has to compute with, what would be used and why, and what to install for more.',
    )
    .option('--json', 'as JSON')
    .addHelpText('after', '\nIt ends with 0 where models can be run, on whatever; with 1 where they cannot.')
    .action(doctor)
}

async function doctor({ json }: { json?: boolean }): Promise<void> {
  const { version } = createRequire(import.meta.url)('../../package.json') as { version: string }
  const found = await examine()
  await write(
    process.stdout,
    json ? `${JSON.stringify({ version, ...found }, null, 2)}\n` : `${doctorText(version, found)}\n`,
  )
  if (found.failure !== undefined) process.exitCode = 1
}

export function doctorText(
  version: string,
  { system, llama, failure, gpus, backends, choice, notices }: Examination,
): string {
  const lines = [`streaming-llm ${version}, ${system}`]
  if (llama !== undefined) {
    lines.push(`llama.cpp  ${llama.release}, ${llama.packaged ? 'prebuilt' : 'built from source'}: ${llama.folder}`)
    lines.push(
      `processor  ${llama.processor}, ${llama.threads} threads, ${gigabytes(llama.memoryBytes)} of memory; ${llama.backend}`,
    )
  }
  if (failure !== undefined) return [...lines, '', 'Models cannot be run here.', failure].join('\n')
  lines.push(`GPUs       ${gpus.length === 0 ? 'none that the system shows' : gpus.join(', ')}`)
  for (const each of backends.filter(({ state }) => state !== 'foreign'))
    lines.push(`${each.kind.padEnd(10)} ${backendText(each)}`)
  if (choice !== undefined)
    lines.push('', `Used by default: ${choice.kind === 'cpu' ? 'the CPU' : choice.kind}, ${choice.name}.`)
  // Of back ends that fail, the lines above tell.
  return [...lines, ...(backends.some(({ state }) => state === 'fails') ? [] : notices)].join('\n')
}

function backendText({ state, packageName, reason, devices, milliseconds = 0, install }: ExaminedBackend): string {
  if (state === 'missing') return `not there; for a GPU that it drives: ${install}`
  const where = packageName === undefined ? '' : ` (${packageName})`
  if (state === 'fails') return `does not work${where}: ${reason}`
  return `works${where}, tried in ${(milliseconds / 1000).toFixed(1)} s: ${devices.map(({ description, memoryFree, memoryTotal }) => `${description}, ${gigabytes(memoryFree)} of ${gigabytes(memoryTotal)} free`).join('; ')}`
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`
}
