#!/usr/bin/env node
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { buildCommand } from './build.js'
import { chatCommand } from './chat.js'
import { doctorCommand } from './doctor.js'
import { OutputFailed, reportFailure } from './failure.js'
import { inspectCommand } from './inspect.js'
import { modelsCommand } from './models.js'
import { perplexityCommand } from './perplexity.js'
import { pullCommand } from './pull.js'
import { runCommand } from './run.js'
import { scoreCommand } from './score.js'

const { version, description } = createRequire(import.meta.url)('../../package.json') as { version: string; description: string }

// Whoever reads our output may leave before the end, as `head` does.
// Any other failure is told, and left to those who write to end what they do: a chat is still saved.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  reportFailure(new OutputFailed(error))
})

const program = new Command('streaming-llm')
  .description(description)
  .version(version)
  .helpCommand(false)
  .addCommand(chatCommand())
  .addCommand(runCommand())
  .addCommand(scoreCommand())
  .addCommand(perplexityCommand())
  .addCommand(pullCommand())
  .addCommand(modelsCommand())
  .addCommand(inspectCommand())
  .addCommand(buildCommand())
  .addCommand(doctorCommand())

// Without a top-level await, so that what requires this file as CommonJS may.
program.parseAsync().catch(reportFailure)
