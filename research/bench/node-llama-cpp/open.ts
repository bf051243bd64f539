import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { installNodeLlamaCpp } from './install.js'

// Of node-llama-cpp's types what is used here: it is installed when it is needed, not when this is compiled.

export interface Sequence {
  /** Tokens in the context. */
  readonly nextTokenIndex: number
  evaluate(
    tokens: number[],
    options: { temperature: number; yieldEogToken: boolean },
  ): AsyncGenerator<number, void, void>
}

export interface ChatSession {
  prompt(
    text: string,
    options: {
      maxTokens: number
      temperature: number
      onTextChunk(text: string): void
      onToken(tokens: number[]): void
    },
  ): Promise<string>
}

interface Disposable {
  dispose(): Promise<void>
}

interface Context extends Disposable {
  readonly contextSize: number
  getSequence(): Sequence
}

interface Model extends Disposable {
  createContext(options: {
    contextSize: number
    flashAttention: boolean
    threads: { ideal: number; min: number }
    ignoreMemorySafetyChecks: boolean
  }): Promise<Context>
}

interface Llama extends Disposable {
  loadModel(options: { modelPath: string; ignoreMemorySafetyChecks: boolean }): Promise<Model>
}

interface Library {
  getLlama(options: {
    gpu: false
    build: 'never'
    skipDownload: boolean
    progressLogs: boolean
    logLevel: 'error'
    maxThreads: number
  }): Promise<Llama>
  LlamaChatSession: new (options: { contextSequence: Sequence; systemPrompt?: string }) => ChatSession
}

/** A model and a context of node-llama-cpp, as its documentation makes them. */
export interface Opened {
  library: Library
  sequence: Sequence
  contextSize: number
  close(): Promise<void>
}

/** Opens a model by node-llama-cpp: no GPU, flash attention, its own batch size, exactly `threads` threads. */
export async function openNodeLlamaCpp({
  model: modelPath,
  cache,
  threads,
}: {
  model: string
  cache: number
  threads: number
}): Promise<Opened> {
  const entry = path.join(await installNodeLlamaCpp(), 'dist', 'index.js')
  const library = (await import(pathToFileURL(entry).href)) as Library
  // 0: no limit but the context's own number.
  const llama = await library.getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: 'error',
    maxThreads: 0,
  })
  const model = await llama.loadModel({ modelPath, ignoreMemorySafetyChecks: true })
  const context = await model.createContext({
    contextSize: cache,
    flashAttention: true,
    threads: { ideal: threads, min: threads },
    ignoreMemorySafetyChecks: true,
  })
  return { library, sequence: context.getSequence(), contextSize: context.contextSize, close: () => llama.dispose() }
}
