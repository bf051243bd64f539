import type { Writable } from 'node:stream'
import { OutputFailed, readerLeft, reportFailure } from './failure.js'

/**
 * A failure of stdout or stderr ends nothing by itself. The command that writes a result gets the error and ends, so a
 * chat is still saved. Notices that stderr does not take are lost, and the work goes on. Unless the reader has left,
 * the program then ends with 1, as on a full disk.
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
  // Also where the exit code has been set already, as after the text of --help.
  process.on('exit', () => {
    if (failed) process.exitCode ||= 1
  })
}

/**
 * If an output is a file, Node 20 throws from the call that writes. For other outputs, and in later versions, the
 * failure is an event, which comes too late where the process exits after writing.
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
