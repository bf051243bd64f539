import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { z } from 'zod'
import {
  type Chat,
  type ChatOptions,
  estimateMemory,
  type GenerateOptions,
  type JsonSchema,
  loadModel,
  type Model,
  type RestoreOptions,
  type StandardSchema,
  type StreamChatOptions,
  streamChat,
  type Tool,
  type Tools,
} from '../../lib/index.js'

// What is checked here is checked by TypeScript: nothing of it is run, but for the test at the end.

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function expectType<Expected>() {
  return <Actual>(_value: Actual, ..._same: Same<Actual, Expected> extends true ? [] : [never]): void => {}
}

const numbers = z.object({ a: z.number(), b: z.string().transform(text => text.length) })
type Numbers = { a: number; b: number }
const json: JsonSchema = { type: 'object', properties: { city: { type: 'string' } } }
interface City {
  city: string
}

export function toolsOfAChat(model: Model): void {
  model.createChat({
    system: 'x',
    temperature: 1,
    tools: {
      add: { description: 'adds', parameters: numbers, execute: args => expectType<Numbers>()(args) },
      other: {
        parameters: z.object({ city: z.string(), days: z.int().optional() }),
        execute: async ({ city, days }, { id, signal }) => {
          expectType<string>()(city)
          expectType<number | undefined>()(days)
          expectType<string>()(id)
          expectType<AbortSignal>()(signal)
          // @ts-expect-error no number
          city.toFixed()
          return { city }
        },
      },
      method: {
        parameters: numbers,
        execute(args) {
          return expectType<Numbers>()(args)
        },
      },
      // @ts-expect-error there is no such argument
      typo: { parameters: numbers, execute: args => args.c },
      // @ts-expect-error the schema says otherwise
      wrong: { parameters: numbers, execute: (args: { a: string }) => args },
      written: { parameters: numbers, execute: (args: { a: number }) => args },
      without: { parameters: numbers },
      json: {
        parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
        execute: ({ city }) => expectType<any>()(city),
      },
      jsonTyped: { parameters: json, execute: ({ city }: City) => expectType<string>()(city) },
      none: { description: 'the time', execute: () => new Date() },
      noneArgs: { execute: (_, { id }) => id },
    },
  })
  // @ts-expect-error no such option
  model.createChat({ sytem: 'x' })
  // @ts-expect-error no such key
  model.createChat({ tools: { a: { parameter: numbers } } })
  // @ts-expect-error no tool
  model.createChat({ tools: { a: 5 } })
  // @ts-expect-error no array
  model.createChat({ tools: 5 })
}

export function toolsFromElsewhere(model: Model, chosen: boolean, given: StandardSchema<Numbers>): void {
  const record: Record<string, Tool> = { add: { parameters: numbers, execute: args => args.a } }
  const tools: Tools = record
  const one: Tool<Numbers> = { parameters: given, execute: ({ a, b }) => a + b }
  const untyped: Tool = { parameters: json, execute: args => args.city }
  const options: ChatOptions = { tools: { one, untyped, ...record } }
  record['more'] = one
  model.createChat({ tools: record })
  model.createChat({ tools })
  model.createChat({ tools: { one, untyped } })
  model.createChat({
    tools: { ...record, one, add: { parameters: given, execute: args => expectType<Numbers>()(args) } },
  })
  model.createChat({ tools: Object.fromEntries([['a', one]]) })
  model.createChat({ tools: chosen ? tools : undefined })
  model.createChat({ tools: undefined })
  model.createChat({ tools: {} })
  model.createChat(options)
  model.createChat({ ...options, tools })
  model.createChat()
  const wrapped = (more: ChatOptions = {}) => model.createChat({ system: 'x', ...more })
  wrapped({ tools })
  const restore: RestoreOptions = { tools }
  void model.restoreChat('x', restore)
  void model.restoreChat('x')
  void model.restoreChat('x', { tools: { add: { parameters: numbers, execute: args => expectType<Numbers>()(args) } } })
  const stateless: StreamChatOptions = { model, messages: [], tools }
  streamChat(stateless)
  streamChat({
    model,
    messages: [],
    maxTokens: 5,
    tools: { add: { parameters: numbers, execute: args => expectType<Numbers>()(args) } },
  })
  streamChat({ model, messages: [] })
}

// As docs/tools.md has it.
export function documented(model: Model): Chat[] {
  const double: Tool<{ n: number }> = { parameters: z.object({ n: z.number() }), execute: ({ n }) => 2 * n }
  const chat = model.createChat({
    tools: {
      add: { parameters: z.object({ a: z.number(), b: z.number() }), execute: ({ a, b }) => a + b },
      greet: {
        parameters: { type: 'object', properties: { name: { type: 'string' } } },
        execute: ({ name }: { name?: string }) => `Hello ${name}`,
      },
    },
  })
  return [chat, model.createChat({ tools: { double } })]
}

export async function values(chat: Chat, options: GenerateOptions): Promise<void> {
  expectType<Numbers>()((await chat.ask('x', { responseFormat: numbers })).value)
  expectType<unknown>()((await chat.ask('x', { responseFormat: json })).value)
  expectType<unknown>()(
    (await chat.ask('x', { responseFormat: z.toJSONSchema(numbers, { io: 'input' }) as JsonSchema })).value,
  )
  expectType<string[]>()((await chat.ask('x', { responseFormat: z.array(z.string()), temperature: 1 })).value)
  expectType<Numbers>()((await chat.ask('x', { responseFormat: {} as StandardSchema<Numbers> })).value)
  expectType<unknown>()((await chat.ask('x', options)).value)
  const [first] = await chat.candidates('x', 3, { responseFormat: numbers, temperature: 1 })
  expectType<Numbers>()(first!.value)
  expectType<Chat>()(first!.chat)
  for (const { value, chat: own } of await chat.candidates('x', 3, { responseFormat: 'json' })) {
    expectType<unknown>()(value)
    expectType<Chat>()(own)
  }
  expectType<unknown>()((await chat.candidates('x', 3))[0]!.value)
  // @ts-expect-error it is a number
  first!.value.a.length
}

// `undefined` is an option that is not given, also under exactOptionalPropertyTypes.
export async function undefinedOptions(
  model: Model,
  some: {
    text: string | undefined
    number: number | undefined
    texts: string[] | undefined
    signal: AbortSignal | undefined
  },
): Promise<void> {
  const chat = model.createChat({
    system: process.env['SYSTEM'],
    window: some.number,
    temperature: some.number,
    dry: { base: some.number },
    tools: undefined,
    messages: undefined,
  })
  await chat.ask('x', {
    signal: some.signal,
    maxTokens: some.number,
    stop: some.texts,
    startWith: some.text,
    grammar: { source: 'x', triggers: some.texts },
    responseFormat: undefined,
  })
  await loadModel('x', {
    cacheTokens: some.number,
    sha256: some.text,
    signal: some.signal,
    onProgress: undefined,
    adapters: [{ path: 'x', scale: some.number }],
  })
  await estimateMemory('x', { chats: some.number })
  await model.restoreChat('x', { chatTemplate: some.text })
  streamChat({
    model,
    messages: [],
    system: some.text,
    seed: some.number,
    tools: { a: { description: some.text, parameters: numbers, execute: args => expectType<Numbers>()(args) } },
  })
}

test('the types are right, also under exactOptionalPropertyTypes', () => {
  expect([toolsOfAChat, toolsFromElsewhere, documented, values, undefinedOptions]).toEqual(
    Array.from({ length: 5 }, () => expect.any(Function)),
  )
  const file = fileURLToPath(import.meta.url)
  const { options } = ts.getParsedCommandLineOfConfigFile(
    join(file, '..', '..', '..', 'tsconfig.json'),
    {},
    { ...ts.sys, onUnRecoverableConfigFileDiagnostic: () => {} },
  )!
  for (const exactOptionalPropertyTypes of [false, true]) {
    const program = ts.createProgram([file], { ...options, exactOptionalPropertyTypes })
    expect(
      program
        .getSemanticDiagnostics(program.getSourceFile(file))
        .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
    ).toEqual([])
  }
})
