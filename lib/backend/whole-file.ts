import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { StreamingLLMError } from '../errors.js'
import type { LlamaLibraries } from './locate.js'

/**
 * The system's loader maps a library whose end is missing, and then ends the process; this finds it out before. Of ELF
 * files (Linux) only, whose last part is a table that the first part tells the place of.
 *
 * @throws {StreamingLLMError} LIBRARY_NOT_FOUND naming the file that is cut off
 */
export function needWholeFiles({
  llama,
  ggml,
  ggmlBase,
  cpuBackends,
}: Pick<LlamaLibraries, 'llama' | 'ggml' | 'ggmlBase' | 'cpuBackends'>): void {
  for (const file of [ggmlBase, ggml, llama, ...cpuBackends]) {
    const cut = missingBytes(file)
    if (cut > 0)
      throw new StreamingLLMError(
        'LIBRARY_NOT_FOUND',
        `${file} is cut off: ${cut} bytes are missing at least. Install the package again.`,
        { details: { file, missing: cut } },
      )
  }
}

function missingBytes(file: string): number {
  let handle: number
  try {
    handle = openSync(file, 'r')
  } catch {
    return 0 // the loader will say what is wrong
  }
  try {
    const head = Buffer.alloc(64)
    readSync(handle, head, 0, 64, 0)
    // 64 bits, the lower byte first: as on all processors that there are libraries for.
    if (head.readUInt32BE(0) !== 0x7f454c46 || head[4] !== 2 || head[5] !== 1) return 0
    const end = Number(head.readBigUInt64LE(40)) + head.readUInt16LE(58) * head.readUInt16LE(60)
    return Math.max(0, end - fstatSync(handle).size)
  } finally {
    closeSync(handle)
  }
}
