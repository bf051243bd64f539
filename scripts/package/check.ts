import { Project } from './project.js'

export interface Check {
  name: string
  /** What it shows, in a line. */
  title: string
  /** Why it cannot be done on this machine; undefined where it can. */
  unavailable?: string
  /** Throws where the package falls short; else says what it found, where there is more to say than that it works. */
  run: (context: Context) => Promise<string | void>
}

/** What the checks share. */
export class Context {
  #installed: Promise<Project> | undefined

  constructor(
    /** The packed package. */
    readonly tarball: string,
    /** A small real model. */
    readonly model: string,
    readonly readme: string,
  ) {}

  /** A project with the package installed by npm, made once. Checks may add files to it, and change nothing. */
  installed(): Promise<Project> {
    return (this.#installed ??= this.newProject('npm', async project => {
      await project.npm('install', this.tarball)
    }))
  }

  async newProject(
    name: string,
    prepare: (project: Project) => Promise<void> = () => Promise.resolve(),
  ): Promise<Project> {
    const project = await Project.create(name)
    await project.write('smoke.mjs', smoke)
    try {
      await prepare(project)
    } catch (error) {
      await project[Symbol.asyncDispose]()
      throw error
    }
    return project
  }

  async close(): Promise<void> {
    const project = await this.#installed?.catch(() => undefined)
    await project?.[Symbol.asyncDispose]()
  }

  /** What the smoke program prints when all is well. */
  expectTokens(output: string): void {
    if (!/^tokens: 8$/m.test(output)) throw new Error(`8 tokens were expected; it printed:\n${output}`)
  }
}

/** Loads the model that it is given, and generates 8 tokens. */
const smoke = `
import { loadModel } from 'streaming-llm'
export async function generate(file) {
  const model = await loadModel(file, { gpu: false, threads: 1 })
  let text = ''
  let tokens = 0
  for await (const event of model.stream('The sky is', { maxTokens: 8, temperature: 0 })) {
    if (event.type === 'text') text += event.text
    if (event.type === 'finish') tokens = event.usage.completionTokens
  }
  await model.close()
  if (text.trim() === '') throw new Error('There was no text.')
  return tokens
}
if (process.argv[2] && /smoke/.test(process.argv[1])) generate(process.argv[2]).then(tokens => console.log('tokens: ' + tokens))
`

export const onLinuxX64 =
  process.platform === 'linux' && process.arch === 'x64' ? undefined : 'its tools are those for Linux x64'
