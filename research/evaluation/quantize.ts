import { randomUUID } from 'node:crypto'
import { realpath, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { StreamingLLMError } from '../../lib/errors.js'
import { checkModelFile } from '../../lib/gguf/check.js'
import { type WeightType, weightTypes } from './addon.js'
import { ChildEnded, callInChild } from './child.js'

export interface QuantizeOptions {
  /** Threads that compute; 1 unless given. */
  threads?: number
  signal?: AbortSignal
}

/**
 * Writes the model in the file `source` to the file `target`, with weights of another type: llama.cpp's own
 * quantization. Also from weights that are quantized already, which loses more than quantizing the original would.
 * A split model is read from its first part and written as one file. `target` is replaced if it is there, and only by
 * a whole file.
 *
 * @throws {StreamingLLMError} INVALID_OPTION (the type, or where to write), MODEL_UNSUPPORTED (llama.cpp refuses), what
 *   `checkModelFile` throws of the source, ADDON_NOT_FOUND, LIBRARY_NOT_FOUND. Rejects with `signal.reason` when
 *   aborted.
 */
export async function quantize(
  source: string,
  target: string,
  type: WeightType,
  { threads = 1, signal }: QuantizeOptions = {},
): Promise<void> {
  if (!weightTypes.includes(type)) {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `quantize: ${JSON.stringify(type)} is no type to quantize to; use one of ${weightTypes.join(', ')}`,
      { details: { type } },
    )
  }
  if (!Number.isInteger(threads) || threads < 1 || threads > 512) {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `quantize: 'threads' must be a whole number from 1 to 512, got ${threads}`,
      { details: { threads } },
    )
  }
  await checkModelFile(source)
  await checkTarget(source, target)
  const unfinished = path.join(path.dirname(target), `.${path.basename(target)}.${randomUUID()}.unfinished`)
  try {
    await callInChild('quantize', [path.resolve(source), path.resolve(unfinished), type, threads], { signal })
    await rename(unfinished, target)
  } catch (error) {
    if (error instanceof ChildEnded) {
      throw new StreamingLLMError(
        'MODEL_UNSUPPORTED',
        `llama.cpp cannot write ${source} as ${type}: ${error.message}`,
        { cause: error },
      )
    }
    throw error
  } finally {
    await rm(unfinished, { force: true })
  }
}

async function checkTarget(source: string, target: string): Promise<void> {
  const refuse = (reason: string) =>
    new StreamingLLMError('INVALID_OPTION', `quantize: ${reason}`, { details: { source, target } })
  const folder = path.dirname(path.resolve(target))
  const found = await stat(folder).catch(() => undefined)
  if (!found?.isDirectory())
    throw refuse(`there is no folder ${folder} to write ${path.basename(target)} to; make it first`)
  const there = await realpath(target).catch(() => undefined)
  if (there === undefined) return
  if (there === (await realpath(source))) throw refuse(`${target} is the model itself; write to another file`)
  if (!(await stat(there)).isFile()) throw refuse(`${target} is there and no file; write to another path`)
}
