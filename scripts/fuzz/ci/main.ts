// All that looks for faults at random, for as long as CI has time: npm run fuzz:ci

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { onInterrupt } from '../../../lib/cli/failure.js'
import { runCommand, wholeNumber } from '../../command.js'
import { targets } from '../targets.js'

/** Apart from the random programs, which come first. */
const names = Object.keys(targets).filter(name => !name.startsWith('chats'))
/** For each of these, however long the programs took. */
const minSeconds = 10

const program = new Command('fuzz:ci')
  .description(
    'Runs random programs over chats, then the fuzzers, which share evenly what is left of the time. Seeds are told, those of today unless one is given. Ends with 1 where something was found.',
  )
  .option('--minutes <count>', 'minutes in all', wholeNumber, 8)
  .option('--operations <count>', 'operations of the random programs', wholeNumber, 20_000)
  .option('--seed <number>', 'the first seed of each', wholeNumber)
  .action(async ({ minutes, operations, seed }: { minutes: number; operations: number; seed?: number }) => {
    const started = performance.now()
    const interrupted = onInterrupt()
    const seeded = seed === undefined ? [] : ['--seed', String(seed)]
    const failed: string[] = []
    try {
      if (
        !(await succeeds(
          'chats/main.ts',
          ['--operations', String(operations), '--shorten', '1', ...seeded],
          interrupted.signal,
        ))
      )
        failed.push('chats')
      const left = minutes * 60 - (performance.now() - started) / 1_000
      const seconds = Math.max(minSeconds, Math.floor(left / names.length))
      for (const name of names) {
        if (!(await succeeds('main.ts', [name, '--seconds', String(seconds), ...seeded], interrupted.signal)))
          failed.push(name)
      }
    } finally {
      interrupted.release()
    }
    console.log(failed.length === 0 ? 'Nothing was found.' : `Faults were found by: ${failed.join(', ')}`)
    if (failed.length > 0) process.exitCode = 1
  })

await runCommand(program)

/** Runs a script of the folder above; true where it found nothing. */
async function succeeds(script: string, args: string[], signal: AbortSignal): Promise<boolean> {
  const file = fileURLToPath(new URL(`../${script}`, import.meta.url))
  const child = spawn(process.execPath, [...process.execArgv, file, ...args], { stdio: 'inherit' })
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', resolve)
  })
  signal.throwIfAborted() // Ctrl-C ended the child as well
  return code === 0
}
