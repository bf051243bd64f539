#!/usr/bin/env node
import { createRequire } from 'node:module'
import { Command } from 'commander'
import { buildCommand } from './build.js'
import { chatCommand } from './chat.js'
import { doctorCommand } from './doctor.js'
import { reportFailure } from './failure.js'
import { inspectCommand } from './inspect.js'
import { modelsCommand } from './models.js'
import { watchOutputs } from './outputs.js'
import { perplexityCommand } from './perplexity.js'
import { pullCommand } from './pull.js'
import { runCommand } from './run.js'
import { scoreCommand } from './score.js'

const { version, description } = createRequire(import.meta.url)('../../package.json') as {
  version: string
  description: string
}

watchOutputs()

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
