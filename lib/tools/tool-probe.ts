import type { TemplateMessage } from '../messages.js'
import type { CompiledTemplate } from '../templates/compiled-template.js'
import { type CallSyntax, type CallSyntaxName, callSyntaxes } from './call-syntax.js'
import { type TemplateTool, type ToolsVariable, toolsFor } from './template-tools.js'
import { writeCalls } from './write-calls.js'

/** What a chat template makes of tools and calls. */
export interface ToolCapabilities {
  /**
   * The variable by which the template is given the tools, where it writes them into the system message. Undefined for
   * templates that write none, and for those that put them into a user's turn. There they would be evicted with it, so
   * we write them into the system prompt instead.
   */
  toolsVariable: ToolsVariable | undefined
  /** Further variables to be given together with the tools. */
  variables: Readonly<Record<string, unknown>>
  /** Whether the template writes `tool_calls`. If not, the calls' text has to be in the message's content. */
  rendersCalls: boolean
  /** The shape in which it takes arguments. */
  argumentsAs: 'object' | 'string'
  /** What it takes for the content of a message that is only a call. */
  emptyContent: '' | null
  /** Whether one message may hold several calls. */
  parallel: boolean
  /** How results are given back: in a message of the role `tool`, or of the user. */
  results: 'tool' | 'user'
}

const question = 'probe question'
const secondQuestion = 'probe again'
const system = 'probe system'
const answer = 'probe answer'
const description = 'probe description'
const key = 'probe_key'
const call = { id: 'probe0001', name: 'probe_tool', arguments: { [key]: 'probe value' } }
const otherCall = { id: 'probe0002', name: 'probe_other', arguments: { [key]: 'other value' } }

const tools: TemplateTool[] = [
  {
    type: 'function',
    function: {
      name: call.name,
      description,
      parameters: {
        type: 'object',
        properties: { [key]: { type: 'string', description: 'probe parameter' } },
        required: [key],
      },
    },
  },
]

/** How calls look that a template has written, by their name. The first that matches counts. */
const syntaxPatterns: readonly [CallSyntaxName, RegExp][] = [
  ['qwen3-coder', /<tool_call>\s*<function=probe_tool>/],
  ['glm', /<tool_call>probe_tool\n\s*<arg_key>/],
  ['glm-inline', /<tool_call>probe_tool\s*<arg_key>/],
  ['hunyuan', /<tool_call:opensource>probe_tool/],
  ['minimax-m2', /<minimax:tool_call>\s*<invoke name="probe_tool"/],
  ['deepseek-v3.2', /<｜DSML｜function_calls>\s*<｜DSML｜invoke name="probe_tool"/],
  ['deepseek-v4', /<｜DSML｜tool_calls>\s*<｜DSML｜invoke name="probe_tool"/],
  ['seed', /<seed:tool_call>\s*<function=probe_tool>/],
  ['minicpm', /<function name="probe_tool">/],
  ['atem', /<atem:function_calls>\s*<atem:invoke name="probe_tool"/],
  ['lfm2', /<\|tool_call_start\|>\s*\[\s*probe_tool\(/],
  ['gemma4', /<\|tool_call>call:probe_tool\{/],
  ['kimi-k3', /<\|open\|>call tool="probe_tool"/],
  ['hermes', /<tool_call>\s*\{/],
  ['granite', /<\|tool_call\|>\s*\[(?![\s\S]*<\|\/tool_call\|>)/],
  ['phi4-list', /<\|tool_call\|>\s*\[/],
  ['phi4', /<\|tool_call\|>\s*\{/],
  ['smollm2', /<tool_call>\s*\[/],
  ['mistral', /\[TOOL_CALLS\]\s*\[/],
  ['mistral-ids', /\[TOOL_CALLS\]\s*probe_tool\s*\[CALL_ID\]/],
  ['mistral-named', /\[TOOL_CALLS\]\s*probe_tool/],
  ['deepseek', /<｜tool▁call▁begin｜>function<｜tool▁sep｜>probe_tool/],
  ['deepseek-v3.1', /<｜tool▁call▁begin｜>probe_tool<｜tool▁sep｜>/],
  ['functionary', /<function=probe_tool>\s*\{/],
  ['harmony', /to=functions\.probe_tool[^{]*<\|message\|>\s*\{/],
  ['functionary-3.2', />>>probe_tool\n\s*\{/],
  ['kimi-k2', /<\|tool_call_begin\|>/],
  ['solar', /<\|tool_call:begin\|>[^<]*<\|tool_call:name\|>probe_tool/],
  ['minimax-m1', /<tool_calls>\s*\{/],
  ['apriel', /<tool_calls>\s*\[/],
  ['nemotron', /<TOOLCALL>\s*\[/],
  ['command-r', /<\|START_ACTION\|>\s*\[/],
  ['command-r-plus', /Action:\s*```json\s*\[/],
  ['apertus', /<\|tools_prefix\|>\s*\[\s*\{"probe_tool"/],
  ['gigachat', /function call<\|role_sep\|>\s*\{/],
  ['gigachat-3.1', /<\|function_call\|>\s*\{/],
  ['firefunction', /functools\[\s*\{/],
  ['llama3', /\{\s*"name":\s*"probe_tool",\s*"parameters":/],
]

const user = (content: string): TemplateMessage => ({ role: 'user', content })

type Shape = Pick<ToolCapabilities, 'argumentsAs' | 'emptyContent'>

// Where more than one shape works, the first is taken. Arguments as an object come first, since a template that writes
// JSON itself would put text in quotes. No content comes first, since some templates write an empty reply beside the
// call.
const shapes: readonly Shape[] = [
  { argumentsAs: 'object', emptyContent: null },
  { argumentsAs: 'object', emptyContent: '' },
  { argumentsAs: 'string', emptyContent: null },
  { argumentsAs: 'string', emptyContent: '' },
]

/** Undefined where the template shows no syntax that we know. */
export function probeTools(template: CompiledTemplate): (ToolCapabilities & { syntax: CallSyntax }) | undefined {
  const probe = new ToolProbe(template)
  const written = probe.callShape()
  if (written === undefined && probe.writesCalls()) return undefined
  const syntax = written === undefined ? syntaxFromSource(template.source) : syntaxOf(written.text)
  if (syntax === undefined) return undefined
  const shape = written?.shape ?? { argumentsAs: 'object', emptyContent: '' }
  const rendersCalls = written !== undefined
  const variables = /\btools_in_user_message\b/.test(template.source) ? { tools_in_user_message: false } : {}
  return {
    syntax,
    toolsVariable: probe.toolsVariable(variables),
    variables,
    rendersCalls,
    ...shape,
    parallel: !rendersCalls || probe.takesTwo(shape),
    results: probe.knowsResults(
      rendersCalls ? withCalls([call], shape) : { role: 'assistant', content: writeCalls(syntax, [call]) },
    )
      ? 'tool'
      : 'user',
  }
}

function syntaxOf(text: string): CallSyntax | undefined {
  const name = syntaxPatterns.find(([, pattern]) => pattern.test(text))?.[0]
  return name === undefined ? undefined : callSyntaxes[name]
}

/** For templates that don't write calls: by how they tell the model to write them, or by whose template it is. */
function syntaxFromSource(source: string): CallSyntax | undefined {
  if (/<tool_call>(?:\\n|\s)*\{\\?"name\\?":/.test(source) && /\b(?:xml_)?tools\b/.test(source))
    return callSyntaxes.hermes
  if (source.includes('named SmolLM')) return callSyntaxes.smollm2
  if (/List of tools: (?:<\|tool_list_start\|>)?/.test(source) && /\btools\b/.test(source)) return callSyntaxes.lfm2
  if (/<\|tool_call\|> followed by a JSON list/.test(source)) return callSyntaxes.granite
  return undefined
}

function withCalls(calls: readonly (typeof call)[], shape: Shape): TemplateMessage {
  return {
    role: 'assistant',
    content: shape.emptyContent,
    tool_calls: calls.map(({ id, name, arguments: value }) => ({
      id,
      type: 'function',
      function: { name, arguments: shape.argumentsAs === 'string' ? JSON.stringify(value) : value },
    })),
  }
}

/** Renders small conversations, each without tools first, then with some, which there are templates that need. */
class ToolProbe {
  readonly #template: CompiledTemplate

  constructor(template: CompiledTemplate) {
    this.#template = template
  }

  /** The shape in which the template writes a call as it is, and the text that it writes. */
  callShape(): { shape: Shape; text: string } | undefined {
    for (const shape of shapes) {
      const text = this.#afterQuestion(withCalls([call], shape))
      if (text === undefined || !text.includes(call.name) || !showsArguments(text)) continue
      if (/\b(?:None|null|undefined)\b/.test(text)) continue // the content that isn't there, written out
      return { shape, text }
    }
    return undefined
  }

  /** Whether the template writes calls at all, in whatever way. */
  writesCalls(): boolean {
    return shapes.some(shape => this.#afterQuestion(withCalls([call], shape))?.includes(call.name))
  }

  takesTwo(shape: Shape): boolean {
    const text = this.#afterQuestion(withCalls([call, otherCall], shape))
    return text?.includes(call.name) === true && text.includes(otherCall.name)
  }

  /** Whether the role `tool` means something to the template: it doesn't just write the role's name into a header. */
  knowsResults(assistant: TemplateMessage): boolean {
    const result = (role: string) =>
      this.#afterQuestion(assistant, { role, content: answer, tool_call_id: call.id, name: call.name })
    const known = result('tool')
    if (known === undefined || !known.includes(answer)) return false
    return known !== result('other')?.replaceAll('other', 'tool')
  }

  toolsVariable(variables: Readonly<Record<string, unknown>>): ToolCapabilities['toolsVariable'] {
    const messages = [
      { role: 'system', content: system },
      user(question),
      { role: 'assistant', content: answer },
      user(secondQuestion),
    ]
    return (['tools', 'xml_tools'] as const).find(name => {
      const text = this.#render(messages, { ...variables, [name]: toolsFor(name, tools) })
      if (text === undefined || !text.includes(system)) return false
      const before = text.slice(0, text.indexOf(question))
      if (!before.includes(description)) return false
      // Before the first turn, and not in it: what opens a turn comes after the tools.
      const header = lastLine(text.slice(text.indexOf(answer) + answer.length, text.indexOf(secondQuestion)))
      return lastLine(before.slice(before.lastIndexOf(description))).endsWith(header)
    })
  }

  #afterQuestion(...messages: TemplateMessage[]): string | undefined {
    const conversation = [user(question), ...messages]
    const text = this.#render(conversation, {}) ?? this.#render(conversation, { tools })
    return text?.slice(text.lastIndexOf(question) + question.length)
  }

  #render(messages: readonly TemplateMessage[], variables: Readonly<Record<string, unknown>>): string | undefined {
    try {
      return this.#template.render(messages, false, variables)
    } catch {
      return undefined
    }
  }
}

function lastLine(text: string): string {
  const trimmed = text.trimEnd()
  return trimmed.slice(trimmed.lastIndexOf('\n') + 1)
}

/** In JSON, behind the name in whatever stands between the two in elements, or as keywords. */
function showsArguments(text: string): boolean {
  return (
    /"probe_key"\s*:\s*"probe value"/.test(text) ||
    /\bprobe_key\b[^\n]{0,40}\n?[^\n]{0,40}>\s*probe value\s*</.test(text) ||
    /\bprobe_key[=:](?:['"]|<\|"\|>)probe value/.test(text)
  )
}
