import { reasoningFormat, reasoningIsOpen, thinkTags } from '../../../lib/reply/reasoning-format.js'
import { CompiledTemplate } from '../../../lib/templates/compiled-template.js'
import { genericFormat, type ToolCallFormat, toolCallFormat } from '../../../lib/tools/tool-call-format.js'
import { toolInstructions } from '../../../lib/tools/tool-instructions.js'
import { callMessage, resultMessages, toolVariables } from '../../../lib/tools/tool-messages.js'
import { read, tools } from '../reply/replies.js'
import * as templates from './templates.js'

const format = (name: keyof typeof templates): ToolCallFormat =>
  toolCallFormat(templates[name], { bosToken: '<s>', eosToken: '</s>' })
const known = Object.keys(templates) as (keyof typeof templates)[]

describe('found out from a template', () => {
  test.each([
    ['plain', 'generic', undefined, false, 'object', '', true, 'user'],
    ['strict', 'generic', undefined, false, 'object', '', true, 'user'],
    ['unknown', 'generic', undefined, false, 'object', '', true, 'user'],
    ['smollm2', 'smollm2', undefined, false, 'object', '', true, 'user'],
    ['smollm3', 'hermes', 'xml_tools', false, 'object', '', true, 'tool'],
    ['hermes', 'hermes', 'tools', true, 'object', '', true, 'tool'],
    ['hermesAlways', 'hermes', 'tools', true, 'object', '', true, 'tool'],
    ['llama3', 'llama3', 'tools', true, 'object', null, false, 'tool'],
    ['toolsWithUser', 'llama3', undefined, true, 'object', null, false, 'tool'],
    ['mistral', 'mistral', undefined, true, 'object', null, true, 'tool'],
    ['mistralNamed', 'mistral-named', undefined, true, 'object', null, true, 'user'],
    ['mistralIds', 'mistral-ids', undefined, true, 'object', null, true, 'user'],
    ['functionary', 'functionary', undefined, true, 'string', null, true, 'user'],
    ['deepseek', 'deepseek', undefined, true, 'string', null, true, 'user'],
    ['deepseek31', 'deepseek-v3.1', undefined, true, 'string', null, true, 'user'],
    ['coder', 'qwen3-coder', undefined, true, 'object', null, true, 'user'],
    ['phi4', 'phi4', undefined, true, 'object', null, true, 'user'],
    ['lists', 'smollm2', undefined, true, 'object', null, true, 'user'],
    ['kimi', 'kimi-k2', undefined, true, 'object', null, true, 'user'],
    ['minimaxM1', 'minimax-m1', undefined, true, 'object', null, true, 'user'],
    ['apriel', 'apriel', undefined, true, 'object', null, true, 'user'],
    ['nemotron', 'nemotron', undefined, true, 'object', null, true, 'user'],
    ['commandR', 'command-r', undefined, true, 'object', null, true, 'user'],
    ['commandRPlus', 'command-r-plus', undefined, true, 'object', null, true, 'user'],
    ['apertus', 'apertus', undefined, true, 'object', null, true, 'user'],
    ['gigachat', 'gigachat', undefined, true, 'object', null, true, 'user'],
    ['gigachat31', 'gigachat-3.1', undefined, true, 'object', null, true, 'user'],
    ['firefunction', 'firefunction', undefined, true, 'object', null, true, 'user'],
    ['glm', 'glm', undefined, true, 'object', null, true, 'user'],
    ['glmInline', 'glm-inline', undefined, true, 'object', null, true, 'user'],
    ['minimaxM2', 'minimax-m2', undefined, true, 'object', null, true, 'user'],
    ['deepseek32', 'deepseek-v3.2', undefined, true, 'object', null, true, 'user'],
    ['deepseek4', 'deepseek-v4', undefined, true, 'object', null, true, 'user'],
    ['seed', 'seed', undefined, true, 'object', null, true, 'user'],
    ['minicpm', 'minicpm', undefined, true, 'object', null, true, 'user'],
    ['kimi3', 'kimi-k3', undefined, true, 'object', null, true, 'user'],
    ['lfm2', 'lfm2', undefined, true, 'object', null, true, 'user'],
    ['gemma4', 'gemma4', undefined, true, 'object', null, true, 'user'],
    ['granite33', 'granite', undefined, false, 'object', '', true, 'user'],
    ['careless', 'hermes', undefined, true, 'object', '', true, 'user'],
  ] as const)('%s: %s', (name, syntax, toolsVariable, rendersCalls, argumentsAs, emptyContent, parallel, results) => {
    const found = format(name)
    expect({ ...found, syntax: found.syntax.name }).toEqual({
      syntax,
      toolsVariable,
      rendersCalls,
      argumentsAs,
      emptyContent,
      parallel,
      results,
      variables: name === 'llama3' ? { tools_in_user_message: false } : {},
    })
  })

  test('a template that does not compile, says nothing, raises, or never ends', () => {
    for (const source of [
      '',
      '{% for',
      '{{ raise_exception("no") }}',
      '{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}',
      '{{ messages }}',
      'x'.repeat(2_000_000),
    ]) {
      expect(toolCallFormat(source)).toBe(genericFormat)
    }
  })

  test('a template that only speaks of tool calls', () => {
    expect(toolCallFormat(`${templates.plain}{# <tool_call> tools #}`)).toBe(genericFormat)
  })
})

const calls = [
  { id: 'abcdefghi', name: 'get_weather', arguments: { city: 'Rome "x"', days: 2 } },
  { id: '123456789', name: 'now', arguments: {} },
]

describe.each(known)('messages for %s', name => {
  const found = format(name)
  const template = new CompiledTemplate(templates[name], { bosToken: '<s>', eosToken: '</s>' })
  const made = found.parallel ? calls : calls.slice(0, 1)

  test('a conversation with calls is rendered, and its calls can be read', () => {
    const messages = [
      { role: 'user', content: 'QUESTION' },
      callMessage(found, '', made),
      ...resultMessages(
        found,
        made.map(({ id, name }) => ({ id, name, result: { ok: `${name}!` } })),
      ),
      callMessage(found, 'It rains.', []),
    ]
    const text = template.render(messages, false, toolVariables(found, tools))
    // What needs no mark at the start of a reply is found here by the header before it.
    const parts = read(text.slice(text.lastIndexOf('QUESTION') + 'QUESTION'.length), {
      syntax: {
        ...found.syntax,
        bare: false,
        open: found.syntax.bare ? ['<|start|>assistant<|end|>'] : found.syntax.open,
      },
    })
    expect(parts.filter(part => part.type === 'tool-call').map(part => part.arguments)).toEqual(
      made.map(call => call.arguments),
    )
    if (!found.syntax.bare) expect(parts.filter(part => part.type === 'invalid-tool-call')).toEqual([])
    for (const call of made) expect(text).toMatch(new RegExp(`\\{\\\\?"ok\\\\?":\\\\?"${call.name}!\\\\?"\\}`))
    expect(text).toContain('It rains.')
  })

  test('the tools are named: by the template, or by the instructions', () => {
    const system = found.toolsVariable === undefined ? toolInstructions(found, tools) : 'Be brief.'
    if (name === 'strict') return expect(system).toContain('get_weather')
    const text = template.render(
      [
        { role: 'system', content: system },
        { role: 'user', content: 'QUESTION' },
      ],
      true,
      toolVariables(found, tools),
    )
    expect(text.indexOf('get_weather')).toBeGreaterThan(0)
    expect(text.indexOf('Tells the time')).toBeLessThan(text.indexOf('QUESTION'))
  })
})

describe('messages', () => {
  test('text before calls is kept', () => {
    expect(callMessage(format('hermes'), 'I look.', calls)).toMatchObject({
      content: 'I look.',
      tool_calls: [
        { id: 'abcdefghi', type: 'function', function: { name: 'get_weather', arguments: calls[0]!.arguments } },
        {},
      ],
    })
    expect(callMessage(format('plain'), 'I look.', calls.slice(1))).toEqual({
      role: 'assistant',
      content: 'I look.\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>',
    })
    expect(callMessage(format('hermes'), 'No.', [])).toEqual({ role: 'assistant', content: 'No.' })
  })

  test('arguments as text where the template wants text', () => {
    expect(callMessage(format('functionary'), '', calls).tool_calls![0]!.function.arguments).toBe(
      '{"city":"Rome \\"x\\"","days":2}',
    )
  })

  test('results', () => {
    const results = [
      { id: 'a', name: 'now', result: 'noon' },
      { id: 'b', name: 'get_weather', result: undefined },
    ]
    expect(resultMessages(format('hermes'), results)).toEqual([
      { role: 'tool', content: 'noon', tool_call_id: 'a', name: 'now' },
      { role: 'tool', content: 'null', tool_call_id: 'b', name: 'get_weather' },
    ])
    expect(resultMessages(format('plain'), results)).toEqual([
      { role: 'user', content: '<tool_response>\nnoon\n</tool_response>\n<tool_response>\nnull\n</tool_response>' },
    ])
    expect(resultMessages(format('plain'), [])).toEqual([])
  })
})

describe('instructions', () => {
  test.each(known)('%s: the example that they give can be read', name => {
    const found = format(name)
    const text = toolInstructions(found, tools)
    const example = text.slice(text.indexOf('exactly in this form'))
    const parts = read(example.slice(example.indexOf('\n') + 1), { syntax: found.syntax, tools: { example_tool: {} } })
    expect(parts).toContainEqual(
      expect.objectContaining({ type: 'tool-call', arguments: { example_argument: 'its value' } }),
    )
  })

  test('none without tools', () => {
    expect(toolInstructions(genericFormat, {})).toBe('')
  })
})

describe('reasoning', () => {
  test('is found in the template', () => {
    expect(reasoningFormat("{{ x.split('</think>')[-1] }}")).toBe(thinkTags)
    expect(reasoningFormat('[THINK]{{ x }}[/THINK]')).toEqual({ open: '[THINK]', close: '[/THINK]' })
    expect(reasoningFormat('nothing')).toBe(thinkTags)
  })

  test('may be open at the end of a prompt', () => {
    expect(reasoningIsOpen('<|im_start|>assistant\n<think>\n', thinkTags)).toBe(true)
    expect(reasoningIsOpen('<|im_start|>assistant\n<think>\n\n</think>\n\n', thinkTags)).toBe(false)
    expect(reasoningIsOpen('What is <think>? <|im_start|>assistant\n', thinkTags)).toBe(false)
  })
})
