import readline from 'node:readline/promises'
import { Command } from 'commander'
import { StreamingLLMError } from '../errors.js'
import { type CacheContents, type CachedModel, cacheContents } from '../hub/cached-models.js'
import { findCached } from '../hub/find-cached.js'
import { removeCached, removeUnfinished } from '../hub/remove-cached.js'
import { followingController, throwIfAborted } from '../util/abort.js'
import { Interrupted, onInterrupt } from './failure.js'
import { byteText, columns, jsonText } from './format.js'
import { plainText } from './plain-text.js'
import { write } from './reply.js'

export function modelsCommand(): Command {
  return new Command('models')
    .description(
      'List the models that are in the cache, used last first: those of Hugging Face, whichever program downloaded them, and those of this package.',
    )
    .option('--json', 'as JSON, with all files of each')
    .action(list)
    .addCommand(
      new Command('remove')
        .description('Remove a model from the cache, with all its parts.')
        .argument('[reference]', 'what the list says, hf:owner/repo:QUANT, or the path')
        .option('--unfinished', 'remove what broken off downloads have left')
        .option('--yes', 'do not ask')
        .addHelpText(
          'after',
          '\nIt asks on a terminal; elsewhere it wants --yes. It ends with 0 when it has removed something; 130 after Ctrl-C; else with 1.',
        )
        .action(remove),
    )
    .addCommand(
      new Command('path')
        .description(
          'Print where a model of the cache is, without asking the hub; without a reference, the folder for downloads.',
        )
        .argument('[reference]', 'what the list says, or hf:owner/repo:QUANT')
        .action(printPath),
    )
}

async function list({ json }: { json?: boolean }): Promise<void> {
  const contents = await cacheContents()
  await write(process.stdout, json ? jsonText(contents) : `${modelsText(contents)}\n`)
}

/** The list as people read it. */
export function modelsText({ models, unfinished, hub, own }: CacheContents): string {
  const rows = models.map(({ name, quantization, sizeBytes, lastUsed, reference, missingParts }) => [
    plainText(name),
    quantization ?? '-',
    byteText(sizeBytes),
    dayText(lastUsed),
    `${plainText(reference)}${missingParts === 0 ? '' : ` (${missingParts} ${missingParts === 1 ? 'part' : 'parts'} missing)`}`,
  ])
  const lines =
    models.length === 0
      ? [`No models are in ${hub} and ${own}.`]
      : [columns([['NAME', 'TYPE', 'SIZE', 'LAST USED', 'REFERENCE'], ...rows])]
  if (unfinished.length > 0) {
    const bytes = unfinished.reduce((sum, each) => sum + each.sizeBytes, 0)
    lines.push(
      '',
      `${unfinished.length === 1 ? 'One download is' : `${unfinished.length} downloads are`} unfinished (${byteText(bytes)}, of ${[...new Set(unfinished.map(({ repo }) => repo))].join(', ')}): pull again to go on, or streaming-llm models remove --unfinished.`,
    )
  }
  return lines.join('\n')
}

/** Of this time zone. */
function dayText(date: Date): string {
  const two = (count: number): string => String(count).padStart(2, '0')
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

async function printPath(reference: string | undefined): Promise<void> {
  const contents = await cacheContents()
  if (reference === undefined) return await write(process.stdout, `${contents.hub}\n`)
  const { path, missingParts } = findCached(contents, reference)
  if (missingParts > 0)
    throw new StreamingLLMError(
      'MODEL_NOT_FOUND',
      `${missingParts} parts of ${reference} are missing; streaming-llm pull downloads them`,
      { details: { reference, missingParts } },
    )
  await write(process.stdout, `${path}\n`)
}

async function remove(
  reference: string | undefined,
  { unfinished = false, yes = false }: { unfinished?: boolean; yes?: boolean },
): Promise<void> {
  if ((reference === undefined) !== unfinished)
    throw new StreamingLLMError('INVALID_OPTION', 'models remove: name a model, or give --unfinished')
  const contents = await cacheContents()
  const model = reference === undefined ? undefined : findCached(contents, reference)
  if (model === undefined && contents.unfinished.length === 0)
    throw new StreamingLLMError('MODEL_NOT_FOUND', 'No download is unfinished.')
  const interrupt = onInterrupt()
  try {
    const { signal } = interrupt
    if (!yes && !(await confirmed(question(contents, model), signal))) {
      process.stderr.write('Nothing was removed.\n')
      process.exitCode = 1
      return
    }
    let freed = 0
    if (model !== undefined) freed = await removeCached(contents, model, { signal })
    else for (const each of contents.unfinished) freed += await removeUnfinished(contents, each, { signal })
    process.stderr.write(`${byteText(freed)} came free.\n`)
  } finally {
    interrupt.release()
  }
}

function question({ unfinished }: CacheContents, model: CachedModel | undefined): string {
  if (model === undefined)
    return `Remove ${unfinished.length} unfinished ${unfinished.length === 1 ? 'download' : 'downloads'} (${byteText(unfinished.reduce((sum, each) => sum + each.sizeBytes, 0))})?`
  const parts = model.files.length === 1 ? '' : ` in ${model.files.length} parts`
  return `Remove ${plainText(model.reference)} (${byteText(model.sizeBytes)}${parts})?`
}

/** Asks on the terminal; anything but yes is no. */
async function confirmed(text: string, signal: AbortSignal): Promise<boolean> {
  if (!process.stdin.isTTY || !process.stderr.isTTY)
    throw new StreamingLLMError('INVALID_OPTION', `${text} Nobody can be asked here: give --yes.`)
  const terminal = readline.createInterface({ input: process.stdin, output: process.stderr })
  const { controller, unlink } = followingController(signal)
  // In its raw mode the terminal sends Ctrl-C as a key, and Ctrl-D closes the input: that is no, too.
  terminal.once('SIGINT', () => controller.abort(new Interrupted()))
  let answered = false
  const closed = new Promise<string>(resolve => terminal.once('close', () => resolve(''))).finally(() => {
    if (!answered) process.stderr.write('\n')
  })
  try {
    const answer = await Promise.race([
      terminal.question(`${text} [y/N] `, { signal: controller.signal }).finally(() => {
        answered = true
      }),
      closed,
    ])
    throwIfAborted(controller.signal)
    return /^y(es)?$/i.test(answer.trim())
  } catch (error) {
    throwIfAborted(controller.signal)
    throw error
  } finally {
    unlink()
    terminal.close()
  }
}
