import { readFile } from 'node:fs/promises'
import { StreamingLLMError } from '../errors.js'
import { missingByLog } from './missing.js'
import type { ProgramOptions, ProgramResult } from './program.js'

/** Runs a program of a build to its end, and throws where it fails; `what` says what then could not be done. */
export type RunStep = (what: string, run: (options: ProgramOptions) => Promise<ProgramResult>) => Promise<ProgramResult>

const logLinesShown = 40

/**
 * For the steps of a build, which share a log.
 * They throw {StreamingLLMError} BUILD_FAILED with the last lines of the log and what is missing.
 */
export function stepRunner(logFile: string, signal?: AbortSignal): RunStep {
  return async (what, run) => {
    const result = await run({ logFile, signal })
    if (result.code === 0) return result
    const log = await readFile(logFile, 'utf8')
    const last = log.trimEnd().split('\n').slice(-logLinesShown).join('\n')
    throw buildFailure(`${what}: ${result.problem}. The last lines of ${logFile}:\n\n${last}\n`, {
      missing: missingByLog(log),
      logFile,
    })
  }
}

export function buildFailure(message: string, details: { missing: string[]; logFile?: string }): StreamingLLMError {
  const lacking = details.missing.map(line => `\n  - ${line}`).join('')
  const whole = `${message}${lacking === '' ? '' : `\nWhat this machine lacks:${lacking}`}`
  return new StreamingLLMError('BUILD_FAILED', whole.trimEnd(), { details })
}
