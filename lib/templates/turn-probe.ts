import type { ChatMessage } from '../messages.js'

/** What a probe found out about a template. */
export interface TurnCapabilities {
  /** Turns are rendered independently of the earlier ones. */
  incremental: boolean
  /** Reasoning blocks in earlier replies are changed or left out. */
  rewritesReasoning: boolean
}

/** What a probe needs of a template; both may throw where the template refuses. */
export interface ProbedTemplate {
  whole(messages: readonly ChatMessage[]): string
  /** What follows the last reply, up to the opening of the next. */
  continuation(newMessages: readonly ChatMessage[], system: string | undefined): string
}

/** Lengths of the conversations tried, in exchanges: odd and even, the first, and ones with a middle. */
const lengths = [1, 2, 3, 5]
const system: ChatMessage = { role: 'system', content: 'Answer in one short sentence.' }
const user = (i: number): ChatMessage => ({ role: 'user', content: `Question number ${i}, what comes after it?` })
const assistant = (i: number): ChatMessage => ({
  role: 'assistant',
  content: `Answer number ${i}. Then comes another.`,
})
/** Reasoning in the two forms that models write it in. */
const reasoned = (i: number): ChatMessage => ({
  role: 'assistant',
  content:
    i % 2 === 1
      ? `<think>\nThought number ${i}.\n</think>\n\nAnswer number ${i}.`
      : `<think>Thought number ${i}.</think>Answer number ${i}.`,
})

/**
 * Renders small conversations in whole and turn by turn. A template that refuses a system message is judged without.
 * `answer`: what the model writes before each of its answers, and the template with it.
 */
export function probeTurns(template: ProbedTemplate, answer = ''): TurnCapabilities {
  const heads: ChatMessage[][] = []
  for (const head of [[], [system]])
    if (attempt(() => template.whole([...head, user(1)])) !== undefined) heads.push(head)
  const incremental =
    heads.length > 0 &&
    heads.every(head => lengths.every(length => sameByTurns(template, head, length, assistant, answer)))
  return { incremental, rewritesReasoning: heads.some(head => rewritesReasoning(template, head, incremental, answer)) }
}

/**
 * White space between the opening of a reply and the reply is ignored. Some templates open a reply without the space
 * that they write before it later, since the models write it themselves.
 */
function sameByTurns(
  template: ProbedTemplate,
  head: readonly ChatMessage[],
  length: number,
  reply: (i: number) => ChatMessage,
  answer: string,
): boolean {
  return (
    attempt(() => {
      const whole = template.whole(conversation(head, length, reply))
      let at = 0
      const next = (part: string) => {
        if (!whole.startsWith(part, at)) return false
        at += part.length
        return true
      }
      if (!next(template.whole([...head, user(1)]))) return false
      for (let i = 1; i <= length; i++) {
        at = whole.length - whole.slice(at).trimStart().length
        next(answer.trimStart())
        if (!next(reply(i).content) || !next(template.continuation([user(i + 1)], head[0]?.content))) return false
      }
      return at === whole.length
    }) ?? false
  )
}

function rewritesReasoning(
  template: ProbedTemplate,
  head: readonly ChatMessage[],
  incremental: boolean,
  answer: string,
): boolean {
  if (incremental) return !sameByTurns(template, head, 2, reasoned, answer)
  return (
    attempt(() => {
      const text = template.whole(conversation(head, 2, reasoned))
      return !text.includes(reasoned(1).content) || !text.includes(reasoned(2).content)
    }) ?? true
  )
}

function conversation(head: readonly ChatMessage[], length: number, reply: (i: number) => ChatMessage): ChatMessage[] {
  const messages = [...head]
  for (let i = 1; i <= length; i++) messages.push(user(i), reply(i))
  return [...messages, user(length + 1)]
}

function attempt<T>(render: () => T): T | undefined {
  try {
    return render()
  } catch {
    return undefined // a template that refuses or fails here is not incremental; using it gives the error
  }
}
