import type { Series } from '../../report/plot.js'
import { median, sum } from '../../report/statistics.js'
import { settle } from '../alternate.js'
import { type BenchCase, type CaseOutcome, type Measurement, reasonOf, tokensFor } from '../case.js'
import type { ChatTurn } from '../chat-contender.js'
import { ChatProcess } from '../contender-process.js'
import { type ChatName, contenderTitles } from '../contenders.js'
import { questions } from '../questions.js'

const cache = 1_024
const replyTokens = 64
const names: ChatName[] = ['our-chat', 'node-llama-cpp-chat', 'llama-server-chat']

interface Chat {
  name: ChatName
  turns: ChatTurn[]
  missing?: string
}

export const turns: BenchCase = {
  id: 'turns',
  title: 'A chat of 60 turns',
  about:
    'The same 60 questions of equal length (quick: 16) to each chat, replies of at most 64 tokens, a context of 1,024 tokens, the f16 model: turn about, with another one first at each turn, each in a process of its own. ' +
    'Each chat is as its own documentation makes it, and forgets as it does by default. What is measured is what the user sees: from the call to the first piece of text, and to the end of the reply. ' +
    'Replies differ in length where a model ends one early, so times are also given for each token of the replies.',
  minutes: { quick: 1.5, full: 9 },
  bars: [
    { id: 'total', what: 'node-llama-cpp chat / ours, all turns', min: 2.5 },
    { id: 'worst', what: 'node-llama-cpp chat / ours, worst time to the first token', min: 5 },
    { id: 'growth', what: 'ours, median time to the first token, turns 51 to 60 / 21 to 30', max: 1.05 },
  ],
  run: async context => {
    const {
      models: { f16 },
      threads,
      signal,
      say,
    } = context
    const count = Math.min(questions.length, tokensFor(context, { quick: 16, full: 60 }))
    const path = await f16.path()
    const chats = names.map(
      name => ({ name, turns: [] as ChatTurn[], chat: new ChatProcess(name, signal) }) as Chat & { chat: ChatProcess },
    )
    const attempt = async (chat: Chat, work: () => Promise<void>) => {
      if (chat.missing !== undefined) return
      try {
        await work()
      } catch (error) {
        signal.throwIfAborted()
        chat.missing = reasonOf(error)
      }
    }
    try {
      for (const each of chats)
        await attempt(each, () =>
          each.chat.start({ model: path, cache, threads, system: 'You are a helpful assistant.' }),
        )
      for (let turn = 0; turn < count; turn++) {
        for (let i = 0; i < chats.length; i++) {
          const each = chats[(turn + i) % chats.length]!
          await settle()
          await attempt(each, async () => void each.turns.push(await each.chat.turn(questions[turn]!, replyTokens)))
        }
        if ((turn + 1) % 10 === 0) say(`turns: ${turn + 1} of ${count}`)
      }
    } finally {
      await Promise.allSettled(chats.map(({ chat }) => chat.close()))
    }
    return present(chats, f16.title, count)
  },
}

export function present(chats: Chat[], model: string, count: number): CaseOutcome {
  const whole = (name: ChatName) => chats.find(chat => chat.name === name && chat.turns.length === count)
  const reason = (name: ChatName) => chats.find(chat => chat.name === name)?.missing ?? 'not all turns were measured'
  const [ours, node] = [whole('our-chat'), whole('node-llama-cpp-chat')]
  // Until some way into the chat the context is not full, and no contender has anything to forget.
  const few = { missing: 'the quick run is too short for it' }
  const totals = ({ turns }: Chat) => {
    const first = turns.map(({ firstTokenMs }) => firstTokenMs)
    const total = sum(turns.map(({ totalMs }) => totalMs))
    return { total, tokens: sum(turns.map(({ tokens }) => tokens)), median: median(first), worst: Math.max(...first) }
  }
  const ratio = (of: (chat: Chat) => number): Measurement =>
    count < questions.length
      ? few
      : ours === undefined
        ? { missing: reason('our-chat') }
        : node === undefined
          ? { missing: reason('node-llama-cpp-chat') }
          : of(node) / of(ours)
  const firstOf = (from: number, to: number) =>
    median(ours!.turns.slice(from - 1, to).map(({ firstTokenMs }) => firstTokenMs))
  const there = chats.filter(({ turns }) => turns.length === count)
  const against = there.flatMap(chat =>
    ours === undefined ? [] : [{ name: chat.name, mine: totals(ours), theirs: totals(chat) }],
  )
  return {
    measurements: {
      total: ratio(chat => totals(chat).total),
      worst: ratio(chat => totals(chat).worst),
      growth:
        ours === undefined
          ? { missing: reason('our-chat') }
          : count < questions.length
            ? few
            : firstOf(51, 60) / firstOf(21, 30),
    },
    tables: [
      {
        id: 'turns-ratios',
        title: 'As many times as ours takes',
        columns: ['Chat', 'all turns', 'for each token of the replies', 'first token, median', 'first token, worst'],
        digits: [undefined, 2, 2, 2, 2],
        rows: against.map(({ name, mine, theirs }) => [
          contenderTitles[name],
          theirs.total / mine.total,
          theirs.total / theirs.tokens / (mine.total / mine.tokens),
          theirs.median / mine.median,
          theirs.worst / mine.worst,
        ]),
      },
      {
        id: 'turns',
        title: `${count} turns`,
        columns: [
          'Chat',
          'all turns (s)',
          'tokens of the replies',
          'first token, median (ms)',
          'first token, worst (ms)',
        ],
        digits: [undefined, 1, 0, 0, 0],
        rows: there.map(chat => {
          const { total, tokens, median: middle, worst } = totals(chat)
          return [contenderTitles[chat.name], total / 1_000, tokens, middle, worst]
        }),
      },
    ],
    plots: [
      {
        id: 'turns',
        title: 'Time to the first token, turn by turn',
        subtitle: `${model}, context of 1,024 tokens, replies of at most ${replyTokens} tokens`,
        x: { title: 'Turn' },
        y: { title: 'Time to the first token (milliseconds, log scale)', scale: 'log' },
        legend: 'Chat',
        series: there.map(
          ({ name, turns }): Series => ({
            name: contenderTitles[name],
            points: turns.map(({ firstTokenMs }, i) => ({ x: i + 1, y: firstTokenMs })),
          }),
        ),
      },
    ],
    notes: [],
    missing: chats.flatMap(({ name, missing }) =>
      missing === undefined ? [] : [{ what: contenderTitles[name], reason: missing }],
    ),
    data: chats.map(({ name, turns }) => ({ name, turns })),
  }
}
