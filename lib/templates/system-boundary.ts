import type { ChatMessage } from '../messages.js'

/** Renders a conversation; throws where the template refuses it. */
type Render = (messages: readonly ChatMessage[], addGenerationPrompt: boolean) => string

/**
 * How the end of the system prompt is found: as what stands before the `header` of the user's turn, or, where that
 * header isn't known, by rendering the system message `alone`. The first is better: there are templates that leave a
 * conversation's last message open, and ones that refuse a conversation without a user.
 */
export type SystemBoundary = { by: 'header'; header: string } | { by: 'alone' }

const user = (content: string): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })

/**
 * Finds out how the template sets off a leading system message; undefined where it refuses one, or puts it into the
 * user's turn. `marks` are three texts that occur nowhere else.
 */
export function findSystemBoundary(
  render: Render,
  marks: readonly [string, string, string],
  bosToken: string,
): SystemBoundary | undefined {
  const [mark, first, second] = marks
  const system: ChatMessage = { role: 'system', content: mark }
  const short = attempt(() => render([system, user(first)], true))
  if (short === undefined || !short.includes(mark)) return undefined
  // A template that moves the system prompt into the latest turn has nothing at the start that could stay.
  const long = attempt(() => render([system, user(second), assistant('x'), user(first)], true))
  const stays = (start: string) =>
    start.includes(mark) && short.startsWith(start) && (long === undefined || long.startsWith(start))

  const before = short.slice(0, short.indexOf(first))
  const header = headersOf(
    attempt(() => render([user(first)], true)),
    short,
    mark,
    first,
    bosToken,
  ).find(header => before.endsWith(header) && stays(before.slice(0, before.length - header.length)))
  if (header !== undefined) return { by: 'header', header }

  const alone = attempt(() => render([system], false))
  return alone !== undefined && stays(alone) ? { by: 'alone' } : undefined
}

/**
 * What the header of the user's turn may be. Either the text that opens a conversation without a system message, if the
 * template has no default system prompt, which would look the same. Or the header of the system message with the other
 * role's name. With and without the first token, which may be the one that begins each header.
 */
function headersOf(
  without: string | undefined,
  short: string,
  mark: string,
  first: string,
  bosToken: string,
): string[] {
  const openings = [short.slice(0, short.indexOf(mark)).replace('system', 'user')]
  if (without?.includes(first)) openings.unshift(without.slice(0, without.indexOf(first)))
  return openings
    .flatMap(opening =>
      bosToken !== '' && opening.startsWith(bosToken) ? [opening, opening.slice(bosToken.length)] : [opening],
    )
    .filter(header => header !== '')
}

function attempt<T>(render: () => T): T | undefined {
  try {
    return render()
  } catch {
    return undefined
  }
}
