import vm from 'node:vm'

// A template comes with a model's file, from anywhere, and jinja has neither a step limit nor a way to be stopped. The
// watchdog of node:vm stops whatever runs inside of it, our own functions included, so the sandbox holds nothing but
// the function to call. It guards against endless work, not against code: jinja runs no JavaScript of a template's.
const sandbox: { work: (() => unknown) | undefined } = { work: undefined }
let prepared: { context: vm.Context; script: vm.Script } | undefined

/** True for the error by which `runWithin` gives up. */
export function isTimeout(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
}

/** How much longer a second attempt may take. */
const patience = 4

/**
 * Runs `work` for at most that many milliseconds, and where that was not enough, once more for at most `patience` times as
 * many: the watchdog also counts the time that a busy machine gave to others. Throws what `work` throws, or an error for
 * which `isTimeout` holds.
 */
export function runWithin<T>(milliseconds: number, work: () => T): T {
  try {
    return runOnce(milliseconds, work)
  } catch (error) {
    if (!isTimeout(error)) throw error
    return runOnce(patience * milliseconds, work)
  }
}

function runOnce<T>(milliseconds: number, work: () => T): T {
  prepared ??= { context: vm.createContext(sandbox), script: new vm.Script('work()') }
  sandbox.work = work
  try {
    return prepared.script.runInContext(prepared.context, { timeout: Math.max(1, Math.ceil(milliseconds)) }) as T
  } finally {
    sandbox.work = undefined
  }
}
