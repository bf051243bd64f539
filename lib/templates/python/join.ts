import type { Value } from '../jinja-runtime.js'
import { lengthOf, textSteps } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import { written } from './write.js'

/** Values one after the other as texts. */
export function joined(budget: WorkBudget, values: readonly Value[], separator: string): string {
  let characters = 0
  const texts = values.map(value => {
    budget.spend(1 + textSteps(separator.length + lengthOf(value)))
    const text = written(budget, value)
    budget.fit((characters += separator.length + text.length))
    return text
  })
  return texts.join(separator)
}
