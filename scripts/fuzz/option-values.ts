import type { SeededRandom } from '../../test/tools/tiny-random.js'
import { randomSchema } from './random-schema.js'

type Make = (random: SeededRandom) => unknown

const of =
  (...values: unknown[]): Make =>
  random =>
    values[random.integer(values.length)]
const list =
  (max: number, make: Make): Make =>
  random =>
    Array.from({ length: random.integer(max + 1) }, () => make(random))

/** The options that some options have. */
const inner: Record<string, string[]> = {
  dynamicTemperature: ['range', 'exponent'],
  xtc: ['probability', 'threshold'],
  mirostat: ['version', 'tau', 'eta'],
  adaptiveP: ['target', 'decay'],
  dry: ['multiplier', 'base', 'allowedLength', 'tokens', 'breakers'],
  grammar: ['source', 'triggers'],
  toolChoice: ['tool'],
}

const grammarSources = [
  'root ::= "a"*',
  'root ::= [a-z ]{1,20}',
  'root ::= r\nr ::= "x" r | "y"',
  'root ::= .*',
  'root ::= "\\u00e9" | "é"',
  'root ::= ""',
  'root ::=',
  'root ::= root "a" | "b"',
  '{',
  'root ::= "a"{0,999999}',
]
const text = of(
  '',
  'Hello',
  'é',
  '\ud83d\ude42',
  '\ud800',
  '\0',
  '<|im_end|>',
  '</s>',
  'a b c '.repeat(30),
  '=== '.repeat(50),
  'system',
  'x'.repeat(300),
)
const role = of('user', 'assistant', 'system', 'tool', 'user', 'assistant', 'other')
const call: Make = random => ({
  id: text(random),
  name: of('f', 'g', '')(random),
  arguments: of({}, { a: 1 }, JSON.parse('{"__proto__": {"a": 1}}'), { deep: [[[{}]]] })(random),
})
const message: Make = random => ({
  role: role(random),
  content: text(random),
  ...(random.integer(5) === 0 && { toolCalls: list(2, call)(random) }),
  ...(random.integer(6) === 0 && { toolCallId: text(random) }),
  ...(random.integer(6) === 0 && { reasoning: text(random) }),
})
const tool: Make = random => ({
  ...(random.integer(2) === 0 && { description: text(random) }),
  ...(random.integer(2) === 0 && {
    parameters:
      random.integer(3) === 0
        ? randomSchema(random, random.integer(3) === 0)
        : {
            type: 'object',
            properties: { a: { type: of('string', 'integer', 'boolean', 'null')(random) } },
            required: ['a'],
          },
  }),
  ...(random.integer(2) === 0 && { execute: execution(random) }),
})

/** What a tool does, and what comes back. */
function execution(random: SeededRandom): unknown {
  const results: (() => unknown)[] = [
    () => 'done',
    () => ({ a: 1 }),
    () => undefined,
    () => 5n,
    () => Symbol('x'),
    () => {
      const cycle: Record<string, unknown> = {}
      cycle['self'] = cycle
      return cycle
    },
    () => {
      throw new RangeError('a tool')
    },
    () => {
      throw undefined
    },
    () => Promise.reject(new Error('later')),
    () => Promise.resolve('later'),
    () => ({
      toJSON() {
        throw new Error('json')
      },
    }),
    () => ({
      // biome-ignore lint/suspicious/noThenProperty: what is awaited by mistake shows itself
      then() {
        throw new Error('then')
      },
    }),
    () =>
      new Proxy(
        {},
        {
          get() {
            throw new RangeError('a trap')
          },
        },
      ),
    () => 'x'.repeat(2_000),
    () => () => 1,
    () => '\ud800',
  ]
  return results[random.integer(results.length)]
}

/** What each option may be, its ends included, and now and then what is only just beyond them. */
const usual: Record<string, Make> = {
  temperature: of(0, 0.7, 1, 2, 1e-45, 1e-38, 1e30, 3e38),
  range: of(0, 0.5, 1, 100, 3e38),
  exponent: of(0, 1, 2.5, 1e30),
  topK: of(0, 1, 40, 2 ** 31 - 1),
  topP: of(1, 0.95, 1e-40, 0.5),
  minP: of(0, 0.05, 1),
  typicalP: of(1, 0.5, 1e-30),
  topNSigma: of(0, 1, 1e-20, 3e38),
  probability: of(0, 0.5, 1),
  threshold: of(0, 0.1, 0.5, 1),
  version: of(1, 2),
  tau: of(0, 5, 32),
  eta: of(0, 0.1, 1),
  target: of(0, 0.5, 1),
  decay: of(0, 0.9, 0.99),
  repeatPenalty: of(1, 1.1, 1e-30, 3e38),
  frequencyPenalty: of(0, -2, 2),
  presencePenalty: of(0, -2, 2),
  penaltyTokens: of(0, 64, 'window', 2 ** 20),
  multiplier: of(0, 0.8, 1e30),
  base: of(1, 1.75, 1e30),
  allowedLength: of(0, 2, 2 ** 31 - 1),
  tokens: of(1, 1024, 2 ** 20),
  breakers: list(17, text),
  logitBias: list(4, random => [of(5, 300, 0, 'a', ' the')(random), of(1, -1, false, 1e30, -3e38, 0)(random)]),
  seed: of(0, 1, 2 ** 32 - 2),
  maxTokens: of(1, 2, 3, 8, 60),
  stop: random => (random.integer(2) === 0 ? text(random) : list(17, text)(random)),
  timeLimit: of(1e-10, 1, 50, 1e9),
  priority: of(0, 1e9, -1e9, 0.5),
  logprobs: of(0, 1, 5, 100),
  grammar: of(...grammarSources),
  source: of(...grammarSources),
  triggers: list(3, of('a', 'x', 'é', '<tool>')),
  startWith: text,
  toolChoice: of('auto', 'none', 'required', { tool: 'f' }, { tool: 'g' }),
  maxToolRounds: of(1, 2, 1000),
  tool: of('f', 'g', '__proto__', 'toString'),
  speculation: of(true, false),
  keepUnanswered: of(true, false),
  responseFormat: random => (random.integer(3) === 0 ? 'json' : randomSchema(random, random.integer(3) === 0)),
  signal: random => abortSignal(random),
  policy: of('streaming', 'dense', 'window', 'recompute'),
  sinks: of(0, 1, 4, 20),
  window: of(1, 2, 20, 60, 200),
  reanchorEvery: of(1, 8, 200),
  rebaseAfter: of(1, 100, 1000, 2 ** 31 - 1),
  system: text,
  pinSystem: of(true, false),
  pinShare: of(0.25, 1, 1e-9),
  evict: of('token', 'turn'),
  messages: list(4, message),
  restore: of('window', 'all'),
  reasoning: of('template', 'keep', 'drop', 'text'),
  keepMessages: of('window', 'all'),
  tools: random =>
    Object.fromEntries(
      list(3, r => [of('f', 'g', 'f-1', '__proto__', 'no name')(r), tool(r)])(random) as [string, unknown][],
    ),
  chatTemplate: of(
    "{% for m in messages %}{{ m.role ~ ': ' ~ m.content ~ '\n' }}{% endfor %}",
    '{{ messages | tojson }}',
    '{{',
    '{{ raise_exception("no") }}',
    '{% for m in messages %}{{ m.content }}{% endfor %}{{ tools | tojson }}',
    'x',
  ),
  gpuLayers: of(0, 1, 'auto'),
  threads: of(1, 1, 2),
  batchSize: of(16, 17, 128, 4096),
  cacheTokens: of(82, 200, 1000, 2 ** 31 - 1),
  maxSequences: of(1, 2, 64),
  whenFull: of('wait', 'refuse'),
  swap: of('memory', 'disk'),
  unloadAfter: of(1, 50, 2 ** 31 - 1),
  kvType: of('f32', 'f16', 'q8_0', 'q4_0'),
  flashAttention: of('auto', 'on', 'off', true, false),
  mmap: of(true, false),
  onProgress: callback,
  onLog: callback,
  onWarning: callback,
  adapters: list(2, of({ path: '/nowhere' }, { path: '/nowhere', scale: 1 }, { path: '' }, { scale: 1 })),
  sha256: of('0'.repeat(64), 'F'.repeat(64)),
  probe: of(false),
  rpc: of(['a:1']),
  libraries: of('/nowhere', 'built'),
  gpu: of(false, 'auto'),
  pooling: of('mean', 'last', 'cls'),
  normalize: of(true, false),
  special: of(true, false),
  role,
  content: text,
  toolCalls: list(2, call),
  toolCallId: text,
  input: random => (random.integer(2) === 0 ? text(random) : list(3, message)(random)),
  'token list': random =>
    of(
      [5],
      [],
      [300, 301],
      new Int32Array([1, 2]),
      { length: 2, 0: 1, 1: 5 },
      [-1],
      [1e9],
      [0.5],
      { length: 1e12 },
      { length: -1 },
    )(random),
  'text list': list(3, text),
  count: of(1, 2, 3),
  exchanges: of(1, 2, 1e9),
  contextLength: of(1, 512, 2 ** 31 - 1),
  'more texts': list(3, text),
}

/** A function that says nothing, or throws. */
function callback(random: SeededRandom): unknown {
  return random.integer(3) > 0
    ? () => {}
    : () => {
        throw new RangeError('a callback')
      }
}

/** One that fires at some time, or what only looks like one. */
function abortSignal(random: SeededRandom): unknown {
  const makes: (() => unknown)[] = [
    () => AbortSignal.abort(),
    () => AbortSignal.abort(null),
    () => AbortSignal.timeout(1 + random.integer(5)),
    () => {
      const controller = new AbortController()
      queueMicrotask(() => controller.abort())
      return controller.signal
    },
    () => {
      const controller = new AbortController()
      setImmediate(() => controller.abort(new Error('mine', { cause: 'fuzz' })))
      return controller.signal
    },
    () => new AbortController().signal,
    () => ({ aborted: false, addEventListener() {} }),
    () => alike({}),
    () => alike({ aborted: true, reason: new Error('mine', { cause: 'fuzz' }) }),
    () =>
      alike({
        aborted: true,
        throwIfAborted() {
          throw new Error('mine', { cause: 'fuzz' })
        },
      }),
    () =>
      alike({
        addEventListener() {
          throw new RangeError('a listener')
        },
      }),
    () =>
      alike({
        removeEventListener() {
          throw new RangeError('a listener')
        },
      }),
    () =>
      alike({
        addEventListener(_: string, listener: unknown) {
          if (typeof listener === 'function') listener()
        },
      }),
  ]
  return makes[random.integer(makes.length)]!()
}

function alike(other: object): object {
  return {
    aborted: false,
    reason: undefined,
    addEventListener() {},
    removeEventListener() {},
    throwIfAborted() {},
    ...other,
  }
}

/**
 * A value for an option of this name: mostly one that it may have; else anything. `names` is told what there is within.
 */
export function valueFor(random: SeededRandom, name: string): unknown {
  const own = inner[name]
  if (own !== undefined && random.integer(4) > 0) return randomOptions(random, own, [])
  const make = usual[name]
  if (make !== undefined && random.integer(5) > 0) return make(random)
  return random.integer(2) === 0 ? randomNumber(random) : randomValue(random, 2)
}

/** Some of these options, in an object that may itself be odd. What they are called is added to `names`. */
export function randomOptions(random: SeededRandom, known: readonly string[], names: string[]): object {
  const given: Record<PropertyKey, unknown> = {}
  for (let count = random.integer(4); count >= 0; count--) {
    const name = known[random.integer(known.length)]!
    const value = valueFor(random, name)
    const spelt = random.integer(60) === 0 && value !== undefined ? `${name}Q` : name
    names.push(spelt)
    const later = random.integer(40) === 0 ? randomValue(random, 2) : value
    let reads = 0
    if (random.integer(50) === 0)
      Object.defineProperty(given, spelt, {
        enumerable: true,
        configurable: true,
        get() {
          throw new RangeError('a getter')
        },
      })
    // Read again, it is another one.
    else if (later !== value)
      Object.defineProperty(given, spelt, {
        enumerable: true,
        configurable: true,
        get: () => (reads++ === 0 ? value : later),
      })
    else Object.defineProperty(given, spelt, { enumerable: true, configurable: true, writable: true, value })
  }
  if (random.integer(60) === 0) given[Symbol('other')] = 1
  if (random.integer(60) === 0) Object.setPrototypeOf(given, random.integer(2) === 0 ? null : { temperature: -1 })
  return random.integer(30) === 0 ? new Proxy(given, {}) : random.integer(60) === 0 ? Object.freeze(given) : given
}

const numbers = [
  0,
  -0,
  1,
  2,
  0.5,
  0.999,
  1e-45,
  1e-40,
  1e-38,
  1e-20,
  1e30,
  3e38,
  3.5e38,
  1e300,
  5e-324,
  -1,
  -1e-45,
  NaN,
  Infinity,
  -Infinity,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 53,
  5e8,
  100,
  1024,
]
const words = [
  '',
  'a',
  'auto',
  'none',
  'window',
  'token',
  'turn',
  'streaming',
  'dense',
  'recompute',
  'all',
  'user',
  'assistant',
  'tool',
  'system',
  '__proto__',
  'constructor',
  '\ud800',
  '\0',
  'root ::= "a"*',
  'mean',
  'last',
  'x'.repeat(300),
  '=== '.repeat(50),
]

function randomNumber(random: SeededRandom): number {
  return numbers[random.integer(numbers.length)]!
}

/** Made once: it takes a quarter of a gigabyte. */
const holes = new Array(2 ** 25)

/** Anything that JavaScript has. */
export function randomValue(random: SeededRandom, depth: number): unknown {
  const kind = random.integer(depth > 0 ? 24 : 14)
  switch (kind) {
    case 0:
      return null
    case 1:
      return undefined
    case 2:
      return true
    case 3:
      return 10n ** 30n
    case 4:
      return Symbol('value')
    case 5:
      return () => 1
    case 6:
      return new Float64Array([1, NaN])
    case 7:
      return new Date(NaN)
    case 8:
    case 9:
      return abortSignal(random)
    case 10:
      return /x/
    case 11:
    case 12:
      return words[random.integer(words.length)]!
    case 13:
      return randomNumber(random)
    case 14:
      return holes
    case 15:
      return Array.from({ length: random.integer(4) }, () => randomValue(random, depth - 1))
    case 16:
      return JSON.parse(`{"__proto__": {"polluted": true}, "constructor": 1}`)
    case 17: {
      const cycle: Record<string, unknown> = { role: 'user', content: 'x' }
      cycle['self'] = cycle
      return random.integer(2) === 0 ? cycle : [cycle]
    }
    case 18: {
      const { proxy, revoke } = Proxy.revocable(random.integer(2) === 0 ? [] : {}, {})
      revoke()
      return proxy
    }
    case 19:
      return new Proxy(random.integer(2) === 0 ? [] : {}, {
        get() {
          throw new RangeError('a trap')
        },
        ownKeys() {
          throw new RangeError('a trap')
        },
      })
    case 20:
      return {
        get length() {
          throw new RangeError('a length')
        },
        toString() {
          throw new RangeError('a text')
        },
        [Symbol.toPrimitive]() {
          throw new RangeError('a primitive')
        },
      }
    case 21:
      return new Proxy([], {
        get: (target, key) => (key === 'length' ? 2 ** 40 : (Reflect.get(target, key) as unknown)),
      })
    case 22:
      return {
        [Symbol.iterator]() {
          throw new RangeError('an iterator')
        },
        length: 3,
      }
    default:
      return new Map([[1, 2]])
  }
}
