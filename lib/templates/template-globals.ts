import { Environment, Template } from '@huggingface/jinja'
import { elementSteps } from './value-work.js'
import type { WorkBudget } from './work-budget.js'

type Strftime = (format: readonly { value: string }[]) => { value: string }
let ownStrftime: Strftime | undefined

/** Jinja's own function behind `strftime_now`, which it gives to templates only. */
function strftime(format: string): string {
  if (ownStrftime === undefined)
    new Template('{{ take(strftime_now) }}').render({
      take: (own: Strftime) => {
        ownStrftime = own
      },
    })
  return ownStrftime!([{ value: format }]).value
}

/** What templates find in addition to their variables: jinja's own, with functions that cost what they do. */
export function globals(budget: WorkBudget): Environment {
  const scope = new Environment()
  const functions = {
    raise_exception: (message: unknown) => {
      throw new Error(typeof message === 'object' ? 'raise_exception() takes a text.' : String(message))
    },
    range: (first: unknown, second?: unknown, step: unknown = 1) =>
      range(budget, second === undefined ? 0 : first, second ?? first, step),
    strftime_now: (format: unknown) => {
      if (typeof format !== 'string') throw new Error('strftime_now() takes a text.')
      // The names of months in the language of the system are looked up anew each time.
      budget.spend(200 + 10 * format.length)
      return strftime(format)
    },
  }
  const values = { true: true, True: true, false: false, False: false, none: null, None: null, ...functions }
  for (const [name, value] of Object.entries(values)) scope.set(name, value)
  return scope
}

function range(budget: WorkBudget, ...bounds: [unknown, unknown, unknown]): number[] {
  const [start, stop, step] = bounds.map(each => (typeof each === 'object' ? Number.NaN : Number(each))) as [
    number,
    number,
    number,
  ]
  if (step === 0) throw new Error('range() step must not be zero')
  const count = Math.max(0, Math.ceil((stop - start) / step))
  if (Number.isNaN(count)) throw new Error('range() takes whole numbers.')
  budget.spend(elementSteps(count))
  return Array.from({ length: count }, (_, i) => start + i * step)
}
