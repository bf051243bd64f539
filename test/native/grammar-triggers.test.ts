import { type GenerateOptions, loadModel, type Model, streamChat } from '../../lib/index.js'
import { checkGrammar, checkSource } from '../../lib/structured/grammar-check.js'
import { schemaGrammar } from '../../lib/structured/json-schema.js'
import { callSyntaxes } from '../../lib/tools/call-syntax.js'
import { genericFormat } from '../../lib/tools/tool-call-format.js'
import { toolCallGrammar } from '../../lib/tools/tool-call-grammar.js'
import { cpuMilliseconds } from '../tools/cpu-time.js'
import { GbnfGrammar } from '../tools/gbnf.js'
import { seeded } from '../tools/random.js'
import { tinyModel } from '../tools/tiny-models.js'
import { tools } from '../unit/reply/replies.js'

let model: Model
beforeAll(async () => {
  model = await loadModel(tinyModel('llama', { endBias: 6 }), { threads: 1, gpu: false })
})
afterAll(() => model.close())

const lines = (...all: string[]) => all.join('\n')

describe('triggers', () => {
  const begins = (source: string, ...triggers: string[]) =>
    checkGrammar(source, 'someCall', triggers, model.tokenizer.impossibleTrigger)
  const mayBeginWith = (source: string, text: string) => model.tokenizer.impossibleTrigger(source, [text]) === -1

  test.each<[string, string[]]>([
    ['root ::= "<score>" [0-9]{1,2} "</score>"', ['<score>', '<', '<score>5', '<score>99</']],
    ['root ::= "The" | "An" b\nb ::= " apple" | root', ['The', 'An', 'An apple', 'AnThe', 'AnAnAnAn app']],
    ['root ::= [A-Z] [^a-c\\n]* .', ['The', 'X', 'Zde\n', 'Aä😀']],
    ['root ::= "\\x3C" "\\u00e4" "\\U0001F600" "\\n\\t\\"\\\\"', ['<ä😀\n\t"\\']],
    ['root ::= "" ("a"?)* space* "b"\nspace ::= [ ]*', ['b', 'aab', '  b', ' ']],
    ['root ::= ("ab"){2,3} [x-z]+ "."? "c"{3}', ['ababx', 'abababxyz', 'abab', 'ababzccc', 'ababz.cc']],
    ['root ::= [] "a" [^]', ['a']],
    ['root ::= "(" root ")" | "x"', ['((((', '((x))', 'x']],
    ['root ::= [-a\\]]{3}', ['-a]']],
    ['root ::= <think> "a" | !<[5]>', ['anything']],
    ['root ::= "a" <[5]>', ['ab']],
    ['root ::= "a"*', ['a'.repeat(256)]],
    ['root ::= ("a" | "aa" | "aaa")* "b"', ['a'.repeat(256)]],
    ['root ::= "x" root', ['xxx']],
  ])('%s', (source, triggers) => {
    for (const trigger of triggers) expect(() => begins(source, trigger)).not.toThrow()
    expect(() => begins(source, ...triggers)).not.toThrow()
  })

  test.each<[string, string[]]>([
    ['root ::= "aZZ"', ['The', 'aZZZ', 'ZZ', 'b', ' aZZ']],
    ['root ::= "The" | "An" b\nb ::= " apple" | root', ['Ann', 'the', 'Thee', ' An', 'AnTheA']],
    ['root ::= [A-Z] [^a-c\\n]* "."', ['the', 'Ta', 'X\n']],
    ['root ::= ("ab"){2,3} [x-z]+', ['abx', 'ababababx', 'ababa ']],
    ['root ::= "(" root ")" | "x"', ['((x)))', '(x(', ')']],
    ['root ::= ("a" | "aa" | "aaa")* "b"', [`${'a'.repeat(50)}c`]],
    ['root ::= "b" <[5]>', ['ab']],
    ['root ::= ', ['a']],
    ['root ::= .*', ['a\0']], // which no text of a grammar has
    ['root ::= "ab" [^\\u0000-\\U0010FFFF]', ['ab']],
  ])('%s refuses', (source, triggers) => {
    for (const trigger of triggers) {
      expect(() => begins(source, trigger)).toThrow(
        expect.objectContaining({
          code: 'INVALID_OPTION',
          message: expect.stringContaining(
            `someCall: no text of the grammar begins with its trigger ${JSON.stringify(trigger)}`,
          ),
          details: expect.objectContaining({ call: 'someCall', option: 'grammar.triggers[0]' }),
        }),
      )
    }
  })

  test('the one of several that is wrong is named', () => {
    expect(() => begins('root ::= "a" | "b"', 'a', 'c', 'b')).toThrow(
      expect.objectContaining({ details: expect.objectContaining({ option: 'grammar.triggers[1]' }) }),
    )
  })

  test('agree with another reader of grammars', () => {
    const random = seeded(7)
    const letters = () => Array.from({ length: 1 + random.below(3) }, () => 'abc'[random.below(3)]!).join('')
    const part = (depth: number): string => {
      const kind = random.below(depth === 0 ? 2 : 6)
      if (kind === 0) return JSON.stringify(letters())
      if (kind === 1) return `[${random.chance(0.3) ? '^' : ''}${letters()}]`
      if (kind === 2) return `(${part(depth - 1)} | ${part(depth - 1)})`
      if (kind === 3) return `${part(depth - 1)} ${part(depth - 1)}`
      if (kind === 4) return `("${letters()}" ${part(depth - 1)})${['*', '+', '?', '{0,2}', '{2}'][random.below(5)]}`
      return 'rest'
    }
    let refused = 0
    const wrong: { source: string; text: string }[] = [] // one look at the end: 18,000 of Jest's take five times as long
    for (let i = 0; i < 300; i++) {
      const source = `root ::= ${part(3)} "."\nrest ::= "a" rest | ${JSON.stringify(letters())}`
      checkSource(source)
      const grammar = new GbnfGrammar(source)
      const texts = Array.from({ length: 20 }, () => grammar.sentence(random, 8))
      const beginnings = texts.flatMap(text => [1, 2, 5].map(length => Array.from(text).slice(0, length).join('')))
      for (const text of beginnings) if (!mayBeginWith(source, text)) wrong.push({ source, text })
      // a text that is refused begins no sentence; one that is whole is one by both
      for (let j = 0; j < 10; j++) {
        const text = `${letters()}${letters()}.`
        if (mayBeginWith(source, text)) continue
        if (grammar.accepts(text)) wrong.push({ source, text })
        else refused++
      }
    }
    expect(wrong).toEqual([])
    expect(refused).toBeGreaterThan(1000)
  })

  test('none takes long', () => {
    const start = cpuMilliseconds()
    begins(
      lines(
        'root ::= r0',
        ...Array.from({ length: 900 }, (_, i) => `r${i} ::= ${i === 899 ? '[a-z]*' : `r${i + 1} | "b" r${i + 1}`}`),
      ),
      'b'.repeat(256),
    )
    begins('root ::= (("a" | "a" "a")+ | ("a" | "b")+)+ "c"', 'a'.repeat(256))
    begins(`root ::= (${'"a" | '.repeat(80_000)}"b") root`, 'a'.repeat(256))
    expect(cpuMilliseconds() - start).toBeLessThan(30_000) // a second or less; by all ways at once it takes minutes
  })
})

describe('a trigger that the grammar cannot begin with is refused', () => {
  const grammar = { source: 'root ::= "<" [a-z]* ">"', triggers: ['<', '>'] }
  const refusal = (call: string) =>
    expect.objectContaining({
      code: 'INVALID_OPTION',
      message: `${call}: no text of the grammar begins with its trigger ">", as it must, since it holds from there on: the model could never write the trigger. Let 'root' begin with ">"`,
      details: expect.objectContaining({ call, option: 'grammar.triggers[1]' }),
    })

  test('at once by what streams, and as a rejection by what promises, and the chat stays as it was', async () => {
    const chat = model.createChat({ window: 200 })
    await chat.ask('Hello', { maxTokens: 3 })
    const before = [chat.messages, chat.usage]
    expect(() => chat.stream('Again', { grammar })).toThrow(refusal('stream'))
    expect(() => chat.regenerate({ grammar })).toThrow(refusal('regenerate'))
    await expect(chat.ask('Again', { grammar })).rejects.toThrow(refusal('ask'))
    await expect(chat.candidates('Again', 2, { grammar })).rejects.toThrow(refusal('candidates'))
    expect([chat.messages, chat.usage]).toEqual(before)
    expect((await chat.ask('Again', { maxTokens: 3, temperature: 0 })).usage.completionTokens).toBeGreaterThan(0)
    await chat.close()
  })

  test('by a sequence, by the model, and by what makes a chat of messages', async () => {
    const sequence = model.createSequence({ window: 200 })
    expect(() => sequence.generate({ grammar })).toThrow(refusal('generate'))
    await sequence.close()
    expect(() => model.stream('Again', { grammar })).toThrow(refusal('stream'))
    expect(() => model.fill('a', 'b', { grammar })).toThrow(refusal('fill'))
    const messages = [{ role: 'user', content: 'Again' }]
    expect(() => streamChat({ model, messages, grammar })).toThrow(refusal('streamChat'))
  })

  test('also once the model is closed', async () => {
    const other = await loadModel(tinyModel('llama', { endBias: 6 }), { threads: 1, gpu: false })
    const chat = other.createChat({ window: 200 })
    await other.close()
    expect(() => chat.stream('Again', { grammar })).toThrow(refusal('stream'))
  })
})

test.each(Object.values(callSyntaxes))('grammars for calls begin with their triggers: $name', syntax => {
  for (const reasoningClose of [undefined, '</think>']) {
    for (const choice of ['auto', 'required'] as const) {
      const { grammar, triggers } = toolCallGrammar({ ...genericFormat, syntax }, tools, choice, {
        reasoningClose,
        parameters: ({ parameters }, rules) => schemaGrammar(parameters, 'test', false, { rules }).root,
      })!
      expect(model.tokenizer.impossibleTrigger(grammar, [...triggers, 'none of them'])).toBe(triggers.length)
    }
  }
})

test('the grammar that a token stands in is read by the reply, which says that there is no such token', async () => {
  const sequence = model.createSequence({ window: 200 })
  const grammar: GenerateOptions['grammar'] = { source: 'root ::= "<" <no token at all>', triggers: ['<'] }
  const read = async () => {
    for await (const event of sequence.generate({ tokens: model.tokenize('Again'), grammar })) void event
  }
  await expect(read()).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  await sequence.close()
})
