import type { ModelHeader } from '../gguf/check.js'
import { tokensKey } from '../gguf/header.js'
import { ArchitectureHparams, arrayLength, type MetadataValue } from '../gguf/metadata.js'
import type { EstimateRequest, MemoryEstimate } from '../model/estimate-memory.js'
import { type FileInfo, fileInfo } from '../model/model-info.js'
import type { ModelMemory } from '../model/model-memory.js'
import { usualLimits } from '../model/usual-limits.js'
import { byteText, columns, countText } from './format.js'
import { plainText } from './plain-text.js'

export interface SpecialToken {
  /** As the file's key has it: `bos`, `eos`, `eot`, `padding`. */
  name: string
  id: number
  /** Undefined for an id that the vocabulary does not have. */
  text: string | undefined
}

/** What the file of a model says of it. */
export interface Inspection extends FileInfo {
  /** Of the first part; of a model that is not on this machine its reference. */
  path: string
  isLocal: boolean
  parts: number
  /** Values of a token inside the model. */
  width: number | undefined
  /**
   * Query heads, and heads of keys and values; of layers that differ, the most. Undefined where there is no attention.
   */
  heads: number | undefined
  keyValueHeads: number | undefined
  specialTokens: SpecialToken[]
}

export async function inspectionOf(
  header: ModelHeader,
  memory: ModelMemory,
  isLocal: boolean,
  textsOf: (ids: readonly number[]) => Promise<Map<number, string>>,
): Promise<Inspection> {
  const hparams = new ArchitectureHparams(header.architecture, header.metadata)
  const layers = hparams.number('block_count') ?? header.weightBytes.layers.length
  const max = (name: string): number | undefined => {
    const values = hparams.perLayer(name, layers)
    return values === undefined || Math.max(...values) === 0 ? undefined : Math.max(...values)
  }
  const limits = () => usualLimits({}, { trainedLength: header.contextLength, memory })
  const heads = max('attention.head_count')
  return {
    path: header.path,
    isLocal,
    parts: header.splitCount,
    ...fileInfo(
      header,
      memory,
      {
        trainedLength: header.contextLength,
        vocabularySize: arrayLength(header.metadata, tokensKey),
        layers,
        chatTemplate: header.chatTemplate,
      },
      limits,
    ),
    width: hparams.number('embedding_length'),
    heads,
    keyValueHeads: max('attention.head_count_kv') ?? heads,
    specialTokens: await specialTokens(header, textsOf),
  }
}

async function specialTokens(
  { metadata }: ModelHeader,
  textsOf: (ids: readonly number[]) => Promise<Map<number, string>>,
): Promise<SpecialToken[]> {
  const named = [...metadata].flatMap(([key, id]) => {
    const name = /^tokenizer\.ggml\.(\w+)_token_id$/.exec(key)?.[1]
    return name === undefined || typeof id !== 'number' ? [] : [{ name: name === 'seperator' ? 'separator' : name, id }]
  })
  const texts = await textsOf(named.map(({ id }) => id))
  return named.map(({ name, id }) => ({ name, id, text: texts.get(id) }))
}

const templateLines = 5
const maxLineLength = 100

/** As people read it. */
export function inspectionText(
  found: Inspection & { estimate: MemoryEstimate },
  { model, chats }: EstimateRequest,
  { metadata = false } = {},
): string {
  const { estimate, policy, memory } = found
  const rows: string[][] = [
    [
      'file',
      `${found.path} (${byteText(found.sizeBytes)}${found.parts > 1 ? ` in ${found.parts} parts` : ''}${found.isLocal ? '' : ', not downloaded'})`,
    ],
    ['architecture', found.architecture],
    ['parameters', parameterText(found.parameters)],
    ['quantization', found.quantization],
    ['trained length', `${countText(found.trainedLength)} tokens`],
    ['layers', `${found.layers}${found.width === undefined ? '' : `, ${countText(found.width)} wide`}`],
    ['heads', found.heads === undefined ? 'none' : `${found.heads}, of keys and values ${found.keyValueHeads}`],
    [
      'vocabulary',
      `${countText(found.vocabularySize)} tokens (${String(found.metadata['tokenizer.ggml.model'] ?? 'unknown kind')})`,
    ],
    [
      'special tokens',
      found.specialTokens
        .map(({ name, id, text }) => `${name} ${id}${text === undefined ? '' : ` ${JSON.stringify(text)}`}`)
        .join(', ') || 'none named',
    ],
    ['licence', found.licence ?? 'not named'],
    ['memory', `${memory.kind}: ${memory.reason}`],
    ['streaming', policy === undefined ? 'no window fits by default: give sinks and window' : policyText(policy)],
  ]
  const lines = [
    found.name ?? 'a model without a name',
    columns(rows),
    '',
    ...templateText(found.chatTemplate),
    '',
    ...estimateText(
      estimate,
      `${chats} ${chats === 1 ? 'chat' : 'chats'} of ${countText(estimate.sinks)} + ${countText(estimate.window)} tokens, ${model.kvType} keys and values, batches of ${model.batchSize}`,
    ),
  ]
  lines.push(
    '',
    `Only loading tells whether llama.cpp takes the file's tensors, and the exact size of its compute buffers; the kind of memory is known by the architecture's name, for those of llama.cpp v0.4.0.`,
  )
  if (metadata) lines.push('', ...Object.entries(found.metadata).map(([key, value]) => `${key} = ${valueText(value)}`))
  // What a file says must not do things to the terminal.
  return lines.map(line => plainText(line)).join('\n')
}

function policyText({ eviction, sinks, window, reanchorEvery }: NonNullable<FileInfo['policy']>): string {
  const kept = `by default ${sinks} sinks and a window of ${countText(window)} tokens`
  if (eviction === 'refill') return `${kept}; when they are full, the sinks and half of the window are decoded again`
  return `${kept}; the oldest tokens leave one by one${reanchorEvery === undefined ? ', and the sinks stay where they are' : `, and the sinks move after each ${reanchorEvery}`}`
}

function templateText(template: string | undefined): string[] {
  if (template === undefined) return ['No chat template.']
  const all = template.replace(/\n$/, '').split('\n')
  const shown = all
    .slice(0, templateLines)
    .map(line => `  ${[...line].length > maxLineLength ? `${[...line].slice(0, maxLineLength).join('')}...` : line}`)
  const isWhole = all.length <= templateLines && all.every(line => [...line].length <= maxLineLength)
  return [
    `Chat template${isWhole ? '' : ` (${all.length} ${all.length === 1 ? 'line' : 'lines'}; all of it: --template)`}:`,
    ...shown,
  ]
}

function estimateText(
  { weights, cache, state, compute, tables, total, devices, notes }: MemoryEstimate,
  what: string,
): string[] {
  const rows = [
    ['  weights', byteText(weights)],
    ['  cache', byteText(cache)],
    ...(state > 0 ? [['  states', byteText(state)]] : []),
    ['  computing', `${byteText(compute)} (estimated)`],
    ['  tables', `${byteText(tables)} (estimated)`],
    ['  all', byteText(total)],
  ]
  const fit = devices.map(
    ({ name, needed, free = 0 }) =>
      `${needed <= free ? 'It fits' : 'It does not fit'}: ${byteText(free)} are free on this machine (${name}).`,
  )
  return [`Memory for ${what}:`, columns(rows), ...fit, ...notes]
}

function parameterText(count: number): string {
  for (const [word, size] of [
    ['billion', 1e9],
    ['million', 1e6],
  ] as const) {
    if (count >= size) return `${(count / size).toFixed(count >= 100 * size ? 0 : 1)} ${word}`
  }
  return countText(count)
}

function valueText(value: MetadataValue): string {
  if (typeof value === 'string')
    return JSON.stringify(
      [...value].length > maxLineLength ? `${[...value].slice(0, maxLineLength).join('')}...` : value,
    )
  if (typeof value !== 'object') return String(value)
  if ('byteLength' in value) return `a text of ${byteText(value.byteLength)}`
  const { arrayLength: length, values = [] } = value
  const shown = values.slice(0, 8).map(each => (typeof each === 'string' ? JSON.stringify(each) : String(each)))
  return `[${[...shown, ...(length > shown.length ? [`... ${countText(length)} in all`] : [])].join(', ')}]`
}
