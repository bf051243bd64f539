import { closeSync, openSync, writeFileSync } from 'node:fs'
import { StreamingLLMError } from '../errors.js'
import { OutputFailed } from './failure.js'

/** A file that an option has named, for what a command writes bit by bit. */
export interface OutputFile {
  /** All of it, at once, so that a run that ends early leaves what there was. Throws {OutputFailed}. */
  write(text: string): void
  close(): void
}

/**
 * Empties the file, or makes it.
 *
 * @throws {StreamingLLMError} INVALID_OPTION
 */
export function openOutputFile(option: string, file: string): OutputFile {
  let descriptor: number
  try {
    descriptor = openSync(file, 'w')
  } catch (cause) {
    throw new StreamingLLMError('INVALID_OPTION', `${option}: ${(cause as Error).message}`, {
      cause,
      details: { file },
    })
  }
  const attempt = (act: () => void): void => {
    try {
      act()
    } catch (cause) {
      throw new OutputFailed(cause, `${option}: ${file}`)
    }
  }
  return {
    // Writes to the last byte, where `writeSync` may stop earlier.
    write: text => attempt(() => writeFileSync(descriptor, text)),
    close: () => attempt(() => closeSync(descriptor)),
  }
}
