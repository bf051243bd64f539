import { isDeepStrictEqual } from 'node:util'
import { reasoningFormat, reasoningIsOpen } from '../../lib/reply/reasoning-format.js'
import { ReplyReader } from '../../lib/reply/reply-reader.js'
import { CompiledTemplate } from '../../lib/templates/compiled-template.js'
import type { ToolCallFormat } from '../../lib/tools/tool-call-format.js'
import { callMessage, toolVariables } from '../../lib/tools/tool-messages.js'
import { tokens } from './compare.js'
import { CallGenerator, type RandomCalls } from './random-calls.js'

/** What has become of the calls that a template has written. */
export interface ReadBack {
  calls: number
  /** Calls that were read as what they were. */
  read: number
  /** Replies without text, which is what they are. */
  replies: number
  clean: number
  /** The first that were not, as texts. */
  failures: string[]
}

const question = { role: 'user', content: 'A question.' }
const mark = 'MARK OF A REPLY'
const keptFailures = 3

/** Has a template write so many random calls, and reads what it wrote. */
export function readBack(source: string, format: ToolCallFormat, calls: number, seed: number): ReadBack {
  const template = new CompiledTemplate(source, tokens)
  const reasoning = reasoningFormat(source)
  const generator = new CallGenerator(seed)
  const result: ReadBack = { calls: 0, read: 0, replies: 0, clean: 0, failures: [] }
  while (result.calls < calls) {
    const random = generator.next(format.parallel)
    result.calls += random.calls.length
    result.replies++
    const said = replyOf(template, format, random)
    const reader = new ReplyReader({
      tools: random.tools,
      syntax: format.syntax,
      reasoning,
      reasoningOpen:
        said !== undefined &&
        (reasoningIsOpen(said.prompt, reasoning) || said.text.trimStart().startsWith(reasoning.close)),
    })
    const parts = said === undefined ? [] : [...reader.push(said.text), ...reader.end()]
    const found = parts.flatMap(part => (part.type === 'tool-call' ? [[part.name, part.arguments]] : []))
    const read = random.calls.filter((call, i) => isDeepStrictEqual(found[i], [call.name, call.arguments])).length
    const isClean = parts.every(part => part.type !== 'text' || part.text.trim() === '')
    result.read += read
    if (isClean) result.clean++
    if ((read < random.calls.length || !isClean) && result.failures.length < keptFailures) {
      result.failures.push(`${JSON.stringify(random.calls)} was written as ${JSON.stringify(said?.text)}`)
    }
  }
  return result
}

/** What a template writes for a reply that is calls: behind what opens a reply, and without what closes it. */
function replyOf(
  template: CompiledTemplate,
  format: ToolCallFormat,
  { tools, calls }: RandomCalls,
): { prompt: string; text: string } | undefined {
  const variables = toolVariables({ ...format, toolsVariable: format.toolsVariable ?? 'tools' }, tools)
  try {
    const opened = template.render([question], true, variables)
    const whole = template.render([question, callMessage(format, '', calls)], false, variables)
    const plain = template.render([question, { role: 'assistant', content: mark }], false, variables)
    let start = 0
    while (start < opened.length && opened[start] === whole[start]) start++
    start -= /[<[][^<>[\]]*$/.exec(whole.slice(0, start))?.[0].length ?? 0 // a mark that both only begin with
    const end = plain.slice(plain.lastIndexOf(mark) + mark.length).trim()
    const text = whole.slice(start).trimEnd()
    return {
      prompt: whole.slice(0, start),
      text: end !== '' && text.endsWith(end) ? text.slice(0, -end.length) : text,
    }
  } catch {
    return undefined
  }
}
