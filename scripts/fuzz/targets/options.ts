import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { StreamingLLMError } from '../../../lib/errors.js'
import { type Chat, estimateMemory, loadModel, type Model, streamChat } from '../../../lib/index.js'
import { parseModelOptions } from '../../../lib/model/parse-options.js'
import { tinyModel } from '../../../test/tools/tiny-models.js'
import type { SeededRandom } from '../../../test/tools/tiny-random.js'
import { randomOptions, randomValue, valueFor } from '../option-values.js'
import { expect, type FuzzTarget, isOurMistake } from '../target.js'

interface Prepared {
  model: Model
  file: string
  saved: string
}

interface Door {
  name: string
  names: string[]
  /** What is given where it is no options. */
  value?: string
  call(prepared: Prepared, given: never, random: SeededRandom): unknown
}

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
  'repeatPenalty',
  'frequencyPenalty',
  'presencePenalty',
  'penaltyTokens',
  'dry',
  'logitBias',
  'seed',
]
const generation = [
  ...sampling,
  'maxTokens',
  'stop',
  'timeLimit',
  'signal',
  'priority',
  'logprobs',
  'grammar',
  'responseFormat',
  'startWith',
  'toolChoice',
  'maxToolRounds',
  'speculation',
  'keepUnanswered',
]
const policy = ['policy', 'sinks', 'window', 'reanchorEvery', 'rebaseAfter']
const conversation = [
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
]
const loading = [
  'gpu',
  'gpuLayers',
  'threads',
  'batchSize',
  'cacheTokens',
  'libraries',
  'rpc',
  'maxSequences',
  'whenFull',
  'swap',
  'unloadAfter',
  'kvType',
  'flashAttention',
  'mmap',
  'probe',
  'signal',
  'onProgress',
  'onLog',
  'onWarning',
  'chatTemplate',
  'adapters',
  'sha256',
]
const elsewhere = ['gpu', 'libraries', 'rpc', 'probe']

/** Tools for what asks for calls, and messages to take back. */
const talked = {
  tools: {
    f: { parameters: { type: 'object', properties: { a: { type: 'integer' } } }, execute: () => 'done' },
    g: {},
  },
  messages: [
    { role: 'user', content: 'One' },
    { role: 'assistant', content: 'Two' },
  ],
  window: 120,
}

async function withChat(
  model: Model,
  use: (chat: Chat) => unknown,
  options: object = talked,
  keeps = false,
): Promise<void> {
  const chat = model.createChat(options)
  const before = JSON.stringify(chat.messages)
  try {
    await use(chat)
  } catch (error) {
    const refused =
      StreamingLLMError.isInstance(error) && (error.code === 'INVALID_OPTION' || error.code === 'UNKNOWN_OPTION')
    expect(
      !refused || keeps || JSON.stringify(chat.messages) === before,
      `what was refused has changed the messages: ${String(error)}`,
    )
    throw error
  } finally {
    await chat.close()
  }
}

/** What was said is then kept whatever comes of it. */
function keepsAll(given: unknown): boolean {
  try {
    return 'keepUnanswered' in (given as object)
  } catch {
    return true
  }
}

/** Every door that takes something, and the names that it knows. */
const doors: Door[] = [
  { name: 'options of loadModel', names: loading, call: (_, given) => parseModelOptions(given) },
  {
    name: 'loadModel',
    names: loading.filter(name => !elsewhere.includes(name)),
    call: async ({ file }, given) => (await loadModel(file, over(given, { gpu: false }))).close(),
  },
  {
    name: 'estimateMemory',
    names: loading.filter(name => !elsewhere.includes(name)),
    call: ({ file }, given) => estimateMemory(file, over(given, { gpu: false })),
  },
  {
    name: 'createChat',
    names: conversation,
    call: ({ model }, given) => withChat(model, chat => chat.ask('Hello', { maxTokens: 2 }), given),
  },
  { name: 'createChat', names: conversation, call: ({ model }, given) => model.createChat(given).close() },
  { name: 'createSequence', names: policy, call: async ({ model }, given) => model.createSequence(given).close() },
  {
    name: 'restoreChat',
    names: [...sampling, 'tools', 'chatTemplate'],
    call: async ({ model, saved }, given) => (await model.restoreChat(saved, given)).close(),
  },
  { name: 'restoreChat of', names: [], call: async ({ model }, given) => (await model.restoreChat(given)).close() },
  {
    name: 'ask',
    names: generation,
    call: ({ model }, given) => withChat(model, chat => chat.ask('Hello', given), talked, keepsAll(given)),
  },
  {
    name: 'chat.stream',
    names: generation,
    call: ({ model }, given, random) =>
      withChat(model, chat => read(chat.stream('Hello', given), random), talked, keepsAll(given)),
  },
  {
    name: 'regenerate',
    names: generation,
    call: ({ model }, given, random) =>
      withChat(model, chat => read(chat.regenerate(given), random), talked, keepsAll(given)),
  },
  {
    name: 'candidates',
    names: generation,
    call: ({ model }, given, random) =>
      withChat(model, async chat => {
        for (const { chat: own } of await chat.candidates(
          'Hello',
          random.integer(3) === 0 ? (valueFor(random, 'count') as number) : 2,
          given,
        ))
          await own.close()
      }),
  },
  {
    name: 'generate',
    names: [...generation, 'token list'],
    call: ({ model }, given, random) =>
      withSequence(model, sequence => read(sequence.generate(renamed(given)), random)),
  },
  { name: 'stream', names: generation, call: ({ model }, given, random) => read(model.stream('Hello', given), random) },
  { name: 'fill', names: generation, call: ({ model }, given, random) => read(model.fill('a', 'b', given), random) },
  {
    name: 'streamChat',
    names: [...generation, ...conversation],
    call: ({ model }, given, random) =>
      read(streamChat(over({ messages: talked.messages.slice(0, 1) }, over(given, { model }))), random),
  },
  {
    name: 'embed',
    names: ['pooling', 'normalize', 'signal'],
    call: ({ model }, given) => model.embed(['Hello'], given),
  },
  { name: 'embed texts', names: [], value: 'text list', call: ({ model }, given) => model.embed(given) },
  { name: 'tokenize', names: ['special'], call: ({ model }, given) => model.tokenize('Hello', given) },
  { name: 'tokenize text', names: [], value: 'content', call: ({ model }, given) => model.tokenize(given) },
  { name: 'countTokens', names: [], value: 'content', call: ({ model }, given) => model.countTokens(given) },
  { name: 'detokenize', names: ['special'], call: ({ model }, given) => model.detokenize([5], given) },
  { name: 'detokenize tokens', names: [], value: 'token list', call: ({ model }, given) => model.detokenize(given) },
  {
    name: 'input',
    names: ['role', 'content', 'toolCalls', 'toolCallId', 'reasoning'],
    call: ({ model }, given) => withChat(model, chat => chat.ask(given, { maxTokens: 1 })),
  },
  {
    name: 'input',
    names: [],
    value: 'input',
    call: ({ model }, given) => withChat(model, chat => chat.ask(given, { maxTokens: 1 })),
  },
  { name: 'add', names: [], value: 'messages', call: ({ model }, given) => withChat(model, chat => chat.add(given)) },
  {
    name: 'setSystem',
    names: [],
    value: 'system',
    call: ({ model }, given) => withChat(model, chat => chat.setSystem(given)),
  },
  {
    name: 'undo',
    names: [],
    value: 'exchanges',
    call: ({ model }, given) => withChat(model, chat => chat.undo(given)),
  },
  {
    name: 'append',
    names: [],
    value: 'token list',
    call: ({ model }, given) => withSequence(model, sequence => sequence.append(given)),
  },
  {
    name: 'score',
    names: [],
    value: 'token list',
    call: ({ model }, given) => withSequence(model, sequence => sequence.score(given)),
  },
]

/** Whose signal gives it as its reason, which is thrown as it is. */
const own = new Set(['fuzz'])

const options: FuzzTarget = {
  description:
    'Values of every kind for every public option, most of them such as it may have: success or a typed error, which names the option, and what is refused leaves no trace.',
  async prepare(): Promise<Prepared> {
    const folder = mkdtempSync(path.join(os.tmpdir(), 'streaming-llm-fuzz-options-'))
    process.once('exit', () => rmSync(folder, { recursive: true, force: true }))
    const file = tinyModel('llama', { endBias: 4, contextLength: 256 })
    const model = await loadModel(file, { threads: 1, gpu: false, onWarning: () => {} })
    const saved = path.join(folder, 'saved.chat')
    await withChat(model, chat => chat.save(saved))
    return { model, file, saved }
  },
  async attempt(random, prepared, { describe, count }) {
    const door = doors[random.integer(doors.length)]!
    const names: string[] = []
    const isValue = door.names.length === 0 || random.integer(30) === 0
    const given = !isValue
      ? randomOptions(random, door.names, names)
      : door.value !== undefined && random.integer(2) === 0
        ? valueFor(random, door.value)
        : randomValue(random, 3)
    describe(`${door.name}: ${names.join(', ') || typeof given}`)
    const misspelt = names.find(name => name.endsWith('Q'))
    let outcome = 'success'
    try {
      await door.call(prepared as Prepared, limited(door.name, given) as never, random)
      expect(misspelt === undefined, `'${misspelt}' was taken`)
    } catch (error) {
      if (StreamingLLMError.isInstance(error)) {
        outcome = error.code
        expect(!isOurMistake(error), `a mistake of ours: ${(error.cause as Error | undefined)?.stack}`)
        if (error.code === 'UNKNOWN_OPTION')
          expect(
            error.message.includes(String(error.details.option).slice(0, 20)),
            `the message does not name it: ${error.message}`,
          )
      } else {
        // What a signal gives as its reason is thrown as it is.
        const reason =
          error instanceof Error &&
          (error.name === 'AbortError' || error.name === 'TimeoutError' || own.has(String(error.cause)))
        if (!reason && error !== null && error !== undefined) throw error
        outcome = 'aborted'
      }
    }
    count(outcome)
  },
}

export default options

async function withSequence(
  model: Model,
  use: (sequence: ReturnType<Model['createSequence']>) => unknown,
): Promise<void> {
  const sequence = model.createSequence({ window: 100 })
  try {
    await use(sequence)
  } finally {
    await sequence.close()
  }
}

/** So that replies are short. */
function limited(door: string, given: unknown): unknown {
  if (
    typeof given !== 'object' ||
    given === null ||
    !['ask', 'chat.stream', 'regenerate', 'candidates', 'generate', 'stream', 'streamChat', 'fill'].includes(door)
  )
    return given
  try {
    if ('maxTokens' in given) return given
    return Object.isExtensible(given) ? Object.assign(given, { maxTokens: 3 }) : { ...given, maxTokens: 3 }
  } catch {
    return given
  }
}

/** With these as well; what cannot be added to, or is no object, is left as it is. */
function over(given: unknown, more: object): never {
  try {
    if (typeof given === 'object' && given !== null && !Array.isArray(given)) {
      for (const [name, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(more)))
        Object.defineProperty(given, name, { ...descriptor, enumerable: true, configurable: true })
    }
  } catch {
    // left as it is
  }
  return given as never
}

function renamed(given: unknown): never {
  try {
    const tokens = Object.getOwnPropertyDescriptor(given, 'token list')
    if (tokens !== undefined && delete (given as Record<string, unknown>)['token list'])
      Object.defineProperty(given, 'tokens', tokens)
  } catch {
    // left as it is
  }
  return given as never
}

/** All of it, or a part. */
async function read(stream: AsyncIterable<unknown>, random: SeededRandom): Promise<void> {
  const max = random.integer(5) === 0 ? random.integer(4) : 200
  let events = 0
  for await (const _ of stream) if (++events > max) return
}
