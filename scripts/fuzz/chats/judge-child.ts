// Runs the programs that it is sent, one by one, and tells what each showed.
import { Fault } from './fault.js'
import type { Verdict } from './judge.js'
import type { Program } from './program.js'
import { runProgram } from './run-program.js'

process.on('message', async (program: Program) => {
  process.send!(await verdictOn(program))
})
process.on('disconnect', () => process.exit())

async function verdictOn(program: Program): Promise<Verdict | null> {
  try {
    await runProgram(program)
    return null
  } catch (error) {
    if (error instanceof Fault) return { kind: error.kind, message: error.message, at: error.at }
    return { kind: 'broken', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}
