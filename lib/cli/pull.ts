import { realpath, stat } from 'node:fs/promises'
import { basename } from 'node:path'
import { Command } from 'commander'
import { StreamingLLMError } from '../errors.js'
import { checkModelFile } from '../gguf/check.js'
import { checksumMismatch, isSha256, sha256OfFile } from '../hub/checksum.js'
import { parseReference } from '../hub/reference.js'
import { resolveModel } from '../hub/resolve-model.js'
import { allParts } from '../hub/split-files.js'
import { onInterrupt } from './failure.js'
import { jsonText } from './format.js'
import { progressBar } from './progress-bar.js'
import { write } from './reply.js'

interface PullFlags {
  sha256?: string
  verify?: boolean
  json?: boolean
}

export function pullCommand(): Command {
  return new Command('pull')
    .description(
      'Download a model of Hugging Face into the cache, checked against its checksum, and print where it is. Broken off, it goes on where it was; a model that is there already is downloaded again only where the hub has a newer one.',
    )
    .argument(
      '<reference>',
      'hf:owner/repo/file.gguf or hf:owner/repo:QUANT, also with a revision: hf:owner/repo@revision:QUANT',
    )
    .option('--sha256 <hex>', 'the checksum that the file (of a split model, its first part) must have')
    .option('--verify', 'read a model that was there already through again, and compare its checksum')
    .option('--json', 'print reference, path, parts and sizes as JSON')
    .addHelpText(
      'after',
      '\nIt ends with 0 where the model is there and can be loaded by its header; 130 after Ctrl-C; 1 after a failure, which stderr tells.\nHF_TOKEN, HF_ENDPOINT, HF_HOME, HF_HUB_CACHE and HF_HUB_OFFLINE mean what they mean to huggingface_hub.',
    )
    .action(pull)
}

async function pull(reference: string, { sha256, verify, json }: PullFlags): Promise<void> {
  if (parseReference(reference).kind === 'path') {
    throw new StreamingLLMError(
      'INVALID_OPTION',
      `pull: ${reference} is a path; to download a model of Hugging Face write hf:owner/repo/file.gguf or hf:owner/repo:QUANT`,
      { details: { reference } },
    )
  }
  const interrupt = onInterrupt()
  const bar = progressBar()
  try {
    const { signal } = interrupt
    const received = new Map<string, number>()
    let fetched = 0
    const path = await resolveModel(reference, {
      sha256,
      signal,
      onProgress: progress => {
        const { file, receivedBytes } = progress
        // What an earlier download has left is there from the first report on.
        fetched += Math.max(0, receivedBytes - (received.get(file) ?? receivedBytes))
        received.set(file, receivedBytes)
        bar.show(progress)
      },
    })
    bar.end()
    const parts = await Promise.all(allParts(path).map(describePart))
    if (verify) {
      for (const part of parts) await compare(part, signal)
    }
    // That it is a model which can be run here is good to know now.
    await checkModelFile(path)
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
    await write(
      process.stdout,
      json ? jsonText({ reference, path, sizeBytes, downloadedBytes: fetched, parts }) : `${path}\n`,
    )
  } finally {
    bar.end()
    interrupt.release()
  }
}

interface Part {
  path: string
  sizeBytes: number
  /** Undefined where the hub gave none, as for small files. */
  sha256: string | undefined
}

/** The hub's cache names contents by their checksum. */
async function describePart(path: string): Promise<Part> {
  const [{ size }, content] = await Promise.all([stat(path), realpath(path)])
  const name = basename(content)
  return { path, sizeBytes: size, sha256: isSha256(name) ? name : undefined }
}

async function compare({ path, sha256 }: Part, signal: AbortSignal): Promise<void> {
  if (sha256 === undefined) {
    process.stderr.write(`${path} has no checksum to be compared with.\n`)
    return
  }
  const actual = await sha256OfFile(path, signal)
  if (actual !== sha256)
    throw new StreamingLLMError(
      'CHECKSUM_MISMATCH',
      `${checksumMismatch(path, sha256, actual).message} Remove it (streaming-llm models remove) and pull it again.`,
      { details: { expected: sha256, actual } },
    )
}
