import type { FuzzTarget } from '../target.js'
import { drawProgram } from './draw.js'
import { type Memory, shown } from './program.js'
import { runProgram } from './run-program.js'

/** Operations of a program: enough for conversations to fill their windows, few enough to be made shorter soon. */
export const programLength = 100

/** Random programs over all of a chat's methods, of one kind of memory or all of them. */
export function chatsTarget(memory?: Memory): FuzzTarget {
  return {
    description:
      'Random programs over chats: what they hold is what they should hold, and logits are those of a fresh sequence.',
    secondsPerInput: 60,
    async attempt(random, _, { describe }) {
      const program = drawProgram(random, programLength, memory)
      describe(shown(program))
      await runProgram(program)
    },
  }
}
