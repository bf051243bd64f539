import { inChild } from '../report/in-child.js'

/**
 * Runs a function of a module in `tasks/` in a process of its own. These modules import nothing of this one: the child
 * begins with it and would wait for itself.
 */
export async function runTask<Given, Result>(
  name: string,
  call: string,
  given: Given,
  signal?: AbortSignal,
): Promise<Result> {
  signal?.throwIfAborted()
  // A task tells of its progress now and then; that is when an interruption is noticed and ends it.
  return await inChild<Given, Result>(new URL(`./tasks/${name}.ts`, import.meta.url), call, given, () =>
    signal?.throwIfAborted(),
  )
}
