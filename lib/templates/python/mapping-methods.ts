import { ArrayValue, type Key, NullValue, type Value } from '../jinja-runtime.js'
import { elementSteps, lengthOf, textSteps } from '../value-work.js'
import type { Method } from './arguments.js'
import { keyOf } from './compare.js'
import { entries, keys } from './iterate.js'

/** The methods of mappings, as Python has them, but for those that change one: templates may not. */
export const mappingMethods: ReadonlyMap<string, Method<ReadonlyMap<Key, Value>>> = new Map(
  Object.entries<Method<ReadonlyMap<Key, Value>>>({
    get: (held, args, budget) => {
      const wanted = args.get(0)
      if (wanted === undefined) throw new Error('get() takes a key.')
      budget.spend(textSteps(lengthOf(wanted)))
      const key = keyOf(wanted)
      return (key === undefined ? undefined : held.get(key)) ?? args.get(1) ?? new NullValue(null)
    },
    items: (held, _, budget) => new ArrayValue(entries(budget, held)),
    keys: (held, _, budget) => new ArrayValue(keys(budget, held)),
    values: (held, _, budget) => {
      budget.spend(elementSteps(held.size))
      return new ArrayValue([...held.values()])
    },
  }),
)
