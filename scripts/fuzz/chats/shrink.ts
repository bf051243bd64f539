import type { Operation, Program, Setup } from './program.js'

/** Whether a program still shows the fault. */
export type Shows = (program: Program) => Promise<boolean>

/**
 * A shorter program with the same fault: without the operations, one by one and in runs, that it does not need, each as
 * plain as it may be. Tries so many programs at most.
 */
export async function shrink(program: Program, shows: Shows, max = 400): Promise<Program> {
  let best = program
  let left = max
  const attempt = async (operations: Operation[], setup: Setup = best.setup) => {
    if (left-- <= 0) return false
    const shorter = { setup, operations }
    if (!(await shows(shorter))) return false
    best = shorter
    return true
  }
  let before
  do {
    before = JSON.stringify(best)
    for (
      let length = Math.ceil(best.operations.length / 2);
      length >= 1;
      length = length === 1 ? 0 : Math.ceil(length / 2)
    ) {
      for (let at = best.operations.length - length; at > -length; at -= length) {
        const from = Math.max(0, at)
        await attempt([...best.operations.slice(0, from), ...best.operations.slice(at + length)])
      }
    }
    for (let i = 0; i < best.operations.length; i++) {
      let plainer = true
      while (plainer) {
        plainer = false
        for (const each of plainerOnes(best.operations[i]!)) {
          plainer = await attempt(best.operations.toSpliced(i, 1, ...each))
          if (plainer || left <= 0) break
        }
        if (best.operations[i] === undefined) break
      }
    }
    for (const setup of plainerSetups(best.setup)) await attempt(best.operations, setup)
  } while (JSON.stringify(best) !== before && left > 0)
  return best
}

/** What may stand in an operation's place. */
function* plainerOnes(operation: Operation): Generator<Operation[]> {
  if (operation.do === 'together') {
    const { operations } = operation
    yield operations
    for (const i of operations.keys()) {
      const rest = operations.toSpliced(i, 1)
      yield rest.length === 1 ? rest : [{ ...operation, operations: rest }]
      for (const [plainer] of plainerOnes(operations[i]!))
        yield [{ ...operation, operations: operations.toSpliced(i, 1, plainer!) }]
    }
    return
  }
  if ('reading' in operation && Object.keys(operation.reading).length > 0) {
    yield [{ ...operation, reading: {} }]
    for (const reading of without(operation.reading)) yield [{ ...operation, reading }]
    const { leave } = operation.reading
    if (leave !== undefined && leave.pause > 0)
      yield [{ ...operation, reading: { ...operation.reading, leave: { ...leave, pause: 0 } } }]
    if (leave !== undefined && leave.way !== 'break')
      yield [{ ...operation, reading: { ...operation.reading, leave: { ...leave, way: 'break' } } }]
  }
  if (operation.do === 'create') {
    for (const options of without(operation.options)) yield [{ ...operation, options }]
  } else if ('options' in operation) {
    for (const options of without(operation.options)) yield [{ ...operation, options } as Operation]
  }
  if ('input' in operation && operation.input !== 'x') {
    yield [{ ...operation, input: 'x' } as Operation]
    if (typeof operation.input === 'string' && operation.input.length > 3)
      yield [{ ...operation, input: operation.input.slice(0, operation.input.length / 2) } as Operation]
  }
  if (operation.do === 'add' && operation.messages.length > 2)
    yield [{ ...operation, messages: operation.messages.slice(-2) }]
  if (operation.do === 'candidates' && operation.as.length > 1) yield [{ ...operation, as: operation.as.slice(0, 1) }]
}

/** Each time without one of the parts. */
function without<T extends object>(whole: T): T[] {
  return Object.keys(whole).map(name => {
    const { [name]: _, ...rest } = whole as Record<string, unknown>
    return rest as T
  })
}

function plainerSetups(setup: Setup): Setup[] {
  const { unloadAfter, cacheTokens, ...plain } = setup
  return [
    plain,
    { ...plain, ...(unloadAfter !== undefined && { unloadAfter }) },
    { ...plain, ...(cacheTokens !== undefined && { cacheTokens }) },
    { ...setup, swap: 'memory' },
    { ...setup, maxSequences: 4, whenFull: 'wait' },
  ]
}
