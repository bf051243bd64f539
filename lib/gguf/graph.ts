import { unrotatedArchitectures } from './architectures.js'
import * as rules from './graph-rules.js'
import type { HparamReader } from './hparam-reader.js'

interface Size {
  width: number
  layers: number
}

/** llama.cpp's own limit of what layers count to. */
const maxLayers = 512
const maxGatingFunctions = 4
const maxPoolings = 4

/**
 * Checks what llama.cpp asserts of a model's figures when it plans a batch, or divides by: each would end the process
 * at the first decode.
 */
export function checkGraph(read: HparamReader, size: Size): void {
  checkSharedHeads(read, size)
  const head = headSize(read, size)
  if (head !== undefined) {
    checkHeadSizes(read, head)
    checkRotation(read, head)
  }
  checkStates(read, size)
  checkDivisors(read)
  checkExpertNumbers(read)
  checkFamilies(read, size)
}

/** The size of a head's key, and of a head that is its share of the model's width. */
interface Head {
  key: number
  share: number
}

/** As llama.cpp takes it, of the first layer's; undefined where that has no heads. */
function headSize(read: HparamReader, { width, layers }: Size): Head | undefined {
  const heads = read.perLayer('attention.head_count', layers)?.[0] ?? 0
  if (heads === 0) return undefined
  const share = Math.floor(width / heads)
  return { key: read.optional('attention.key_length') ?? share, share }
}

/** Each key-value head serves as many query heads. */
function checkSharedHeads(read: HparamReader, { layers }: Size): void {
  const heads = read.perLayer('attention.head_count', layers)
  const shared = read.perLayer('attention.head_count_kv', layers)
  if (heads === undefined || shared === undefined || read.architecture in rules.shiftedTokens) return
  for (let layer = 0; layer < Math.max(heads.length, shared.length); layer++) {
    const queries = heads[layer] ?? heads[0]!
    const keys = shared[layer] ?? shared[0]!
    if (queries > 0 && keys > 0 && queries % keys !== 0)
      throw read.wrong('attention.head_count_kv', `the model has ${queries} heads, which are no multiple of ${keys}`)
  }
}

function checkHeadSizes(read: HparamReader, { key, share }: Head): void {
  if (key === 0) throw read.wrong('attention.key_length', 'a head has one component at least')
  const value = read.optional('attention.value_length') ?? share
  if (value === 0) throw read.wrong('attention.value_length', 'a head has one component at least')
  if (!rules.equalHeads.has(read.architecture)) return
  if (value !== key)
    throw read.wrong('attention.value_length', `keys have ${key} components and values ${value}, and they need as many`)
  const [windowedKey, windowedValue] = [
    read.optional('attention.key_length_swa') ?? key,
    read.optional('attention.value_length_swa') ?? value,
  ]
  if (windowedKey !== windowedValue)
    throw read.wrong(
      'attention.value_length_swa',
      `keys of windowed layers have ${windowedKey} components, and values need as many`,
    )
}

function checkRotation(read: HparamReader, { key: head }: Head): void {
  const { architecture } = read
  if (unrotatedArchitectures.has(architecture) && !rules.splitHeads.has(architecture)) return
  const name = 'rope.dimension_count'
  const given = read.optional(name)
  const rotated = given ?? head
  const latent = read.optional('attention.key_length_mla') ?? 0
  const whole = latent > 0 ? latent : head
  // None is no way to rotate: llama.cpp computes on without end.
  if (rotated === 0 || rotated > whole || rotated % 2 !== 0) {
    if (given === undefined)
      throw read.wrong('attention.key_length', `heads of ${head} components cannot be rotated by pairs`)
    throw read.wrong(name, `an even number from 2 to ${whole} is needed, the size of a head`)
  }
  if (rules.wholeHeadsRotated.has(architecture) && rotated !== head)
    throw read.wrong(name, `all ${head} components of a head are rotated in this architecture`)
  if (rules.splitHeads.has(architecture) && rotated >= whole)
    throw read.wrong(name, `less than the ${whole} components of a head are rotated in this architecture`)
  if (
    rules.latentAlways.has(architecture) &&
    (latent === 0 || (read.optional('attention.value_length_mla') ?? 0) === 0)
  ) {
    throw read.wrong('attention.key_length_mla', 'sizes of keys and values are needed')
  }
  if (read.entry('attention.key_length_swa') !== undefined || read.entry('rope.dimension_count_swa') !== undefined) {
    const windowedHead = read.optional('attention.key_length_swa') ?? head
    const windowed = read.optional('rope.dimension_count_swa') ?? rotated
    if (windowed === 0 || windowed > windowedHead || windowed % 2 !== 0)
      throw read.wrong(
        'rope.dimension_count_swa',
        `an even number from 2 to ${windowedHead} is needed, the size of a head of windowed layers`,
      )
  }
  if (rules.indexed.has(architecture) && rotated > (read.optional('attention.indexer.key_length') ?? rotated)) {
    throw read.wrong('attention.indexer.key_length', `it has ${rotated} components that are rotated`)
  }
  // Half of it where a layer sees all.
  if (architecture === 'step35' && rotated % 4 !== 0) throw read.wrong(name, 'a multiple of 4 is needed')
  checkSections(read, head)
}

function checkSections(read: HparamReader, head: number): void {
  const name = 'rope.dimension_sections'
  const needed = rules.sectioned.has(read.architecture)
  if (!needed && !rules.sectionedIfGiven.has(read.architecture)) return
  const sections = read.numbers(name, 4)
  if (sections === undefined) {
    if (needed) throw read.wrong(name, 'an array of 4 numbers is needed')
    return
  }
  const sum = sections.reduce((total, each) => total + each, 0)
  if (sections.some(each => each < 0) || sum > head)
    throw read.wrong(name, `sections that add up to ${head} at most are needed, the size of a head`)
  if (needed && sections.slice(0, 3).every(each => each === 0))
    throw read.wrong(name, 'one of the first three sections has to have a size')
}

function checkStates(read: HparamReader, { width }: Size): void {
  const { architecture } = read
  const inner = read.optional('ssm.inner_size')
  if (rules.doubleWidthStates.has(architecture) && inner !== undefined && inner !== 2 * width)
    throw read.wrong('ssm.inner_size', `${2 * width} is needed, twice the model's width`)
  if (read.optional('ssm.conv_kernel') === 0) throw read.wrong('ssm.conv_kernel', 'one token at least is needed')
  if (read.optional('ssm.state_size') === 0) throw read.wrong('ssm.state_size', 'a size is needed')
  const heads = read.optional('ssm.time_step_rank')
  const groups = read.optional('ssm.group_count')
  if (rules.headedStates.has(architecture)) {
    if (inner !== undefined && (heads === undefined || heads === 0 || inner % heads !== 0))
      throw read.wrong('ssm.time_step_rank', `as many heads as share the inner size of ${inner} are needed`)
    if (inner !== undefined && (groups === undefined || groups === 0 || inner % groups !== 0 || heads! % groups !== 0))
      throw read.wrong(
        'ssm.group_count',
        `groups that share the inner size of ${inner} and the ${heads} heads are needed`,
      )
  }
  if (architecture === 'plamo2') {
    if (groups !== 0) throw read.wrong('ssm.group_count', 'this architecture has none')
    if (inner !== undefined && (heads === undefined || heads === 0 || inner % heads !== 0))
      throw read.wrong('ssm.time_step_rank', `as many heads as share the inner size of ${inner} are needed`)
  }
  if (rules.deltaNets.has(architecture)) {
    const state = read.optional('ssm.state_size')
    if (heads === undefined || heads === 0 || inner !== heads * (state ?? 0))
      throw read.wrong('ssm.inner_size', `${heads ?? 0} heads of ${state ?? 0} components are needed`)
    if (groups === undefined || groups === 0 || heads % groups !== 0)
      throw read.wrong('ssm.group_count', `the model has ${heads} heads of values, which have to share those of keys`)
  }
  const tokens = rules.shiftedTokens[architecture]
  if (tokens !== undefined) {
    const head = read.optional('wkv.head_size')
    if (head === undefined || head === 0 || width % head !== 0)
      throw read.wrong('wkv.head_size', `heads that share the width of ${width} are needed`)
    if ((read.optional('token_shift_count') ?? 2) !== tokens)
      throw read.wrong('token_shift_count', `${tokens} is needed in this architecture`)
  }
  if (rules.shortConvolutions.has(architecture) && (read.optional('shortconv.l_cache') ?? 0) < 2)
    throw read.wrong('shortconv.l_cache', 'two tokens at least are needed')
  if (rules.deltaAttention.has(architecture) && (read.optional('kda.head_dim') ?? 0) === 0)
    throw read.wrong('kda.head_dim', 'a size is needed')
}

/** What llama.cpp divides by. */
function checkDivisors(read: HparamReader): void {
  const { architecture } = read
  const positive = (name: string, needed: boolean) => {
    const value = read.optional(name)
    if (value === 0 || (needed && value === undefined)) throw read.wrong(name, 'a number above 0 is needed')
  }
  if (rules.intervals.has(architecture)) positive('full_attention_interval', false)
  if (architecture === 'ernie4_5-moe') positive('interleave_moe_layer_step', true)
  if (architecture === 'kimi-k3') positive('attn_res.block_size', true)
  if (architecture === 'minimax-m3') positive('attention.indexer.block_size', true)
  if (architecture === 'grovemoe') positive('experts_per_group', true)
  if (architecture === 'deepseek4') positive('attention.output_group_count', true)
  if (rules.indexed.has(architecture)) {
    positive('attention.indexer.head_count', true)
    positive('attention.indexer.key_length', true)
    positive('attention.indexer.top_k', true)
  }
}

function checkExpertNumbers(read: HparamReader): void {
  if (rules.alwaysExperts.has(read.architecture) && (read.optional('expert_count') ?? 0) === 0)
    throw read.wrong('expert_count', 'models of this architecture have experts')
  const gating = read.optional('expert_gating_func') ?? 0
  if (gating > maxGatingFunctions)
    throw read.wrong('expert_gating_func', `a number up to ${maxGatingFunctions} is needed`)
  const pooling = read.optional('pooling_type') ?? 0
  if (pooling > maxPoolings) throw read.wrong('pooling_type', `a number up to ${maxPoolings} is needed`)
}

/** What one architecture alone asserts. */
function checkFamilies(read: HparamReader, { layers }: Size): void {
  const heads = read.perLayer('attention.head_count', layers)?.[0] ?? 0
  switch (read.architecture) {
    case 'deepseek2-ocr': {
      const base = read.real('rope.freq_base') ?? 10_000
      if (!(Math.abs(base - 10_000) < 1e-4)) throw read.wrong('rope.freq_base', '10000 is needed in this architecture')
      return
    }
    case 'bailingmoe3': {
      const bound = read.real('kda.gate_lower_bound')
      if (bound !== undefined && !(bound < 0)) throw read.wrong('kda.gate_lower_bound', 'a negative number is needed')
      const safe = read.entry('kda.safe_gate')
      if (safe?.type === 'bool' && !safe.value) throw read.wrong('kda.safe_gate', 'true is needed')
      return
    }
    case 'deepseek4': {
      if (read.optional('hyper_connection.count') !== 4) throw read.wrong('hyper_connection.count', '4 is needed')
      const groups = read.optional('attention.output_group_count') ?? 1
      if (heads % groups !== 0)
        throw read.wrong('attention.output_group_count', `the model has ${heads} heads, which have to share them`)
      if (
        (read.entry('attention.compress_ratios')?.type === 'array'
          ? (read.numbers('attention.compress_ratios', 0)?.length ?? 0)
          : 0) > maxLayers
      )
        throw read.wrong('attention.compress_ratios', `${maxLayers} at most are needed`)
      return
    }
    case 'gemma4': {
      const shared = read.optional('attention.shared_kv_layers') ?? 0
      if (shared > 0 && layers - shared < 2)
        throw read.wrong(
          'attention.shared_kv_layers',
          `the model has ${layers} layers, of which two have to have keys and values of their own`,
        )
      return
    }
    case 'minimax-m3': {
      const shared = read.perLayer('attention.head_count_kv', layers)?.[0] ?? heads
      if (read.optional('attention.indexer.head_count') !== shared)
        throw read.wrong('attention.indexer.head_count', `${shared} are needed, one for each key-value head`)
      return
    }
    case 'nanbeige': {
      const loops = read.optional('num_loops') ?? 1
      if (loops < 1 || loops * layers > maxLayers)
        throw read.wrong('num_loops', `1 to ${Math.floor(maxLayers / layers)} are needed`)
    }
  }
}
