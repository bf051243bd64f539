import { StringValue, type Value } from '../jinja-runtime.js'
import { textSteps } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import type { Arguments } from './arguments.js'
import { quoted, written } from './write.js'

const field = /\{\{|\}\}|\{([^{}]*)\}|[{}]/g

/** Python's `str.format`, with fields such as `{}`, `{0}`, `{name}` and `{name!r}`. */
export function formatted(budget: WorkBudget, pattern: string, args: Arguments): string {
  budget.spend(textSteps(pattern.length))
  let characters = pattern.length
  let next = 0
  return pattern.replace(field, (found, inside?: string) => {
    budget.spend(2)
    if (found === '{{' || found === '}}') return found.charAt(0)
    const [, name, conversion] = /^([^!:.[\]]*)(?:!([rs]))?$/.exec(inside ?? '!') ?? []
    if (name === undefined) throw new Error(`format() takes fields such as {}, {0}, {name} and {name!r}, not ${found}.`)
    const value = name === '' ? args.list[next++] : /^\d+$/.test(name) ? args.list[Number(name)] : args.named.get(name)
    if (value === undefined) throw new Error(`format() has nothing for ${found}.`)
    const text = conversion === 'r' ? represented(budget, value) : written(budget, value)
    budget.fit((characters += text.length))
    budget.spend(textSteps(text.length))
    return text
  })
}

function represented(budget: WorkBudget, value: Value): string {
  if (!(value instanceof StringValue)) return written(budget, value)
  budget.spend(textSteps(6 * value.value.length))
  return quoted(value.value)
}
