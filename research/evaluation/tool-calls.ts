import { isDeepStrictEqual } from 'node:util'
import { type Chat, loadModel, type StreamEvent } from '../../lib/index.js'
import { callQuestions, type ExpectedCall, plainQuestions, tools } from './tool-questions.js'

/** What a model has made of a question. */
interface Answer {
  calls: ExpectedCall[]
  /** Why what it began as a call is none. */
  invalid: string[]
  text: string
}

export interface ToolCallBars {
  /** Questions that want a call and got the right one, at least. */
  right: number
  /** Questions that want no call and got one, at most. */
  unwanted: number
}

/**
 * Whether a model calls the right tool with the right arguments where a question wants it, calls none where none is
 * wanted, and no call is delivered as text. Each question is the first of its chat, at temperature 0, with
 * `toolChoice: 'auto'`. Returns whether all bars were met.
 */
export async function toolCalls({
  model: path,
  threads,
  bars,
  say,
}: {
  model: string
  threads?: number
  bars: ToolCallBars
  say: (line: string) => void
}): Promise<boolean> {
  await using model = await loadModel(path, threads === undefined ? {} : { threads })
  let [right, unwanted, asText] = [0, 0, 0]
  // Open until the next one has its answer: the two share the tokens that tell of the tools.
  let last: Chat | undefined
  const ask = async (question: string): Promise<Answer> => {
    const chat = model.createChat({ tools })
    const answer = await answered(chat, question)
    await last?.close()
    last = chat
    if (isCallAsText(answer.text)) asText++
    return answer
  }
  for (const [question, expected] of callQuestions) {
    const answer = await ask(question)
    const isRight = isDeepStrictEqual(answer.calls, [expected])
    if (isRight) right++
    say(`${isRight ? 'right' : 'WRONG'}  ${question}  ${shown(answer)}`)
  }
  for (const question of plainQuestions) {
    const answer = await ask(question)
    const isCall = answer.calls.length + answer.invalid.length > 0
    if (isCall) unwanted++
    say(`${isCall ? 'CALL ' : 'none '}  ${question}  ${shown(answer)}`)
  }
  say(`right calls: ${right} of ${callQuestions.length}, at least ${bars.right}`)
  say(`calls where none was wanted: ${unwanted} of ${plainQuestions.length}, at most ${bars.unwanted}`)
  say(`calls delivered as text: ${asText}, at most 0`)
  return right >= bars.right && unwanted <= bars.unwanted && asText === 0
}

async function answered(chat: Chat, question: string): Promise<Answer> {
  const answer: Answer = { calls: [], invalid: [], text: '' }
  const take = (event: StreamEvent) => {
    if (event.type === 'text') answer.text += event.text
    else if (event.type === 'tool-call') answer.calls.push({ name: event.name, arguments: event.arguments })
    else if (event.type === 'invalid-tool-call') answer.invalid.push(event.reason)
  }
  for await (const event of chat.stream(question, { temperature: 0, maxTokens: 160 })) take(event)
  return answer
}

/** A tool's name in quotes, or before a bracket: nobody who was asked these questions says that in an answer. */
function isCallAsText(text: string): boolean {
  return Object.keys(tools).some(name => new RegExp(`["'\`]${name}["'\`]|${name}\\(|<tool_call>`).test(text))
}

function shown({ calls, invalid, text }: Answer): string {
  const said = text === '' ? [] : [JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}...` : text)]
  return [...calls.map(call => JSON.stringify(call)), ...invalid, ...said].join(' ')
}
