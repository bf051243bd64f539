import { parseMessages } from '../../../lib/chat/parse-messages.js'
import { parseChatOptions, parseGenerateOptions } from '../../../lib/chat/parse-options.js'
import { StreamingLLMError } from '../../../lib/errors.js'
import { schemaGrammar } from '../../../lib/structured/json-schema.js'
import { readOutput } from '../../../lib/structured/response-format.js'
import { parseTools } from '../../../lib/tools/tools.js'

// What a caller passes may be no JSON, or only look like it. It is refused by name, whatever its getters and traps
// throw.

const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {})
  revoke()
  return proxy
}
const endless = (): object => {
  const self: object = new Proxy({}, { get: () => self, has: () => true })
  return self
}
const cycle = () => {
  const self: Record<string, unknown> = {}
  self['self'] = self
  return self
}
const throwing = () => ({
  get type() {
    throw new TypeError('a getter')
  },
})
const trap = () =>
  new Proxy(
    {},
    {
      get: () => {
        throw new TypeError('a trap')
      },
      ownKeys: () => {
        throw new RangeError('keys')
      },
    },
  )
const strangeLibrary = () => ({
  '~standard': {
    vendor: {
      toString() {
        throw new Error('no name')
      },
    },
    jsonSchema: { input: () => null },
  },
})

function expectRefused(work: () => unknown): void {
  let thrown: unknown
  try {
    work()
  } catch (error) {
    thrown = error
  }
  expect(StreamingLLMError.isInstance(thrown) ? thrown.code : thrown).toBe('INVALID_OPTION')
}

const notSchemas: [string, () => unknown][] = [
  ['a proxy whose members have no end', endless],
  ['a revoked proxy', revoked],
  ['a proxy that throws', trap],
  ['a getter that throws', throwing],
  ['a function', () => () => 1],
  ['a BigInt', () => ({ type: 'object', minimum: 5n })],
  ['a cycle', cycle],
  ['a schema of a strange library', strangeLibrary],
]

test.each(notSchemas)('responseFormat: %s', (_, make) => {
  expectRefused(() => parseGenerateOptions({ responseFormat: make() }))
})

test.each(notSchemas)('parameters of a tool: %s', (_, make) => {
  expectRefused(() => parseTools({ tool: { parameters: make() } }, 'createChat'))
  expectRefused(() =>
    parseTools({ tool: { parameters: { type: 'object', properties: { a: make(), b: 5n } } } }, 'createChat'),
  )
})

test.each<[string, () => unknown]>([
  ['a function', () => ({ run: () => 1 })],
  ['a BigInt', () => ({ count: 5n })],
  ['a cycle', cycle],
  ['a revoked proxy', revoked],
  ['a proxy that throws', trap],
  ['a getter that throws', throwing],
  ['a symbol', () => ({ of: Symbol('x') })],
  ['not a number', () => ({ x: Number.NaN })],
  [
    'something deep',
    () => {
      let deep: object = {}
      for (let i = 0; i < 20_000; i++) deep = { deep }
      return deep
    },
  ],
])('arguments of a call: %s', (_, make) => {
  expectRefused(() =>
    parseMessages([{ role: 'assistant', content: '', toolCalls: [{ id: '1', name: 'f', arguments: make() }] }]),
  )
})

test('arguments of a call are a copy, as JSON has them', () => {
  const given = { text: 'x', list: [1, { a: null }], left: undefined }
  const [message] = parseMessages([
    { role: 'assistant', content: '', toolCalls: [{ id: '1', name: 'f', arguments: given }] },
  ])
  given.list.length = 0
  expect(message!.toolCalls).toStrictEqual([{ id: '1', name: 'f', arguments: { text: 'x', list: [1, { a: null }] } }])
})

test.each<[string, () => unknown]>([
  ['a revoked proxy', revoked],
  ['a proxy that throws', trap],
  ['a getter that throws', throwing],
])('options, messages and tools: %s', (_, make) => {
  expectRefused(() => parseGenerateOptions(make()))
  expectRefused(() => parseGenerateOptions({ stop: make() }))
  expectRefused(() => parseChatOptions({ messages: make() }))
  expectRefused(() => parseMessages([make()]))
  expectRefused(() => parseTools({ tool: make() }, 'createChat'))
  expectRefused(() => parseTools(make(), 'createChat'))
})

test('a library that fails at a reply', async () => {
  const validate = () => {
    throw new TypeError('a bug of theirs')
  }
  const format = { schema: {}, ofLibrary: true, grammar: schemaGrammar({}, 'test', true), validate }
  await expect(readOutput(format, '{}', 'end', [])).rejects.toMatchObject({
    code: 'OUTPUT_INVALID',
    message: expect.stringContaining('a bug of theirs'),
  })
})
