import type { ChatMessage } from '../../lib/messages.js'
import { topics } from './topics.js'

/**
 * Turn 1, 2, ... of a conversation without end: a question and a reply of some 250 tokens. Ten topics take turns, so
 * any ten turns in a row have the same ones; names, numbers and the order of the sentences change from round to round,
 * and a topic comes back only when its last turn has long left a window of a thousand tokens, so there is nothing to
 * copy. `sentences`: of the reply, all of them unless given.
 */
export function scriptedTurn(turn: number, sentences = Infinity): { question: ChatMessage; reply: ChatMessage } {
  const topic = topics[(turn - 1) % topics.length]!
  const round = Math.floor((turn - 1) / topics.length)
  const fill = (text: string, at: number) =>
    text.replace(/\{(\w+)\}/g, (_, slot: keyof typeof slots) => slots[slot](turn, at))
  const [opening, ...others] = topic.reply
  const turned = others.map((_, i) => others[(i + round) % others.length]!)
  return {
    question: { role: 'user', content: fill(topic.question, 0) },
    reply: {
      role: 'assistant',
      content: [opening!, ...turned]
        .slice(0, sentences)
        .map((sentence, i) => fill(sentence, i))
        .join(' '),
    },
  }
}

const places = ['Porto', 'Bergen', 'Lima', 'Kyoto', 'Cork', 'Quebec', 'Tunis', 'Riga', 'Perth', 'Malta', 'Oslo']
const names = [
  'Anna',
  'Omar',
  'Lucy',
  'Pedro',
  'Ingrid',
  'Yusuf',
  'Clara',
  'Henry',
  'Mei',
  'Victor',
  'Sofia',
  'Daniel',
  'Ruth',
]
const months = ['January', 'March', 'April', 'June', 'August', 'September', 'November']

// Lists of lengths without a common divisor, each walked with a step of its own.
const slots = {
  place: (turn: number, at: number) => places[(turn * 3 + at) % places.length]!,
  name: (turn: number, at: number) => names[(turn * 5 + at * 2) % names.length]!,
  month: (turn: number, at: number) => months[(turn * 2 + at) % months.length]!,
  number: (turn: number, at: number) => String(11 + ((turn * 37 + at * 53) % 83)),
  year: (turn: number, at: number) => String(1801 + ((turn * 29 + at * 17) % 197)),
}
