import path from 'node:path'
import type { Check, Context } from '../check.js'
import { type ToolName, toolFolder, toolProgram } from '../tools.js'

const program = `
import { loadModel, streamChat, StreamingLLMError, type ChatMessage, type Model, type StreamEvent } from 'streaming-llm'
const messages: ChatMessage[] = [{ role: 'user', content: 'Hello' }]
export async function reply(path: string): Promise<string> {
  await using model: Model = await loadModel(path, { gpu: 'auto', sha256: process.env['SHA256'], onWarning: message => console.warn(message.toUpperCase()) })
  let text = ''
  for await (const event of streamChat({ model, messages, window: 1020 })) {
    const each: StreamEvent = event
    if (each.type === 'text') text += each.text
    else if (each.type === 'finish') text += each.usage.completionTokens.toFixed()
  }
  return text
}
export function codeOf(error: unknown): string | undefined {
  return StreamingLLMError.isInstance(error) ? error.code : undefined
}
// @ts-expect-error a misspelt option is refused
void loadModel('x', { windw: 1 })
// @ts-expect-error so is a value that there is none of
void loadModel('x', { gpu: 'gpu' })
`

async function compile(
  context: Context,
  tool: ToolName,
  resolution: Record<string, string>,
  file: string,
  text: string,
): Promise<void> {
  await using project = await context.newProject('types', async created => {
    // A copy of its own, since the types of Node come beside the package.
    await created.npm('install', '--prefer-offline', context.tarball, await toolFolder('nodeTypes'))
  })
  await project.write(file, text)
  await project.write(
    'tsconfig.json',
    JSON.stringify({
      compilerOptions: {
        ...resolution,
        target: 'es2022',
        lib: ['es2022', 'esnext.disposable'],
        strict: true,
        skipLibCheck: false,
        noEmit: true,
        types: ['node'],
        exactOptionalPropertyTypes: true,
      },
      files: [file],
    }),
  )
  await project.node(path.join(await toolFolder(tool), 'bin', 'tsc'), '-p', '.')
}

const bundler = { module: 'esnext', moduleResolution: 'bundler' }
const node16 = { module: 'node16', moduleResolution: 'node16' }
const nodenext = { module: 'nodenext', moduleResolution: 'nodenext' }
const required =
  "import streaming = require('streaming-llm')\nexport const load: typeof streaming.loadModel = streaming.loadModel\n"

export const types: Check[] = [
  ...(['typescript5', 'typescript6'] as const).flatMap((tool): Check[] => [
    {
      name: `${tool}-node16`,
      title: `${tool}, moduleResolution node16`,
      run: context => compile(context, tool, node16, 'program.mts', program),
    },
    {
      name: `${tool}-bundler`,
      title: `${tool}, moduleResolution bundler`,
      run: context => compile(context, tool, bundler, 'program.ts', program),
    },
    {
      name: `${tool}-require`,
      title: `${tool}, required from CommonJS`,
      run: context => compile(context, tool, nodenext, 'required.cts', required),
    },
  ]),
  {
    name: 'publint',
    title: 'publint finds nothing',
    run: async context => {
      const project = await context.installed()
      const output = await project.node(await toolProgram('publint'), 'run', '--strict', context.tarball)
      if (!/All good/i.test(output)) throw new Error(output)
    },
  },
  {
    name: 'attw',
    title: 'Are the types wrong? No',
    run: async context => {
      const project = await context.installed()
      await project.node(
        await toolProgram('attw'),
        context.tarball,
        '--profile',
        'esm-only',
        '--no-color',
        '--no-emoji',
      )
    },
  },
]
