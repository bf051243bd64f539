import { hybridArchitectures, recurrentArchitectures } from '../gguf/architectures.js'
import type { ModelHeader } from '../gguf/check.js'
import { ArchitectureHparams } from '../gguf/metadata.js'
import { arrayInsteadOfPeriod, attentionIntervals, trunkOnlyArchitectures, windowRules } from './architectures.js'

/** What one layer remembers. */
export interface LayerMemory {
  /** Values of a token's key, over all heads; 0 for a layer that keeps none. */
  keyWidth: number
  /** Values of its value; 0 also where key and value are one (MLA). */
  valueWidth: number
  /** It sees only the latest tokens. */
  windowed: boolean
  /** Values, of 4 bytes each, of a sequence's state; 0 for a layer without one. */
  stateWidth: number
}

export interface LayerMemories {
  layers: LayerMemory[]
  /** Tokens that windowed layers see; 0 where there are none. */
  window: number
}

type Header = Pick<ModelHeader, 'architecture' | 'metadata' | 'weightBytes'>

/** What each layer of a model remembers, as far as the file's header tells; as llama.cpp lays it out. */
export function layerMemories(header: Header): LayerMemories {
  const { architecture } = header
  const hparams = new ArchitectureHparams(architecture, header.metadata)
  const count = hparams.number('block_count') ?? header.weightBytes.layers.length
  const trunk = count - (hparams.number('nextn_predict_layers') ?? 0)
  const { window, windowed } = windowedLayers(hparams, trunk)
  const kinds = layerKinds(hparams, count, trunk)
  const width = hparams.number('embedding_length') ?? 0
  const heads = hparams.perLayer('attention.head_count', count) ?? []
  const sharedHeads = hparams.perLayer('attention.head_count_kv', count) ?? heads
  const usual = (heads[0] ?? 0) > 0 ? width / heads[0]! : 0
  const key = {
    all: hparams.number('attention.key_length') ?? usual,
    windowed: hparams.number('attention.key_length_swa'),
  }
  const value = {
    all: hparams.number('attention.value_length') ?? usual,
    windowed: hparams.number('attention.value_length_swa'),
  }
  const isLatent =
    (hparams.number('attention.key_length_mla') ?? 0) > 0 && (hparams.number('attention.value_length_mla') ?? 0) > 0
  const keepers = keptFromStart(hparams, count)
  const state = stateWidth(hparams, width, heads[0] ?? 0)
  const layers = Array.from({ length: count }, (_, layer): LayerMemory => {
    const { attends, remembers } = kinds[layer]!
    const narrow = windowed[layer] ?? false
    const shared = attends && layer < keepers ? (sharedHeads[layer] ?? 0) : 0
    return {
      keyWidth: shared * (narrow ? (key.windowed ?? key.all) : key.all),
      valueWidth: isLatent ? 0 : shared * (narrow ? (value.windowed ?? value.all) : value.all),
      windowed: narrow,
      stateWidth: remembers ? state : 0,
    }
  })
  return { layers, window }
}

function windowedLayers(hparams: ArchitectureHparams, trunk: number): { window: number; windowed: boolean[] } {
  const none = { window: 0, windowed: [] }
  const rule = windowRules[hparams.architecture]
  if (rule === undefined || (rule.onlyWithLayers ?? trunk) !== trunk) return none
  const named = hparams.number('attention.sliding_window') ?? rule.defaultWindow ?? 0
  const window = named === 0 ? 0 : (rule.fixedWindow ?? named)
  if (window === 0) return none
  const pattern = 'attention.sliding_window_pattern'
  const array = hparams.array(pattern)
  if (array !== undefined && (rule.period === undefined || arrayInsteadOfPeriod.has(hparams.architecture))) {
    return { window, windowed: array.slice(0, trunk).map(each => each !== 0) }
  }
  const given = hparams.number(pattern)
  if (rule.period === undefined) return { window, windowed: Array.from({ length: trunk }, () => (given ?? 0) !== 0) }
  const period = rule.period === 0 ? 0 : (given ?? rule.period)
  const isWindowed = (layer: number): boolean =>
    period === 0 || (rule.denseFirst ? layer % period !== 0 : layer % period < period - 1)
  return { window, windowed: Array.from({ length: trunk }, (_, layer) => isWindowed(layer)) }
}

/** Which layers attend, and which have a state. */
function layerKinds(
  hparams: ArchitectureHparams,
  count: number,
  trunk: number,
): { attends: boolean; remembers: boolean }[] {
  const { architecture } = hparams
  const interval = attentionIntervals[architecture]
  const listed = interval === undefined ? undefined : hparams.array('attention.recurrent_layers')
  const every = hparams.number('full_attention_interval') ?? interval ?? 1
  const sharedHeads = hparams.perLayer('attention.head_count_kv', count)
  const feedForward = hparams.perLayer('feed_forward_length', count)
  const isNemotron = architecture.startsWith('nemotron_h')
  const isRecurrent = (layer: number): boolean => {
    if (recurrentArchitectures.has(architecture)) return true
    if (!hybridArchitectures.has(architecture) || layer >= trunk) return false
    if (listed !== undefined) return (listed[layer] ?? 0) !== 0
    if (interval !== undefined) return (layer + 1) % every !== 0
    return sharedHeads?.[layer] === 0
  }
  return Array.from({ length: count }, (_, layer) => {
    if (architecture === 'falcon-h1') return { attends: true, remembers: layer < trunk }
    if (trunkOnlyArchitectures.has(architecture) && layer >= trunk) return { attends: false, remembers: false }
    // Theirs are layers of one kind each: feed-forward, attention, or a state.
    if (isNemotron && (feedForward?.[layer] ?? 0) > 0) return { attends: false, remembers: false }
    const recurrent = isRecurrent(layer)
    return { attends: !recurrent, remembers: recurrent && layer < trunk }
  })
}

/** The last layers of some models use the keys and values of earlier ones. */
function keptFromStart(hparams: ArchitectureHparams, count: number): number {
  if (hparams.architecture === 'gemma3n') return 20
  return hparams.architecture === 'gemma4' ? count - (hparams.number('attention.shared_kv_layers') ?? 0) : count
}

function stateWidth(hparams: ArchitectureHparams, width: number, heads: number): number {
  const hparam = (name: string): number => hparams.number(name) ?? 0
  const headSize = hparam('wkv.head_size')
  if (headSize > 0) return (hparams.number('token_shift_count') ?? 2) * width + width * headSize
  const latches = hparam('shortconv.l_cache')
  if (latches > 0) return width * (latches - 1)
  const kernel = hparam('ssm.conv_kernel')
  const deltaHead = hparam('kda.head_dim')
  if (deltaHead > 0) return 3 * (kernel > 0 ? kernel - 1 : 3) * heads * deltaHead + deltaHead * deltaHead * heads
  if (hparams.architecture === 'minimax-01') return hparam('attention.key_length') ** 2 * heads
  const inner = hparam('ssm.inner_size')
  const state = hparam('ssm.state_size')
  return Math.max(0, kernel - 1) * (inner + 2 * hparam('ssm.group_count') * state) + state * inner
}
