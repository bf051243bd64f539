import { templateTools } from '../../lib/tools/template-tools.js'
import type { ToolCallFormat } from '../../lib/tools/tool-call-format.js'
import type { ToolCall, ToolDefinitions } from '../../lib/tools/tool-definitions.js'
import { callMessage, resultMessages, toolVariables } from '../../lib/tools/tool-messages.js'

/** What a template is given to render. */
export interface Conversation {
  name: string
  variables: {
    messages: readonly object[]
    add_generation_prompt: boolean
    [name: string]: unknown
  }
}

/** Tools of the kinds that people have: nested, without descriptions, without parameters. */
export const tools: ToolDefinitions = {
  weather: {
    description: 'What the weather will be',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string', description: 'Where' },
        days: { type: 'integer', minimum: 1 },
        unit: { type: 'string', enum: ['C', 'F'], default: 'C' },
      },
      required: ['city'],
    },
  },
  order: {
    description: 'Orders things; says \'yes\' or "no" & more <at once>',
    parameters: {
      type: 'object',
      properties: {
        items: {
          type: 'array',
          description: 'What to order',
          items: { type: 'object', properties: { name: { type: 'string' }, count: { type: ['integer', 'null'] } } },
        },
        address: { type: 'object', properties: { street: { type: 'string' } }, additionalProperties: false },
        express: { type: 'boolean', default: true },
        discount: { type: 'number', description: 'In per cent' },
      },
      required: ['items', 'address'],
    },
  },
  now: { description: 'What time it is' },
}

const weather: ToolCall = { id: 'Aa1Bb2Cc3', name: 'weather', arguments: { city: 'Zürich "West"', days: 3 } }
const order: ToolCall = {
  id: 'Dd4Ee5Ff6',
  name: 'order',
  arguments: {
    items: [
      { name: 'pen', count: 2 },
      { name: "it's", count: null },
    ],
    address: { street: 'Line 1\nLine 2' },
    express: true,
    discount: 2.5,
  },
}
const now: ToolCall = { id: 'Gg7Hh8Ii9', name: 'now', arguments: {} }

const system = { role: 'system', content: 'Answer in <b>one</b> sentence.' }
const question = { role: 'user', content: '  What is it?\nTell me. ' }
const answer = { role: 'assistant', content: 'It is what it is.\n' }
const again = { role: 'user', content: 'And "then"?' }
const reasoned = { role: 'assistant', content: '<think>\nLet me see.\n</think>\n\nIt is.' }
const withReasoning = { role: 'assistant', content: 'It is.', reasoning_content: 'Let me see.' }
const later = { role: 'user', content: 'Why?' }

const rain = { id: weather.id, name: weather.name, result: { sky: 'rain', degrees: 12.5 } }
const ordered = { id: order.id, name: order.name, result: 'It is on its way.' }
const noon = { id: now.id, name: now.name, result: '12:00' }

/** Conversations for a template, with calls in the shape that the library gives it, and in all shapes that there are. */
export function conversationsFor(format: ToolCallFormat): Conversation[] {
  const all: Conversation[] = []
  const given = toolVariables({ ...format, toolsVariable: format.toolsVariable ?? 'tools' }, tools)
  const add = (name: string, messages: readonly object[], opens = true, variables: Record<string, unknown> = {}) =>
    all.push({ name, variables: { messages, add_generation_prompt: opens, ...variables } })

  add('one question', [question])
  add('one question, nothing opened', [question], false)
  add('a system prompt', [system, question])
  add('two turns', [question, answer, again])
  add('a system prompt and three turns', [system, question, answer, again, answer, later])
  add('an answer at the end', [system, question, answer], false)
  add('reasoning in the text', [question, reasoned, again, reasoned, later])
  add('reasoning beside the text', [question, withReasoning, again, withReasoning, later])
  add('thinking turned on', [question, reasoned, again], true, { enable_thinking: true })
  add('thinking turned off', [question, reasoned, again], true, { enable_thinking: false })
  add('empty texts', [
    { ...system, content: '' },
    { ...question, content: '' },
  ])

  add('tools', [question], true, given)
  add('tools and a system prompt', [system, question, answer, again], true, given)
  const one = callMessage(format, '', [weather])
  const two = format.parallel ? callMessage(format, '', [order, now]) : callMessage(format, '', [order])
  const spoken = callMessage(format, 'I look it up.', [now])
  const afterTwo = format.parallel ? [ordered, noon] : [ordered]
  add('a call', [question, one], false, given)
  add('a call and its answer', [question, one, ...resultMessages(format, [rain])], true, given)
  add('a call, its answer and the reply', [question, one, ...resultMessages(format, [rain]), answer], false, given)
  add('several calls', [system, question, two, ...resultMessages(format, afterTwo)], true, given)
  add(
    'rounds of calls',
    [
      system,
      question,
      one,
      ...resultMessages(format, [rain]),
      two,
      ...resultMessages(format, afterTwo),
      answer,
      again,
      spoken,
      ...resultMessages(format, [noon]),
      answer,
      later,
    ],
    true,
    given,
  )
  add('calls without tools', [question, one, ...resultMessages(format, [rain]), answer, again])

  const variables = { ...given, tools: templateTools(tools) }
  for (const argumentsAs of ['object', 'string'] as const) {
    for (const emptyContent of ['', null] as const) {
      const shape: ToolCallFormat = { ...format, rendersCalls: true, results: 'tool', argumentsAs, emptyContent }
      const how = `arguments as ${argumentsAs}, content ${JSON.stringify(emptyContent)}`
      const result = resultMessages(shape, [rain])
      add(`a call, ${how}`, [question, callMessage(shape, '', [weather]), ...result, answer, again], true, variables)
      add(
        `calls with reasoning, ${how}`,
        [
          system,
          question,
          { ...callMessage(shape, '', [order]), reasoning_content: 'Let me see.' },
          ...resultMessages(shape, [ordered]),
          { ...callMessage(shape, 'I look.', [weather]), reasoning_content: 'So.' },
          ...result,
        ],
        true,
        variables,
      )
    }
  }
  return all
}
