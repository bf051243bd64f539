import { StreamingLLMError } from '../../../lib/errors.js'
import { loadModel, streamChat, type Chat, type Model, type Sequence } from '../../../lib/index.js'
import { parseModelOptions } from '../../../lib/options.js'
import { tinyModel } from '../../../test/tools/tiny-models.js'
import type { SeededRandom } from '../../../test/tools/tiny-random.js'
import { expect, type FuzzTarget } from '../target.js'

interface Prepared {
  model: Model
  chat: Chat
  sequence: Sequence
}

const sampling = ['temperature', 'dynamicTemperature', 'topK', 'topP', 'minP', 'typicalP', 'topNSigma', 'xtc', 'mirostat', 'adaptiveP', 'repeatPenalty', 'frequencyPenalty', 'presencePenalty', 'penaltyTokens', 'dry', 'logitBias', 'seed']
const generation = [...sampling, 'maxTokens', 'stop', 'timeLimit', 'signal', 'priority', 'logprobs', 'grammar', 'startWith', 'toolChoice', 'maxToolRounds', 'speculation', 'keepUnanswered']
const policy = ['policy', 'sinks', 'window', 'reanchorEvery', 'rebaseAfter']
const conversation = [...policy, ...sampling, 'system', 'pinSystem', 'pinShare', 'evict', 'messages', 'restore', 'reasoning', 'keepMessages']
const loading = ['gpu', 'gpuLayers', 'threads', 'batchSize', 'cacheTokens', 'libraries', 'rpc', 'maxSequences', 'whenFull', 'swap', 'unloadAfter', 'kvType', 'flashAttention', 'probe', 'signal', 'onProgress', 'onLog', 'onWarning', 'chatTemplate', 'adapters', 'sha256']
const inner: Record<string, string[]> = {
  dynamicTemperature: ['range', 'exponent'], xtc: ['probability', 'threshold'], mirostat: ['version', 'tau', 'eta'], adaptiveP: ['target', 'decay'],
  dry: ['multiplier', 'base', 'allowedLength', 'tokens', 'breakers'], grammar: ['source', 'triggers'], toolChoice: ['tool'],
}

/** Every door that takes options, and the names that it knows. */
const doors: { name: string; names: string[]; call(prepared: Prepared, given: never, random: SeededRandom): unknown }[] = [
  { name: 'loadModel', names: loading, call: (_, given) => parseModelOptions(given) },
  { name: 'createChat', names: conversation, call: async ({ model }, given) => model.createChat(given).close() },
  { name: 'createSequence', names: policy, call: async ({ model }, given) => model.createSequence(given).close() },
  { name: 'ask', names: generation, call: ({ chat }, given) => chat.ask('Hello', given) },
  { name: 'generate', names: [...generation, 'tokens'], call: ({ sequence }, given) => read(sequence.generate(given)) },
  { name: 'stream', names: generation, call: ({ model }, given) => read(model.stream('Hello', given)) },
  { name: 'streamChat', names: [...generation, ...conversation, 'model'], call: ({ model }, given) => read(streamChat(withModel(given, model) as never)) },
  { name: 'embed', names: ['pooling', 'normalize', 'signal'], call: ({ model }, given) => model.embed(['Hello'], given) },
  { name: 'embed texts', names: [], call: ({ model }, given) => model.embed(given) },
  { name: 'tokenize', names: ['special'], call: ({ model }, given) => model.tokenize('Hello', given) },
  { name: 'tokenize text', names: [], call: ({ model }, given) => model.tokenize(given) },
  { name: 'detokenize', names: ['special'], call: ({ model }, given) => model.detokenize([5], given) },
  { name: 'detokenize tokens', names: [], call: ({ model }, given) => model.detokenize(given) },
  { name: 'said', names: ['role', 'content', 'toolCalls', 'toolCallId', 'reasoning'], call: ({ chat }, given) => chat.ask(given, { maxTokens: 1 }) },
  { name: 'add', names: [], call: ({ chat }, given) => chat.add(given) },
  { name: 'setSystem', names: [], call: ({ chat }, given) => chat.setSystem(given) },
  { name: 'undo', names: [], call: ({ chat }, given) => chat.undo(given) },
  { name: 'append', names: [], call: ({ sequence }, given) => sequence.append(given) },
]

const options: FuzzTarget = {
  description: 'Values of every kind for every public option: success or a typed error, which names the option.',
  async prepare(): Promise<Prepared> {
    const model = await loadModel(tinyModel('llama', { endBias: 4, contextLength: 256 }), { threads: 1, gpu: false, onWarning: () => {} })
    return { model, chat: model.createChat(), sequence: model.createSequence() }
  },
  async attempt(random, prepared, describe) {
    const door = doors[random.integer(doors.length)]!
    const names: string[] = []
    const given = door.names.length === 0 || random.integer(20) === 0 ? randomValue(random, 3) : randomOptions(random, door.names, names)
    describe(`${door.name}: ${names.join(', ') || typeof given}`)
    const misspelt = names.find(name => name.endsWith('Q'))
    try {
      await door.call(prepared as Prepared, limited(door.name, given) as never, random)
    } catch (error) {
      if (!StreamingLLMError.isInstance(error)) {
        // What a signal gives as its reason is thrown as it is.
        if (error instanceof Error && error.name === 'AbortError') return
        throw error
      }
      if (error.code === 'UNKNOWN_OPTION') expect(error.message.includes(String(error.details.option).slice(0, 20)), `the message does not name it: ${error.message}`)
      return
    }
    expect(misspelt === undefined, `'${misspelt}' was taken`)
  },
}

export default options

/** So that replies are short. */
function limited(door: string, given: unknown): unknown {
  if (typeof given !== 'object' || given === null || !['ask', 'generate', 'stream', 'streamChat'].includes(door)) return given
  try {
    return Object.isExtensible(given) && !('maxTokens' in given) ? Object.assign(given, { maxTokens: 3 }) : given
  } catch {
    return given
  }
}

/** What cannot be added to, or is no object, is left as it is. */
function withModel(given: unknown, model: Model): unknown {
  try {
    return Object.assign(given as object, { model })
  } catch {
    return given
  }
}

async function read(stream: AsyncIterable<unknown>): Promise<void> {
  let events = 0
  for await (const _ of stream) if (++events > 200) return
}

function randomOptions(random: SeededRandom, known: readonly string[], names: string[]): object {
  const given: Record<PropertyKey, unknown> = {}
  for (let count = random.integer(4); count >= 0; count--) {
    const name = known[random.integer(known.length)]!
    const spelt = random.integer(30) === 0 ? `${name}Q` : name
    names.push(spelt)
    if (random.integer(25) === 0) Object.defineProperty(given, spelt, { enumerable: true, configurable: true, get() { throw new RangeError('a getter') } })
    else Object.defineProperty(given, spelt, { enumerable: true, configurable: true, writable: true, value: valueFor(random, name) })
  }
  if (random.integer(30) === 0) given[Symbol('other')] = 1
  if (random.integer(30) === 0) Object.setPrototypeOf(given, random.integer(2) === 0 ? null : { temperature: -1 })
  return random.integer(20) === 0 ? new Proxy(given, {}) : random.integer(40) === 0 ? Object.freeze(given) : given
}

function valueFor(random: SeededRandom, name: string): unknown {
  const own = inner[name]
  if (own !== undefined && random.integer(4) > 0) return randomOptions(random, own, [])
  if (name === 'logitBias' && random.integer(2) === 0) return Array.from({ length: random.integer(4) }, () => [random.integer(300), randomNumber(random)])
  if (name === 'messages' && random.integer(2) === 0) return Array.from({ length: random.integer(3) }, () => ({ role: randomText(random), content: randomText(random) }))
  return random.integer(2) === 0 ? randomNumber(random) : randomValue(random, 2)
}

const numbers = [0, -0, 1, 2, 0.5, 0.999, 1e-45, 1e-40, 1e-38, 1e-20, 1e30, 3e38, 3.5e38, 1e300, 5e-324, -1, -1e-45, NaN, Infinity, -Infinity, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 53, 5e8, 100, 1024]
const words = ['', 'a', 'auto', 'none', 'window', 'token', 'turn', 'streaming', 'dense', 'recompute', 'all', 'user', 'assistant', 'tool', 'system', '__proto__', 'constructor', '\ud800', '\0', 'root ::= "a"*', 'mean', 'last', 'x'.repeat(300), '=== '.repeat(50)]

function randomNumber(random: SeededRandom): number {
  return numbers[random.integer(numbers.length)]!
}

function randomText(random: SeededRandom): string {
  return words[random.integer(words.length)]!
}

function randomValue(random: SeededRandom, depth: number): unknown {
  const kind = random.integer(depth > 0 ? 22 : 14)
  switch (kind) {
    case 0: return null
    case 1: return undefined
    case 2: return true
    case 3: return 10n ** 30n
    case 4: return Symbol('value')
    case 5: return () => 1
    case 6: return new Float64Array([1, NaN])
    case 7: return new Date(NaN)
    case 8: return AbortSignal.abort()
    case 9: return new AbortController().signal
    case 10: return /x/
    case 11: case 12: return randomText(random)
    case 13: return randomNumber(random)
    case 14: return new Array(2 ** 25)
    case 15: return Array.from({ length: random.integer(4) }, () => randomValue(random, depth - 1))
    case 16: return JSON.parse(`{"__proto__": {"polluted": true}, "constructor": 1}`)
    case 17: {
      const cycle: Record<string, unknown> = { role: 'user', content: 'x' }
      cycle.self = cycle
      return random.integer(2) === 0 ? cycle : [cycle]
    }
    case 18: {
      const { proxy, revoke } = Proxy.revocable(random.integer(2) === 0 ? [] : {}, {})
      revoke()
      return proxy
    }
    case 19: return new Proxy(random.integer(2) === 0 ? [] : {}, { get() { throw new RangeError('a trap') }, ownKeys() { throw new RangeError('a trap') } })
    case 20: return { get length() { throw new RangeError('a length') }, toString() { throw new RangeError('a text') }, [Symbol.toPrimitive]() { throw new RangeError('a primitive') } }
    default: return new Map([[1, 2]])
  }
}
