import type { Writable } from 'node:stream'
import { OutputFailed, readerLeft, reportFailure } from './failure.js'

/**
 * A failure of stdout or stderr ends nothing by itself: whoever writes a result hears of it and ends, so that a chat is still
 * saved. Words on stderr that nobody takes are lost, and the work goes on. Where that is not because the reader has left, as
 * on a full disk, the program ends with 1.
 */
export function watchOutputs(): void {
  let failed = false
  const fails = (output: Writable, error: Error): void => {
    if (readerLeft(error)) return
    failed = true
    if (output === process.stdout) reportFailure(new OutputFailed(error))
  }
  for (const output of [process.stdout, process.stderr]) {
    answerFailures(output, error => fails(output, error))
    output.on('error', error => fails(output, error))
  }
  // Also where somebody has ended it with another code, as after the text of --help.
  process.on('exit', () => {
    if (failed) process.exitCode ||= 1
  })
}

/**
 * Where an output is a file, Node 20 throws from the call that writes; of all else, and by later versions, it is an event,
 * which comes too late for who ends the process after writing.
 */
function answerFailures(output: Writable, fails: (error: Error) => void): void {
  const write = output._write.bind(output)
  output._write = (chunk, encoding, done) => {
    const answer = (error?: Error | null): void => {
      if (error) fails(error)
      done(error)
    }
    try {
      write(chunk, encoding, answer)
    } catch (error) {
      answer(error as Error)
    }
  }
}
