import v8 from 'node:v8'
import vm from 'node:vm'

let known: (() => void) | undefined

/** Collects what is not referenced any more, and lets what is done at the end of objects be done. */
export async function collectGarbage(): Promise<void> {
  if (known === undefined) {
    v8.setFlagsFromString('--expose-gc')
    known = vm.runInNewContext('gc') as () => void
  }
  known()
  await new Promise(resolve => setImmediate(resolve))
}
