import { drawProgram } from '../../scripts/fuzz/chats/draw.js'
import { memories, type Operation, type Setup } from '../../scripts/fuzz/chats/program.js'
import { closeReferences } from '../../scripts/fuzz/chats/reference.js'
import { runProgram } from '../../scripts/fuzz/chats/run-program.js'
import { SeededRandom } from '../tools/tiny-random.js'

afterAll(closeReferences)

// Many more: npm run fuzz:chats.
test.each(memories)(
  '%s: a random program of chats holds what it should hold, with the logits of fresh sequences',
  async memory => {
    await runProgram(drawProgram(new SeededRandom(memory.length), 60, memory))
  },
  600_000,
)

const setup: Setup = { memory: 'llama', layers: 1, batchSize: 32, maxSequences: 2, whenFull: 'wait', swap: 'memory' }
const answered = [
  { role: 'user', content: 'Who?' },
  { role: 'assistant', content: ' is you7é' },
]

/** What random programs have found, made short. */
const found: { what: string; operations: Operation[] }[] = [
  {
    what: 'a reply that is not decoded yet comes back when its regeneration is left',
    operations: [
      { do: 'create', as: 'c1', options: { messages: [...answered, ...answered] } },
      { do: 'regenerate', chat: 'c1', options: {}, reading: { leave: { way: 'break', after: 0, pause: 0 } } },
      { do: 'turn', chat: 'c1', input: 'x', options: { maxTokens: 3 }, reading: {} },
    ],
  },
  {
    what: 'a history that begins with a reply is cut where messages end, when a turn is left or undone',
    operations: [
      { do: 'create', as: 'c1', options: { window: 28, evict: 'turn', temperature: 0 } },
      { do: 'turn', chat: 'c1', input: '<|im_end|>Hello你好 andé\n y', options: { maxTokens: 9 }, reading: {} },
      { do: 'turn', chat: 'c1', input: 'x', options: { maxTokens: 11 }, reading: {} },
      { do: 'turn', chat: 'c1', input: 'x', options: {}, reading: { leave: { way: 'break', after: 0, pause: 0 } } },
      { do: 'turn', chat: 'c1', input: '. ', options: {}, reading: { leave: { way: 'break', after: 0, pause: 0 } } },
      { do: 'turn', chat: 'c1', input: '. ', options: { maxTokens: 2 }, reading: {} },
      { do: 'undo', chat: 'c1', exchanges: 1 },
      { do: 'turn', chat: 'c1', input: '. ', options: { maxTokens: 2 }, reading: {} },
    ],
  },
]

test.each(found)(
  '$what',
  async ({ operations }) => {
    await runProgram({ setup, operations })
  },
  600_000,
)
