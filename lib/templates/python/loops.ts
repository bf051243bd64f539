import {
  BooleanValue,
  FunctionValue,
  IntegerValue,
  ObjectValue,
  type Scope,
  type TreeNode,
  UndefinedValue,
  type Value,
} from '../jinja-runtime.js'
import type { WorkBudget } from '../work-budget.js'
import { iterated } from './iterate.js'

/** What templates know as `loop` in a round. */
export function loopValue(items: readonly Value[], i: number): Value {
  const { length } = items
  return new ObjectValue(
    new Map<string, Value>([
      ['index', new IntegerValue(i + 1)],
      ['index0', new IntegerValue(i)],
      ['revindex', new IntegerValue(length - i)],
      ['revindex0', new IntegerValue(length - i - 1)],
      ['first', new BooleanValue(i === 0)],
      ['last', new BooleanValue(i === length - 1)],
      ['length', new IntegerValue(length)],
      ['previtem', items[i - 1] ?? new UndefinedValue()],
      ['nextitem', items[i + 1] ?? new UndefinedValue()],
      ['cycle', new FunctionValue(args => args[i % args.length] ?? new UndefinedValue())],
    ]),
  )
}

/** Gives a variable its value, or several variables the parts of one. */
export function assign(budget: WorkBudget, target: TreeNode & { value: unknown }, value: Value, scope: Scope): void {
  if (target.type === 'Identifier') {
    scope.setVariable(String(target.value), value)
    return
  }
  if (target.type !== 'TupleLiteral') throw new Error('What a loop sets is a variable or several')
  const targets = target.value as readonly (TreeNode & { value: unknown })[]
  const parts = iterated(budget, value)
  budget.spend(targets.length)
  if (parts.length !== targets.length) {
    throw new Error(`There are ${parts.length} values for ${targets.length} variables`)
  }
  for (const [i, each] of targets.entries()) assign(budget, each, parts[i]!, scope)
}
