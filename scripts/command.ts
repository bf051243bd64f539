import { type Command, InvalidArgumentError } from 'commander'
import { reportFailure } from '../lib/cli/failure.js'

/**
 * Runs a program with the arguments of this process, and ends it as the command line ends: a line that says why, and 1,
 * or 130 after Ctrl-C.
 */
export async function runCommand(program: Command): Promise<void> {
  try {
    await program.parseAsync()
  } catch (error) {
    reportFailure(error)
  }
}

/**
 * What relative paths are relative to in a script of package.json: npm changes to the root, and they mean the folder
 * from which it was called.
 */
export function calledFrom(script: string): string {
  return process.env['npm_lifecycle_event'] === script ? (process.env['INIT_CWD'] ?? '.') : '.'
}

/** An option's value. Commander reports what it throws. */
export function wholeNumber(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(text)
}
