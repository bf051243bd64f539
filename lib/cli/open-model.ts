import { DEFAULT_MODEL, DEFAULT_MODEL_SHA256 } from '../hub/default-model.js'
import { loadModel } from '../index.js'
import type { ModelOptions } from '../options/parse.js'
import { onInterrupt } from './failure.js'
import { progressBar } from './progress-bar.js'
import { modelOptions, type SharedFlags } from './shared-options.js'

/** Loads the model that the flags name. A download shows its progress, and Ctrl-C ends it. */
export async function openModel(flags: SharedFlags, more: ModelOptions = {}) {
  const interrupt = onInterrupt()
  const bar = progressBar()
  try {
    return await loadModel(modelReference(flags), {
      ...modelOptions(flags),
      ...more,
      sha256: modelReference(flags) === DEFAULT_MODEL ? DEFAULT_MODEL_SHA256 : undefined,
      signal: interrupt.signal,
      onProgress: bar.show,
      onWarning: message => process.stderr.write(`${message}\n`),
    })
  } finally {
    bar.end()
    interrupt.release()
  }
}

/** In a clone, the set-up has fetched the default model already and says where it is. */
export function modelReference({ model }: SharedFlags): string {
  return model ?? (process.env['STREAMING_LLM_DEFAULT_MODEL'] || DEFAULT_MODEL)
}
