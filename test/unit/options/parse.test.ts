import os from 'node:os'
import { parseMessages } from '../../../lib/chat/parse-messages.js'
import { parseChatOptions, parseGenerateOptions, parseRestoreOptions } from '../../../lib/chat/parse-options.js'
import { StreamingLLMError } from '../../../lib/errors.js'
import { parseModelOptions } from '../../../lib/model/parse-options.js'
import { parseEmbedOptions, parseSequenceOptions } from '../../../lib/options/parse.js'

function failure(action: () => unknown): StreamingLLMError {
  try {
    action()
  } catch (error) {
    if (StreamingLLMError.isInstance(error)) return error
    throw error
  }
  throw new Error('it did not throw')
}

const maxThreads = Math.min(Math.max(16, 4 * os.availableParallelism()), 512)

const policy = ['policy', 'sinks', 'window', 'reanchorEvery', 'rebaseAfter']
const sampling = [
  'temperature',
  'dynamicTemperature',
  'topK',
  'topP',
  'minP',
  'typicalP',
  'topNSigma',
  'xtc',
  'mirostat',
  'adaptiveP',
  'logitBias',
  'repeatPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'penaltyTokens',
  'dry',
  'seed',
]
const dry = ['multiplier', 'base', 'allowedLength', 'tokens', 'breakers']

const functions: { call: string; parse: (given: unknown) => unknown; names: string[] }[] = [
  {
    call: 'loadModel',
    parse: given => parseModelOptions(given),
    names: [
      'gpu',
      'gpuLayers',
      'threads',
      'batchSize',
      'cacheTokens',
      'maxSequences',
      'whenFull',
      'swap',
      'kvType',
      'flashAttention',
      'probe',
      'signal',
      'onProgress',
      'onLog',
      'onWarning',
      'chatTemplate',
      'sha256',
      'libraries',
      'rpc',
      'adapters',
      'unloadAfter',
      'mmap',
    ],
  },
  { call: 'createSequence', parse: given => parseSequenceOptions(given), names: policy },
  {
    call: 'createChat',
    parse: given => parseChatOptions(given),
    names: [
      ...policy,
      ...sampling,
      'system',
      'pinSystem',
      'pinShare',
      'evict',
      'messages',
      'restore',
      'tools',
      'reasoning',
      'keepMessages',
      'chatTemplate',
    ],
  },
  {
    call: 'stream',
    parse: given => parseGenerateOptions(given),
    names: [
      ...sampling,
      'maxTokens',
      'stop',
      'timeLimit',
      'signal',
      'speculation',
      'priority',
      'logprobs',
      'grammar',
      'responseFormat',
      'startWith',
      'toolChoice',
      'maxToolRounds',
      'keepUnanswered',
    ],
  },
  { call: 'embed', parse: given => parseEmbedOptions(given), names: ['pooling', 'normalize', 'signal'] },
  { call: 'restoreChat', parse: given => parseRestoreOptions(given), names: [...sampling, 'chatTemplate', 'tools'] },
]

const each = functions.flatMap(({ call, parse, names }) => names.map(name => ({ call, parse, names, name })))
const deep = dry.map(name => ({
  call: 'createChat',
  parse: (given: object) => parseChatOptions({ dry: given }),
  names: dry,
  name,
}))

/** Every text that is one letter more, less, or other, and those with two neighbours swapped. */
function misspellings(name: string): string[] {
  const found = new Set<string>()
  for (let at = 0; at <= name.length; at++) {
    found.add(`${name.slice(0, at)}x${name.slice(at)}`)
    if (at === name.length) break
    found.add(name.slice(0, at) + name.slice(at + 1))
    found.add(`${name.slice(0, at)}q${name.slice(at + 1)}`)
  }
  found.delete(name)
  return [...found]
}

describe('unknown options', () => {
  test.each([...each, ...deep.map(item => ({ ...item, name: item.name }))])(
    '$call: $name misspelt by one edit is refused, and suggested',
    ({ call, parse, names, name }) => {
      const prefix = names === dry ? 'dry.' : ''
      for (const wrong of misspellings(name)) {
        if (names.includes(wrong)) continue
        const error = failure(() => parse({ [wrong]: 1 }))
        expect(error.code).toBe('UNKNOWN_OPTION')
        expect(error.message).toContain(`${call}: unknown option '${prefix}${wrong}'; did you mean `)
        expect(error.message).toContain(`'${prefix}${name}'`)
        expect(error.details.suggestions).toContain(name)
      }
    },
  )

  test('the message says all of it', () => {
    expect(failure(() => parseChatOptions({ sink: 4 })).message).toBe(
      "createChat: unknown option 'sink'; did you mean 'sinks'?",
    )
  })

  test('equally near names are all suggested', () => {
    expect(failure(() => parseChatOptions({ topX: 4 })).message).toBe(
      "createChat: unknown option 'topX'; did you mean 'topK' or 'topP'?",
    )
  })

  test.each([
    ['start_size', 'sinks'],
    ['recent_size', 'window'],
    ['max_tokens', 'maxTokens'],
    ['top_k', 'topK'],
    ['TEMPERATURE', 'temperature'],
    ['temp', 'temperature'],
  ])('%s is %s elsewhere', (theirs, ours) => {
    const parse = ours === 'maxTokens' ? parseGenerateOptions : parseChatOptions
    expect(failure(() => parse({ [theirs]: 1 })).message).toContain(`did you mean '${ours}'?`)
  })

  test('where nothing is near, the known names are listed', () => {
    expect(failure(() => parseSequenceOptions({ colour: 'red' })).message).toBe(
      "createSequence: unknown option 'colour'; the known ones are policy, sinks, window, reanchorEvery and rebaseAfter",
    )
  })

  test.each([
    ['createChat', { maxTokens: 10 }, "unknown option 'maxTokens'; it is an option of stream() and ask()"],
    ['createChat', { max_tokens: 10 }, "unknown option 'max_tokens'; 'maxTokens' is an option of stream() and ask()"],
    ['createChat', { threads: 2 }, "unknown option 'threads'; it is an option of loadModel()"],
    [
      'createChat',
      { signal: undefined, priority: 1 },
      "unknown option 'priority'; it is an option of stream() and ask()",
    ],
    ['stream', { system: 'x' }, "unknown option 'system'; it is an option of createChat()"],
    ['stream', { chatTemplate: 'x' }, "unknown option 'chatTemplate'; it is an option of loadModel() and createChat()"],
    [
      'loadModel',
      { temperature: 0 },
      "unknown option 'temperature'; it is an option of createChat(), stream() and ask()",
    ],
    ['createSequence', { normalize: true }, "unknown option 'normalize'; it is an option of embed()"],
    ['createChat', { sink: 4 }, "unknown option 'sink'; did you mean 'sinks'?"],
  ])('%s(%j): an option of another call is named as that', (call, given, message) => {
    const { parse } = functions.find(each => each.call === call)!
    expect(failure(() => parse(given))).toMatchObject({ code: 'UNKNOWN_OPTION', message: `${call}: ${message}` })
  })

  test.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('%s is as unknown as any other', name => {
    const given = JSON.parse(`{ "${name}": 1 }`) as object
    for (const { parse } of functions) expect(failure(() => parse(given)).code).toBe('UNKNOWN_OPTION')
    expect(failure(() => parseMessages([{ role: 'user', content: '', ...given, [name]: 1 }])).code).toMatch(
      /UNKNOWN_OPTION/,
    )
  })

  test('a very long name is neither compared nor repeated in full', () => {
    const error = failure(() => parseChatOptions({ ['x'.repeat(1_000_000)]: 1 }))
    expect(error.code).toBe('UNKNOWN_OPTION')
    expect(error.message.length).toBeLessThan(1000)
  })
})

/** For each option: what it must be, as the message puts it, and values that it takes and refuses. */
const kinds: Record<string, { expected: string; good: unknown[]; bad: unknown[] }> = {
  gpu: {
    expected: "false, 'auto', 'metal', 'cuda' or 'vulkan'",
    good: [false, 'auto', 'metal', 'cuda', 'vulkan'],
    bad: [true, 'Metal', 0],
  },
  gpuLayers: {
    expected: "a whole number of at least 0, or 'auto'",
    good: [0, 99, 'auto'],
    bad: [-1, 0.5, 'all', 2 ** 40],
  },
  threads: { expected: `a whole number from 1 to ${maxThreads}`, good: [1, 16], bad: [0, maxThreads + 1, 1.5] },
  batchSize: { expected: 'a whole number from 16 to 4096', good: [16, 4096], bad: [15, 4097, 16.5] },
  cacheTokens: { expected: 'a whole number of at least 1', good: [193, 2 ** 31 - 1], bad: [0] },
  maxSequences: { expected: 'a whole number from 1 to 64', good: [1, 64], bad: [0, 65] },
  whenFull: { expected: "'wait' or 'refuse'", good: ['wait', 'refuse'], bad: ['fail', true] },
  swap: { expected: "'memory' or 'disk'", good: ['memory', 'disk'], bad: ['none', true] },
  kvType: { expected: "'f32', 'f16', 'q8_0' or 'q4_0'", good: ['f32', 'f16', 'q8_0', 'q4_0'], bad: ['F16', 'q5_0'] },
  flashAttention: {
    expected: "'auto', 'on', 'off', true or false",
    good: ['auto', 'on', 'off', true, false],
    bad: ['yes', 1],
  },
  mmap: { expected: 'true or false', good: [true, false], bad: ['yes', 0] },
  probe: { expected: 'true or false', good: [true, false], bad: ['true', 1] },
  signal: {
    expected: 'an AbortSignal',
    good: [new AbortController().signal],
    bad: [
      new AbortController(),
      {},
      { aborted: false, addEventListener() {} },
      {
        aborted: false,
        addEventListener() {
          throw new RangeError('no')
        },
        removeEventListener() {},
      },
    ],
  },
  onProgress: { expected: 'a function', good: [() => {}], bad: [{}] },
  onLog: { expected: 'a function', good: [() => {}], bad: [true] },
  onWarning: { expected: 'a function', good: [() => {}], bad: [false] },
  libraries: { expected: 'a string that is not empty', good: ['built', '/a/folder'], bad: ['', 5] },
  rpc: {
    expected: "an array of 1 to 16 different strings such as '192.168.1.2:50052'",
    good: [['host:1']],
    bad: [[], ['host'], 'host:1'],
  },
  chatTemplate: { expected: 'a string that is not empty', good: ['{{ messages }}'], bad: ['', 5] },
  adapters: {
    expected: 'an array of at most 16 { path, scale }',
    good: [[], [{ path: 'a.gguf' }, { path: 'hf:owner/repo/b.gguf', scale: -0.5 }]],
    bad: [{ path: 'a.gguf' }, 'a.gguf', Array(17).fill({ path: 'a.gguf' })],
  },
  pooling: { expected: "'mean', 'last' or 'cls'", good: ['mean', 'last', 'cls'], bad: ['rank', 1] },
  normalize: { expected: 'true or false', good: [true, false], bad: ['yes', 1] },
  unloadAfter: { expected: 'a whole number of at least 1', good: [1, 60_000], bad: [0, 0.5] },
  sha256: { expected: '64 hexadecimal digits', good: ['aB'.repeat(32)], bad: ['ab', 'g'.repeat(64), 'a'.repeat(65)] },
  policy: {
    expected: "'streaming', 'dense', 'window' or 'recompute'",
    good: ['streaming', 'dense', 'window', 'recompute'],
    bad: ['Dense', true],
  },
  sinks: { expected: 'a whole number of at least 0', good: [0, 4], bad: [-1, 1.5, -0.5] },
  window: { expected: 'a whole number of at least 1', good: [1, 2044], bad: [0, 1.5] },
  reanchorEvery: { expected: 'a whole number of at least 1', good: [1, 256], bad: [0, 0.5] },
  rebaseAfter: { expected: 'a whole number of at least 1', good: [1, 1e6], bad: [0] },
  temperature: { expected: 'a number of at least 0', good: [0, 0.7, 2], bad: [-0.1] },
  topK: { expected: 'a whole number of at least 0', good: [0, 40], bad: [-1, 0.5] },
  topP: { expected: 'a number over 0 and at most 1', good: [1e-9, 1], bad: [0, 1.01] },
  minP: { expected: 'a number from 0 to 1', good: [0, 1], bad: [-0.01, 1.01] },
  typicalP: { expected: 'a number over 0 and at most 1', good: [0.5, 1], bad: [0, 2] },
  repeatPenalty: { expected: 'a number over 0', good: [0.5, 1.1], bad: [0, -1] },
  frequencyPenalty: { expected: 'a number from -2 to 2', good: [-2, 0, 2], bad: [2.5] },
  presencePenalty: { expected: 'a number from -2 to 2', good: [-2, 0, 2], bad: [-2.5] },
  penaltyTokens: {
    expected: "a whole number from 0 to 1048576, or 'window'",
    good: [0, 64, 2 ** 20, 'window'],
    bad: [-1, 'all', 5e8],
  },
  topNSigma: { expected: 'a number of at least 0', good: [0, 1], bad: [-1] },
  dynamicTemperature: { expected: 'an object with range and exponent', good: [{}, { range: 1 }], bad: [true, []] },
  xtc: { expected: 'an object with probability and threshold', good: [{}, { threshold: 0.2 }], bad: [0.5, []] },
  mirostat: { expected: 'an object with version, tau and eta', good: [{}, { version: 1 }], bad: [2, []] },
  adaptiveP: { expected: 'an object with target and decay', good: [{}, { target: 0.3 }], bad: [0.5, []] },
  logitBias: {
    expected: 'an array of at most 1024 pairs of a token (its number or its text) and a number or false',
    good: [[], [[1, 2]], [[' a', false]]],
    bad: [{ 1: 2 }, Array(1025).fill([1, 1])],
  },
  priority: { expected: 'a number from -1000000000 to 1000000000', good: [0, -5, 0.5], bad: [2e9] },
  logprobs: { expected: 'a whole number from 0 to 100', good: [0, 100], bad: [-1, 101, true] },
  grammar: {
    expected: 'an object with source and triggers',
    good: ['root ::= "a"', { source: 'root ::= "<a"', triggers: ['<'] }],
    bad: [5, []],
  },
  responseFormat: {
    expected: "a JSON schema, a schema of a library such as Zod or 'json'",
    good: ['json', { type: 'object' }, { type: 'string', maxLength: 5 }],
    bad: [5, []],
  },
  startWith: { expected: 'a string', good: ['', 'Well, '], bad: [5, ['a']] },
  toolChoice: {
    expected: "'auto', 'none', 'required' or { tool: name }",
    good: ['auto', 'none', 'required', { tool: 'x' }],
    bad: ['any', {}],
  },
  maxToolRounds: { expected: 'a whole number from 1 to 1000', good: [1, 1000], bad: [0, 1001] },
  keepUnanswered: { expected: 'true or false', good: [true, false], bad: ['yes', 1] },
  tools: { expected: 'an object of tools by name', good: [{}, { a: {} }], bad: [[], 5] },
  reasoning: {
    expected: "'template', 'keep', 'drop' or 'text'",
    good: ['template', 'keep', 'drop', 'text'],
    bad: ['none', true],
  },
  pinShare: { expected: 'a number over 0 and at most 1', good: [0.1, 1], bad: [0, 1.1] },
  evict: { expected: "'token' or 'turn'", good: ['token', 'turn'], bad: ['message', true] },
  restore: { expected: "'window' or 'all'", good: ['window', 'all'], bad: ['none', true] },
  dry: {
    expected: 'an object with multiplier, base, allowedLength, tokens and breakers',
    good: [{}, { multiplier: 1 }],
    bad: [false, []],
  },
  seed: { expected: 'a whole number from 0 to 4294967294', good: [0, 4294967294], bad: [-1, 4294967295, 0.5] },
  system: { expected: 'a string', good: ['', 'Be brief.'], bad: [1, ['Be brief.']] },
  pinSystem: { expected: 'true or false', good: [true, false], bad: ['no', 0] },
  messages: {
    expected: 'an array of { role, content }',
    good: [[], [{ role: 'user', content: '' }]],
    bad: ['hello', {}],
  },
  keepMessages: { expected: "'window' or 'all'", good: ['window', 'all'], bad: ['none', true] },
  maxTokens: { expected: 'a whole number of at least 1', good: [1, 1000], bad: [0, -1] },
  stop: { expected: 'a string or an array of strings', good: ['\n', ['a', 'b'], [], 'x'.repeat(256)], bad: [5, {}] },
  timeLimit: { expected: 'a number over 0', good: [0.5, 1000], bad: [0, -1] },
  speculation: { expected: 'true or false', good: [true, false], bad: ['true', 1] },
  multiplier: { expected: 'a number of at least 0', good: [0, 0.8], bad: [-1] },
  base: { expected: 'a number of at least 1', good: [1, 1.75], bad: [0.5] },
  allowedLength: { expected: 'a whole number of at least 0', good: [0, 2], bad: [-1] },
  tokens: { expected: 'a whole number from 1 to 1048576', good: [1, 1024], bad: [0] },
  breakers: { expected: 'an array of strings', good: [[], ['\n']], bad: ['\n', {}] },
}

describe('values', () => {
  test.each([...each, ...deep])(
    '$call: $name takes what it may take and nothing else',
    ({ call, parse, names, name }) => {
      const kind = kinds[name]!
      const where = names === dry ? `dry.${name}` : name
      for (const value of kind.good) parse({ [name]: value })
      const never = [null, NaN, Infinity, -Infinity, '1', 1n, Symbol('x')].filter(
        value => !(value === '1' && /string(?! or an array)|an array of strings/.test(kind.expected)),
      )
      for (const value of [...kind.bad, ...never]) {
        if (
          typeof value === 'string' &&
          ['system', 'chatTemplate', 'stop', 'grammar', 'startWith'].includes(name) &&
          value !== ''
        )
          continue
        const error = failure(() => parse({ [name]: value }))
        expect(error.code).toBe('INVALID_OPTION')
        expect(error.message).toContain(`${call}: '${where}' must be ${kind.expected}, got `)
        expect(error.details).toMatchObject({ call, option: where, expected: kind.expected })
      }
    },
  )

  test.each([...each, ...deep])('$call: $name: undefined means not given', ({ parse, name }) => {
    expect(parse({ [name]: undefined })).toEqual(parse({}))
  })

  test('the message names what was expected and what came', () => {
    const message = (given: object) => failure(() => parseChatOptions(given)).message
    expect(message({ window: 'abc' })).toBe(
      "createChat: 'window' must be a whole number of at least 1, got 'abc' (string)",
    )
    expect(message({ window: NaN })).toBe("createChat: 'window' must be a whole number of at least 1, got NaN (number)")
    expect(message({ window: 2 ** 31 })).toBe(
      "createChat: 'window' must be a whole number of at most 2147483647, got 2147483648 (number)",
    )
    expect(message({ system: ['a', 'b'] })).toBe("createChat: 'system' must be a string, got an array of 2")
    expect(
      message({
        system: {
          toString() {
            throw new Error('not to be called')
          },
        },
      }),
    ).toBe("createChat: 'system' must be a string, got an object")
    expect(message({ policy: 'x'.repeat(100) })).toContain(`got '${'x'.repeat(40)}...' (string)`)
  })

  test.each([null, 5, 'sinks', [], () => {}])('options that are no object: %p', given => {
    for (const { call, parse } of functions) {
      const error = failure(() => parse(given))
      expect(error.code).toBe('INVALID_OPTION')
      expect(error.message).toMatch(new RegExp(`^${call}: the options must be an object, got `))
    }
  })

  test('no options at all are fine', () => {
    for (const { parse } of functions) expect(parse(undefined)).toEqual(parse({}))
  })

  test('inherited and hidden properties are no options', () => {
    class Settings {
      get sinks() {
        return 'never read'
      }
    }
    expect(parseChatOptions(new Settings())).toEqual(parseChatOptions({}))
    expect(parseChatOptions(Object.defineProperty({}, 'colour', { value: 1, enumerable: false }))).toEqual(
      parseChatOptions({}),
    )
  })

  test('what was passed is read once and never changed', () => {
    let reads = 0
    const breakers = Object.freeze(['\n'])
    const messages = Object.freeze([Object.freeze({ role: 'user', content: 'hello' })])
    const given = Object.freeze({
      get sinks() {
        reads++
        return 4
      },
      messages,
      dry: Object.freeze({ breakers }),
    })
    const parsed = parseChatOptions(given)
    expect(reads).toBe(1)
    expect(parsed.sinks).toBe(4)
    expect(parsed.messages).toEqual(messages)
    expect(parsed.messages[0]).not.toBe(messages[0])
    expect(parsed.sampling.dry?.breakers).not.toBe(breakers)
  })
})

describe('loadModel', () => {
  test('what servers hold is not unloaded', () => {
    expect(failure(() => parseModelOptions({ unloadAfter: 5, rpc: ['host:1'] }))).toMatchObject({
      code: 'INVALID_OPTION',
      details: { option: 'unloadAfter' },
    })
  })

  test('a cache that not the smallest chat would fit into is refused, and the least is named', () => {
    expect(failure(() => parseModelOptions({ cacheTokens: 64 }))).toMatchObject({
      code: 'INVALID_OPTION',
      details: { option: 'cacheTokens', expected: 'at least 193' },
      message:
        "loadModel: 'cacheTokens' must be at least 193, which a window of 1 token takes with a 'batchSize' of 128, got 64 (number)",
    })
    expect(failure(() => parseModelOptions({ cacheTokens: 576, batchSize: 512 })).message).toContain('at least 577')
    expect(parseModelOptions({ cacheTokens: 81, batchSize: 16 }).cacheTokens).toBe(81)
  })

  test('defaults', () => {
    const { threads, ...rest } = parseModelOptions({})
    expect(rest).toEqual({
      gpu: 'auto',
      gpuLayers: 'auto',
      batchSize: 128,
      maxSequences: 8,
      whenFull: 'wait',
      swap: 'memory',
      kvType: 'f16',
      flashAttention: 'auto',
      mmap: true,
      probe: false,
      threadsMayChange: true,
      adapters: [],
    })
    expect(threads).toBeGreaterThanOrEqual(1)
    expect(threads).toBeLessThanOrEqual(16)
  })

  test.each([
    [true, 'on'],
    [false, 'off'],
    ['auto', 'auto'],
    ['on', 'on'],
    ['off', 'off'],
  ])('flashAttention %p is %s', (given, parsed) => {
    expect(parseModelOptions({ flashAttention: given }).flashAttention).toBe(parsed)
  })

  test('a quantized cache needs flash attention', () => {
    expect(failure(() => parseModelOptions({ kvType: 'q8_0', flashAttention: false })).message).toContain(
      'needs flash attention',
    )
    expect(parseModelOptions({ kvType: 'q8_0' }).kvType).toBe('q8_0')
    expect(parseModelOptions({ kvType: 'f32', flashAttention: 'off' }).flashAttention).toBe('off')
  })
})

describe('policies', () => {
  test('only what was given is filled in, since the rest depends on the model', () => {
    expect(parseSequenceOptions({ window: 60 })).toEqual({ policy: 'streaming', window: 60 })
    expect(parseSequenceOptions({ policy: 'dense', sinks: 0 })).toEqual({ policy: 'dense', sinks: 0 })
  })
})

describe('messages', () => {
  test.each<[unknown, string]>([
    ['hello', "'messages' must be an array of { role, content }, got 'hello' (string)"],
    [
      [{ role: 'user', content: 'a' }, 'b'],
      "'messages[1]' must be an object with role, content, toolCalls, toolCallId and reasoning, got 'b' (string)",
    ],
    [[{ role: 'user' }], "'messages[0].content' must be a string, got undefined"],
    [[{ content: 'a' }], "'messages[0].role' must be a string, got undefined"],
    [[{ role: '', content: 'a' }], "'messages[0].role' must be a string that is not empty, got '' (string)"],
    [[{ role: 'user', content: [{ type: 'text' }] }], "'messages[0].content' must be a string, got an array of 1"],
    [[{ role: 'user', contents: 'a' }], "unknown option 'messages[0].contents'; did you mean 'messages[0].content'?"],
    [
      [{ role: 'assistant', content: '', toolCalls: 'f()' }],
      "'messages[0].toolCalls' must be an array of { id, name, arguments }, got 'f()' (string)",
    ],
    [
      [{ role: 'assistant', content: '', toolCalls: ['f()'] }],
      "'messages[0].toolCalls[0]' must be an object with id, name and arguments, got 'f()' (string)",
    ],
    [
      [{ role: 'assistant', content: '', toolCalls: [{ name: 'f', arguments: {} }] }],
      "'messages[0].toolCalls[0].id' must be a string, got undefined",
    ],
    [
      [{ role: 'assistant', content: '', toolCalls: [{ id: '1', name: 5, arguments: {} }] }],
      "'messages[0].toolCalls[0].name' must be a string, got 5 (number)",
    ],
    [
      [
        {
          role: 'assistant',
          content: '',
          toolCalls: [
            { id: '1', name: 'f', arguments: {} },
            { id: '2', name: 'f', arguments: '{"city":"Oslo"}' },
          ],
        },
      ],
      '\'messages[0].toolCalls[1].arguments\' must be an object (JSON text is to be parsed first, by JSON.parse), got \'{"city":"Oslo"}\' (string)',
    ],
    [
      [{ role: 'assistant', content: '', toolCalls: [{ id: '1', name: 'f', arguments: ['Oslo'] }] }],
      "'messages[0].toolCalls[0].arguments' must be an object, got an array of 1",
    ],
    [
      Array(1),
      "'messages[0]' must be an object with role, content, toolCalls, toolCallId and reasoning, got undefined",
    ],
  ])('%j', (given, message) => {
    expect(failure(() => parseMessages(given)).message).toBe(`createChat: ${message}`)
  })

  test('calls are passed on as they are, as copies', () => {
    const toolCalls = [{ id: '1', name: 'f', arguments: { city: { name: 'Oslo' } }, type: 'function' }]
    const [message] = parseMessages([{ role: 'assistant', content: '', toolCalls }])
    expect(message!.toolCalls).toEqual(toolCalls)
    expect(message!.toolCalls![0]!.arguments['city']).not.toBe(toolCalls[0]!.arguments.city)
  })

  test('any role is passed on to the template', () => {
    expect(parseMessages([{ role: 'tool', content: '42' }])).toEqual([{ role: 'tool', content: '42' }])
  })
})

describe('replies', () => {
  test('defaults', () => {
    expect(parseGenerateOptions({})).toEqual({
      stop: [],
      speculation: false,
      priority: 0,
      startWith: '',
      toolChoice: 'auto',
      maxToolRounds: 8,
      keepUnanswered: false,
      sampling: {
        topNSigma: 0,
        logitBias: [],
        temperature: 0.7,
        topK: 40,
        topP: 0.95,
        minP: 0.05,
        typicalP: 1,
        repeatPenalty: 1,
        frequencyPenalty: 0,
        presencePenalty: 0,
        penaltyTokens: 64,
      },
    })
  })

  test("the chat's sampling stands where the reply has none", () => {
    const chat = parseChatOptions({ temperature: 0, seed: 7, dry: {} })
    const { sampling } = parseGenerateOptions({ seed: 8, topK: undefined }, chat.sampling)
    expect(sampling).toMatchObject({ temperature: 0, seed: 8, topK: 40 })
    expect(sampling.dry).toEqual({
      multiplier: 0.8,
      base: 1.75,
      allowedLength: 2,
      tokens: 1024,
      breakers: ['\n', ':', '"', '*'],
    })
    expect(parseGenerateOptions({ dry: { multiplier: 0 } }, chat.sampling).sampling.dry).toBeUndefined()
  })

  test.each<[unknown, string]>([
    ['', "'stop' must be a string that is not empty, got '' (string)"],
    [['a', ''], "'stop[1]' must be a string that is not empty, got '' (string)"],
    [['a', 5], "'stop[1]' must be a string that is not empty, got 5 (number)"],
    [Array(17).fill('a'), "'stop' must be an array of at most 16 strings, got an array of 17"],
    ['é'.repeat(129), "'stop' must be a string of at most 256 bytes in UTF-8, got"],
    [['x'.repeat(257)], "'stop[0]' must be a string of at most 256 bytes in UTF-8, got"],
  ])('stop: %j', (stop, message) => {
    expect(failure(() => parseGenerateOptions({ stop }, {}, 'ask')).message).toContain(`ask: ${message}`)
  })

  test('one stop text or several', () => {
    expect(parseGenerateOptions({ stop: 'é'.repeat(128) }).stop).toEqual(['é'.repeat(128)])
    expect(parseGenerateOptions({ stop: ['a', 'b'] }).stop).toEqual(['a', 'b'])
  })
})

describe('objects that cannot be read', () => {
  const thrown = new Error('not today')
  const getter = (name: string) =>
    Object.defineProperty({}, name, {
      enumerable: true,
      get() {
        throw thrown
      },
    })
  const revoked = (target: object) => {
    const { proxy, revoke } = Proxy.revocable(target, {})
    revoke()
    return proxy
  }
  test('a getter that throws is the cause of a refusal that names it', () => {
    for (const [action, option] of [
      [() => parseModelOptions(getter('threads')), 'threads'],
      [() => parseChatOptions({ dry: getter('base') }), 'dry.base'],
      [() => parseGenerateOptions(getter('maxTokens')), 'maxTokens'],
      [() => parseMessages([getter('content')]), 'messages[0].content'],
    ] as const) {
      const error = failure(action)
      expect({ code: error.code, option: error.details.option, cause: error.cause }).toEqual({
        code: 'INVALID_OPTION',
        option,
        cause: thrown,
      })
    }
  })

  test('proxies that have been revoked, as options and within', () => {
    for (const action of [
      () => parseModelOptions(revoked({})),
      () => parseChatOptions({ messages: revoked([]) }),
      () => parseGenerateOptions({ stop: revoked([]) }),
      () => parseGenerateOptions({ logitBias: revoked([]) }),
      () => parseGenerateOptions(revoked({})),
      () => parseMessages(revoked([])),
      () => parseModelOptions({ adapters: revoked([]) }),
    ])
      expect(failure(action).code).toBe('INVALID_OPTION')
  })

  test('numbers that size memory have bounds', () => {
    expect(failure(() => parseGenerateOptions({ penaltyTokens: 5e8 })).message).toMatch(
      /'penaltyTokens' must be a whole number from 0 to 1048576/,
    )
    expect(failure(() => parseGenerateOptions({ dry: { tokens: 5e8 } })).message).toMatch(
      /'dry.tokens' must be a whole number from 1 to 1048576/,
    )
    expect(failure(() => parseGenerateOptions({ logitBias: [['x'.repeat(1025), 1]] })).details.option).toBe(
      'logitBias[0][0]',
    )
    expect(failure(() => parseGenerateOptions({ mirostat: { tau: 1e30 } })).message).toMatch(
      /'mirostat.tau' must be a number from 0 to 32/,
    )
  })
})
