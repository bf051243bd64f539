// Writes a model with weights of another type: npm run quantize -- SOURCE TARGET TYPE

import { availableParallelism } from 'node:os'
import path from 'node:path'
import { Argument, Command } from 'commander'
import { onInterrupt } from '../lib/cli/failure.js'
import { toNumber } from '../lib/cli/shared-options.js'
import { type WeightType, weightTypes } from '../research/evaluation/addon.js'
import { quantize } from '../research/evaluation/quantize.js'
import { calledFrom, runCommand } from './command.js'

const folder = calledFrom('quantize')

const program = new Command('quantize')
  .description("Writes a model with weights of another type, by llama.cpp's own quantization.")
  .argument('<source>', 'path of a GGUF file')
  .argument('<target>', 'path of the file to write')
  .addArgument(new Argument('<type>', 'type of the weights').choices(weightTypes))
  .option('--threads <count>', 'threads that compute', toNumber, availableParallelism())
  .action(async (source: string, target: string, type: WeightType, { threads }: { threads: number }) => {
    const interrupted = onInterrupt()
    try {
      await quantize(path.resolve(folder, source), path.resolve(folder, target), type, {
        threads,
        signal: interrupted.signal,
      })
    } finally {
      interrupted.release()
    }
  })

await runCommand(program)
