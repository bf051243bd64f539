import { type ChildProcess, spawn } from 'node:child_process'
import { llamaCppPrograms } from './programs.js'

const keptLogBytes = 4_000

export interface ServerSetting {
  model: string
  cache: number
  threads: number
}

/**
 * A llama-server of its own: one slot, context shift, flash attention, f16 cache, its own batch sizes; at a free port
 * of this machine's loopback, without web pages, and without a store of prompts beside the slot, as there is one user
 * only.
 */
export class LlamaServer {
  readonly url: string
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  readonly #guard: ChildProcess

  private constructor(url: string, child: ChildProcess, ended: Promise<void>, guard: ChildProcess) {
    this.url = url
    this.#child = child
    this.#ended = ended
    this.#guard = guard
  }

  /** Starts one, and resolves once the model is loaded and warm. */
  static async start({ model, cache, threads }: ServerSetting): Promise<LlamaServer> {
    const { server, workingDirectory } = llamaCppPrograms()
    const child = spawn(
      server,
      [
        '--model',
        model,
        '--ctx-size',
        String(cache),
        '--parallel',
        '1',
        '--context-shift',
        '--flash-attn',
        'on',
        '--threads',
        String(threads),
        '--threads-batch',
        String(threads),
        '--host',
        '127.0.0.1',
        '--port',
        '0',
        '--gpu-layers',
        '0',
        '--fit',
        'off',
        '--cache-ram',
        '0',
        '--no-ui',
        '--no-slots',
        '--offline',
      ],
      { cwd: workingDirectory, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    const guard = guardOf(child)
    let log = ''
    let failed: Error | undefined
    const ended = new Promise<void>(resolve => {
      child.on('error', error => {
        failed = error
        resolve()
      })
      child.on('close', () => resolve())
    })
    // It says which port it took, once it can be asked.
    const listening = new Promise<string>(resolve => {
      for (const stream of [child.stdout, child.stderr]) {
        stream.setEncoding('utf8').on('data', (text: string) => {
          log = (log + text).slice(-keptLogBytes)
          const url = log.match(/listening on (http:\/\/[\d.]+:\d+)/)?.[1]
          if (url !== undefined) resolve(url)
        })
      }
    })
    const url = await Promise.race([listening, ended])
    if (url === undefined) {
      guard.kill('SIGKILL')
      const errors = log
        .split('\n')
        .filter(line => / E /.test(line))
        .join('\n')
      throw new Error(`llama-server ended before it was ready: ${failed?.message ?? (errors || log.trim())}`)
    }
    return new LlamaServer(url, child, ended, guard)
  }

  /** Stops it in the middle of whatever it does: it computes nothing until resume(). */
  pause(): void {
    this.#child.kill('SIGSTOP')
  }

  resume(): void {
    this.#child.kill('SIGCONT')
  }

  async close(): Promise<void> {
    this.#guard.kill('SIGKILL')
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  /** The events of a streamed answer, each parsed. */
  async *stream(path: string, body: object, signal?: AbortSignal): AsyncGenerator<unknown, void, void> {
    const response = await fetch(this.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal,
    })
    if (!response.ok || response.body === null)
      throw new Error(`llama-server refused ${path}: ${response.status} ${await response.text()}`)
    let rest = ''
    for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) {
        if (line.startsWith('error:')) throw new Error(`llama-server failed at ${path}: ${line}`)
        if (line.startsWith('data: {')) yield JSON.parse(line.slice('data: '.length))
      }
    }
  }
}

/**
 * Ends the server when this process is gone, however it went: a stopped process hears of nothing, and would stay
 * forever. The guard's stdin is a pipe that closes with this process.
 */
function guardOf(server: ChildProcess): ChildProcess {
  const script = 'trap "" INT TERM HUP; read -r _; kill -9 "$0"'
  return spawn('/bin/sh', ['-c', script, String(server.pid)], { stdio: ['pipe', 'ignore', 'ignore'] })
}
