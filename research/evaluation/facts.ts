import type { ChatMessage } from '../../lib/messages.js'
import { scriptedTurn } from './scripted-turns.js'

export interface FactRound {
  /** Such as "1 turn ago". */
  kind: string
  /** Exchanges that come before the question: the first of them has the fact. */
  before: ChatMessage[][]
  question: string
  reply: string
  /** What the reply has of the fact. */
  name: string
}

const things = [
  'dog',
  'cat',
  'boat',
  'horse',
  'parrot',
  'village',
  'sister',
  'teacher',
  'donkey',
  'band',
  'goat',
  'ship',
]
const names = ['Milo', 'Zelda', 'Bruno', 'Tara', 'Felix', 'Nora', 'Oscar', 'Wanda', 'Hugo', 'Stella', 'Rufus', 'Iris']

/**
 * Facts that are asked for: some turns later, and in the very next turn behind so long a message that the two do not
 * fit into the window together. Then, by turns, the fact leaves with all of its turn; by tokens, what stands at the end
 * of that message stays.
 */
export function factRounds(window: number): FactRound[] {
  const rounds: FactRound[] = []
  for (const [i, thing] of things.entries()) {
    const name = (kind: number) => names[(i + kind * 5) % names.length]!
    for (const turns of [1, 2, 3, 4]) rounds.push(later(turns, thing, name(turns), i))
    rounds.push(crowded(window, thing, name(5), i))
  }
  return rounds
}

const user = (content: string): ChatMessage => ({ role: 'user', content })
const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })
const asked = (thing: string, name: string) => ({
  question: `What is my ${thing} called?`,
  reply: `Your ${thing} is called ${name}.`,
  name,
})

function later(turns: number, thing: string, name: string, round: number): FactRound {
  const fillers = Array.from({ length: turns - 1 }, (_, i) => scriptedTurn(round * 7 + turns * 3 + i, 3)).map(
    ({ question, reply }) => [question, reply],
  )
  const told = [user(`My ${thing} is called ${name}.`), assistant('That is a nice name. I will remember it.')]
  return { kind: `${turns} turn${turns > 1 ? 's' : ''} ago`, before: [told, ...fillers], ...asked(thing, name) }
}

/** A message and a question that together have more tokens than the window; a word of this prose has some 1.2. */
function crowded(window: number, thing: string, name: string, round: number): FactRound {
  const words = (turn: number, count: number) => {
    const all: string[] = []
    for (let i = turn; all.length < count; i++) all.push(...scriptedTurn(i).reply.content.split(' '))
    return all.slice(0, count).join(' ')
  }
  const long = `${words(round + 1, Math.round((0.58 * window) / 1.2))} By the way, my ${thing} is called ${name}.`
  const { question, ...rest } = asked(thing, name)
  return {
    kind: 'in the turn before, too long for both',
    before: [[user(long), assistant('Thank you for telling me.')]],
    question: `${words(round + 4, Math.round((0.52 * window) / 1.2))} Now, ${question[0]!.toLowerCase()}${question.slice(1)}`,
    ...rest,
  }
}
