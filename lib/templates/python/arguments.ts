import { FunctionValue, isMapping, isNone, isString, isTrue, numberOf, type Value } from '../jinja-runtime.js'
import type { WorkBudget } from '../work-budget.js'

const none: ReadonlyMap<string, Value> = new Map()

/** What a function of Python's is called with. */
export class Arguments {
  constructor(
    /** The function's name, for messages. */
    readonly callee: string,
    readonly list: readonly Value[],
    readonly named: ReadonlyMap<string, Value> = none,
  ) {}

  /** By its place, or else by its name. */
  get(at: number, name?: string): Value | undefined {
    return this.list[at] ?? (name === undefined ? undefined : this.named.get(name))
  }

  /** Undefined where it is left out or none. */
  text(at: number, name?: string): string | undefined {
    const value = this.get(at, name)
    if (value === undefined || isNone(value)) return undefined
    if (!isString(value)) throw new Error(`${this.callee}() takes a text as argument ${at + 1}.`)
    return value.value
  }

  wantedText(at: number, name?: string): string {
    const text = this.text(at, name)
    if (text === undefined) throw new Error(`${this.callee}() takes a text as argument ${at + 1}.`)
    return text
  }

  /** A whole number; undefined where it is left out or none. */
  count(at: number, name?: string): number | undefined {
    const value = this.get(at, name)
    if (value === undefined || isNone(value)) return undefined
    const number = numberOf(value)
    if (!Number.isInteger(number)) throw new Error(`${this.callee}() takes a whole number as argument ${at + 1}.`)
    return number
  }

  flag(at: number, name: string): boolean {
    const value = this.get(at, name)
    return value !== undefined && isTrue(value)
  }
}

/** A method of a value, as templates call it. `call` spends what it costs. */
export function method(name: string, call: (args: Arguments) => Value): Value {
  return new FunctionValue(args => {
    const last = args.at(-1)
    return last?.type === 'KeywordArgumentsValue' && isMapping(last)
      ? call(new Arguments(name, args.slice(0, -1), last.value as ReadonlyMap<string, Value>))
      : call(new Arguments(name, args))
  })
}

/** A method of values of one kind, with what they hold. */
export type Method<Held> = (held: Held, args: Arguments, budget: WorkBudget) => Value
