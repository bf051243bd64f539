import { CompiledTemplate } from '../../lib/templates/compiled-template.js'
import { type ToolCallFormat, toolCallFormat } from '../../lib/tools/tool-call-format.js'
import { type Conversation, conversationsFor } from './conversations.js'
import { type Rendered, type RenderRequest, renderInPython } from './python.js'

/** The texts that templates write by these names. */
export const tokens = { bosToken: '<s>', eosToken: '</s>' }

/** What a conversation has become here and in Python. */
export interface Comparison {
  conversation: string
  outcome: 'equal' | 'different' | 'fails here alone' | 'fails there alone' | 'fails in both'
  /** The first difference, or why it fails. */
  details: string
}

export interface TemplateReport {
  name: string
  format: ToolCallFormat
  comparisons: Comparison[]
}

/** Renders conversations by each template, here and in Python. */
export function compareTemplates(
  templates: ReadonlyMap<string, string>,
  { python, now }: { python: string; now: Date },
): TemplateReport[] {
  const prepared = [...templates].map(([name, source]) => {
    const format = toolCallFormat(source, tokens)
    return { name, source, format, conversations: conversationsFor(format) }
  })
  const requests = prepared.flatMap(({ source, conversations }) =>
    conversations.map(conversation => request(source, conversation, now)),
  )
  const rendered = renderInPython(python, requests)
  let at = 0
  return prepared.map(({ name, source, format, conversations }) => ({
    name,
    format,
    comparisons: conversations.map(conversation =>
      compare(conversation.name, renderHere(source, conversation), rendered[at++]!),
    ),
  }))
}

function request(template: string, { variables }: Conversation, now: Date): RenderRequest {
  const { bosToken, eosToken } = tokens
  return {
    template,
    variables: { bos_token: bosToken, eos_token: eosToken, tools: null, documents: null, ...variables },
    now: localTime(now),
  }
}

/** Without a zone: templates write the time of the place. */
function localTime(time: Date): string {
  return new Date(time.getTime() - time.getTimezoneOffset() * 60_000).toISOString().slice(0, -1)
}

function renderHere(source: string, { variables }: Conversation): Rendered {
  const { messages, add_generation_prompt: opens, ...others } = variables
  try {
    return { text: new CompiledTemplate(source, tokens).render(messages as never, opens, others) }
  } catch (error) {
    return { error: (error as Error).message }
  }
}

function compare(conversation: string, here: Rendered, there: Rendered): Comparison {
  if ('error' in here) {
    if ('error' in there) return { conversation, outcome: 'fails in both', details: `${here.error} | ${there.error}` }
    return { conversation, outcome: 'fails here alone', details: here.error }
  }
  if ('error' in there) return { conversation, outcome: 'fails there alone', details: there.error }
  if (here.text === there.text) return { conversation, outcome: 'equal', details: '' }
  return { conversation, outcome: 'different', details: firstDifference(here.text, there.text) }
}

function firstDifference(here: string, there: string): string {
  let at = 0
  while (here[at] === there[at]) at++
  const around = (text: string) => JSON.stringify(text.slice(Math.max(0, at - 30), at + 30))
  return `at ${at}: ${around(here)} here, ${around(there)} in Python`
}
