import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** A function that can run in a process of its own: plain data in, plain data out. */
export type ChildTask<Given, Result> = (given: Given, progress: (share: number) => void) => Promise<Result>

type Message<Result> = { share: number } | { result: Result } | { failure: string }

/**
 * Runs a function that a module exports in a process of its own: its memory is then its own too, and llama.cpp may
 * end that process without ending this one.
 */
export async function inChild<Given, Result>(
  module: URL,
  name: string,
  given: Given,
  progress: (share: number) => void,
): Promise<Result> {
  const child = fork(fileURLToPath(import.meta.url), [module.href, name], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
  let errors = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    errors = (errors + text).slice(-2_000)
  })
  let stop: unknown
  try {
    return await new Promise<Result>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', (code, signal) =>
        reject(
          new Error(`its process ended with ${signal ?? `code ${code}`}: ${errors.trim().split('\n').at(-1) ?? ''}`),
        ),
      )
      child.on('message', (message: Message<Result>) => {
        if ('result' in message) resolve(message.result)
        else if ('failure' in message) reject(new Error(message.failure))
        else {
          try {
            progress(message.share)
          } catch (error) {
            stop = error
            reject(error)
          }
        }
      })
      child.send(given as object)
    })
  } finally {
    if (stop !== undefined) child.kill()
    else child.disconnect?.()
    if (child.exitCode === null && child.signalCode === null) await new Promise(resolve => child.once('exit', resolve))
  }
}

async function serve(module: string, name: string): Promise<void> {
  const send = (message: Message<unknown>) =>
    new Promise<void>(resolve => process.send!(message, undefined, {}, () => resolve()))
  const given = await new Promise(resolve => process.once('message', resolve))
  try {
    const task = ((await import(module)) as Record<string, ChildTask<unknown, unknown>>)[name]
    if (task === undefined) throw new Error(`${module} exports no ${name}`)
    let told = 0
    const result = await task(given, share => {
      if (performance.now() - told < 200) return
      told = performance.now()
      void send({ share })
    })
    await send({ result })
  } catch (error) {
    await send({ failure: error instanceof Error ? error.message : String(error) })
  }
  process.disconnect()
}

const [, self, module, name] = process.argv
if (self === fileURLToPath(import.meta.url) && module !== undefined && name !== undefined && process.send !== undefined)
  await serve(module, name)
