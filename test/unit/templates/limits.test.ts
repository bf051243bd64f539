import { StreamingLLMError } from '../../../lib/errors.js'
import { ChatTemplate, piecesText } from '../../../lib/templates/chat-template.js'
import { chatml, gemma, headers, inst, make, system, thrown, user, assistant } from './samples.js'

const specialTokens = ['<s>']
const rendering = (source: string, options = {}) => () => new ChatTemplate(source, { specialTokens, ...options }).render([user('x')], true)
const failure = (work: () => unknown) => {
  const error = thrown(work)
  expect(error).toBeInstanceOf(StreamingLLMError)
  expect(error).toMatchObject({ code: 'TEMPLATE_FAILED' })
  return error as StreamingLLMError
}

describe('templates that fail', () => {
  test.each([
    ['{% for x in %}'], ['{{ "open'], ['{% if true %}'], ['{{ 1 +* 2 }}'], ['{# open'],
  ])('does not compile: %s', source => {
    expect(failure(() => new ChatTemplate(source, { specialTokens })).message).toMatch(/failed to compile: .*`chatTemplate`/)
  })

  test.each([
    ['{{ nothing + 1 }}'], ['{{ nothing() }}'], ['{{ messages | unheard_of }}'], ['{{ messages + 1 }}'],
    ['{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}'], ['{% for m in 5 %}{% endfor %}'],
  ])('does not render: %s', source => {
    expect(failure(rendering(source)).message).toMatch(/failed to render: .*`chatTemplate`/)
  })

  test('raise_exception gives the message of the template', () => {
    const error = failure(() => make(inst).render([user('a'), user('b')], true))
    expect(error.message).toContain('Roles have to take turns')
    expect(error.details.templateMessage).toContain('Roles have to take turns')
    expect(failure(() => make(gemma).render([system('s'), user('b')], true)).message).toContain('no system role')
  })

  test('a template that always fails has no traits, and says why when used', () => {
    const template = new ChatTemplate('{{ raise_exception("never") }}', { specialTokens })
    expect(template.incremental).toBe(false)
    expect(template.rewritesReasoning).toBe(false)
    expect(template.renderSystem('s')).toBeUndefined()
    expect(failure(() => template.render([user('x')], true)).message).toContain('never')
  })
})

describe('hostile templates', () => {
  test.each([
    ['loops in loops', '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}'],
    ['a huge range', '{% for a in range(1000000000) %}{% endfor %}'],
    ['endless macros', '{% macro f(n) %}{% for i in range(50) %}{{ f(n) if n < 3 else f(n) }}{% endfor %}{% endmacro %}{{ f(0) }}'],
    ['doubling', '{% set ns = namespace(s="ab") %}{% for i in range(100) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}'],
    ['a slow comparison of everything', '{% for a in range(3000) %}{% for b in range(3000) %}{{ a * b }}{% endfor %}{% endfor %}'],
  ])('%s', (_, source) => {
    const start = performance.now()
    failure(rendering(source))
    // Two attempts within their limits, and what a busy machine takes besides.
    expect(performance.now() - start).toBeLessThan(6000)
  })

  test('probing one costs a few limits, no more', () => {
    const template = new ChatTemplate('{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}', { specialTokens, timeLimit: 50 })
    const start = performance.now()
    expect(template.incremental).toBe(false)
    expect(performance.now() - start).toBeLessThan(1000)
  })

  test('output beyond the limit', () => {
    const error = failure(rendering('{% for a in range(200) %}0123456789{% endfor %}', { sizeLimit: 1999 }))
    expect(error.details).toEqual({ length: 2000, limit: 1999 })
    expect(rendering('{% for a in range(200) %}0123456789{% endfor %}', { sizeLimit: 2000 })()).toHaveLength(1)
  })

  test('a source beyond the limit, and one that is slow to compile', () => {
    expect(failure(() => new ChatTemplate('x'.repeat(1_000_001), { specialTokens })).details).toEqual({ length: 1_000_001, limit: 1_000_000 })
    expect(failure(() => new ChatTemplate('\n' + ' '.repeat(900_000) + 'x', { specialTokens })).details.timeout).toBe(1000)
  })

  test('nothing of JavaScript is in reach', () => {
    for (const path of ['messages.constructor', '"".constructor', 'raise_exception.constructor', 'messages.__proto__', 'process', 'globalThis', 'work']) {
      expect(piecesText(rendering(`{{ "none" if ${path} is undefined else "some" }}`)())).toBe('none')
    }
  })
})

describe('messages', () => {
  test.each([['user<|im_end|>'], [''], ['a b'], ['ä'], ['user\n'], ['x'.repeat(65)], [5 as unknown as string]])('role %j is refused', role => {
    expect(thrown(() => make(chatml).render([{ role, content: 'x' }], true))).toMatchObject({ code: 'INVALID_OPTION', details: { message: 0 } })
    expect(thrown(() => make(chatml).continueTurn([{ role, content: 'x' }]))).toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('contents must be strings', () => {
    expect(thrown(() => make(chatml).render([{ role: 'user', content: ['x'] as unknown as string }], true))).toMatchObject({ code: 'INVALID_OPTION' })
    expect(thrown(() => make(chatml).render([undefined as never], true))).toMatchObject({ code: 'INVALID_OPTION' })
  })

  test('tools are none and dates are there', () => {
    const text = piecesText(make(headers).render([user('x')], true))
    expect(text).not.toContain('Environment')
    expect(text).toContain(`It is ${new Date().getFullYear()}.`)
  })
})

describe('cost', () => {
  // A ratio within one run: what else the machine does meets both sides.
  test('a turn costs the same with 20,000 special tokens as with one', () => {
    const few = make(chatml, { specialTokens: ['<|im_end|>'] })
    const many = make(chatml, { specialTokens: ['<|im_end|>', ...Array.from({ length: 20_000 }, (_, i) => `<|reserved_${i}|>`)] })
    const timed = (template: ChatTemplate, i: number) => {
      const start = performance.now()
      template.continueTurn([user(`What about ${i}? And <|im_end|> here, please.`)])
      return performance.now() - start
    }
    for (let i = 0; i < 50; i++) timed(few, i), timed(many, i)
    const ratios = Array.from({ length: 101 }, (_, i) => timed(many, i) / timed(few, i)).sort((a, b) => a - b)
    expect(ratios[50]).toBeLessThan(3)
  })

  test('a long history is rendered in whole', () => {
    const messages = Array.from({ length: 5000 }, (_, i) => [user(`q${i}`), assistant(`a${i}`)]).flat()
    expect(make(chatml).render(messages, true)).toHaveLength(1)
  })
})
