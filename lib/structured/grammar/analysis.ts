import { alternative, type FlatRules, terminal } from './flat-rules.js'

/** For each rule, whether it matches the empty text. */
export function emptyRules(flat: FlatRules): boolean[] {
  return reachable(flat, elements => !elements.includes(terminal))
}

/** For each rule, whether it matches any text at all: `a ::= "x" a` matches none. */
export function finiteRules(flat: FlatRules): boolean[] {
  return reachable(flat, () => true)
}

/** The rules that have an alternative that counts and refers to such rules alone. */
function reachable({ rules }: FlatRules, counts: (alternative: readonly number[]) => boolean): boolean[] {
  const reached = rules.map(() => false)
  const waiting = new Map<number, { rule: number; missing: number }[]>()
  const ready: number[] = []
  const reach = (rule: number) => {
    if (reached[rule]) return
    reached[rule] = true
    ready.push(rule)
  }
  rules.forEach((elements, rule) => {
    for (const option of alternatives(elements!).filter(counts)) {
      const references = option.filter(element => element !== terminal)
      if (references.length === 0) reach(rule)
      const state = { rule, missing: references.length }
      for (const reference of references) {
        if (!waiting.has(reference)) waiting.set(reference, [])
        waiting.get(reference)!.push(state)
      }
    }
  })
  for (let next = ready.pop(); next !== undefined; next = ready.pop()) {
    for (const state of waiting.get(next) ?? []) if (--state.missing === 0) reach(state.rule)
  }
  return reached
}

export interface LeftmostCost {
  /** A rule that can begin with itself. */
  recursive?: number
  /** How deep rules that begin with other rules are nested. */
  depth: number
  /** How many elements llama.cpp's check for left recursion looks at, which starts anew at every reference. */
  steps: number
}

/** What rules can begin with, followed without recursion, which a long chain of rules would make too deep. */
export function leftmostCost(flat: FlatRules): LeftmostCost {
  const { rules } = flat
  const empty = emptyRules(flat)
  const beginnings = rules.map(elements => leftmost(elements!, empty))
  const depths: (number | undefined)[] = rules.map(() => undefined)
  const steps = rules.map(elements => elements!.length + 1)
  const open = rules.map(() => false)
  const total: LeftmostCost = { depth: 0, steps: 0 }
  for (const first of rules.keys()) {
    if (depths[first] !== undefined) continue
    const path = [{ rule: first, next: 0 }]
    open[first] = true
    while (path.length > 0) {
      const { rule, next } = path.at(-1)!
      const child = beginnings[rule]![next]
      if (child === undefined) {
        depths[rule] = 1 + beginnings[rule]!.reduce((most, each) => Math.max(most, depths[each]!), 0)
        for (const each of beginnings[rule]!) steps[rule]! += steps[each]!
        open[rule] = false
        path.pop()
      } else if (open[child]) {
        return { ...total, recursive: child }
      } else {
        path.at(-1)!.next++
        if (depths[child] === undefined) {
          open[child] = true
          path.push({ rule: child, next: 0 })
        }
      }
    }
    total.depth = Math.max(total.depth, depths[first]!)
    total.steps += steps[first]!
  }
  return total
}

function leftmost(elements: readonly number[], empty: readonly boolean[]): number[] {
  return alternatives(elements).flatMap(option => {
    const end = option.findIndex(element => element === terminal || !empty[element])
    if (end === -1) return option
    return option.slice(0, option[end] === terminal ? end : end + 1)
  })
}

function alternatives(elements: readonly number[]): number[][] {
  const options: number[][] = [[]]
  for (const element of elements) {
    if (element === alternative) options.push([])
    else options.at(-1)!.push(element)
  }
  return options
}
