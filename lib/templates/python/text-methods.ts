import {
  ArrayValue,
  BooleanValue,
  IntegerValue,
  isArray,
  isString,
  StringValue,
  TupleValue,
  type Value,
} from '../jinja-runtime.js'
import { searchSteps, spendReplacing, spendSplitting, textSteps, trimmingSteps } from '../value-work.js'
import type { WorkBudget } from '../work-budget.js'
import type { Arguments, Method } from './arguments.js'
import { formatted } from './format.js'
import { iterated } from './iterate.js'
import { joined } from './join.js'
import { capitalized, justified, replaced, titled, trimmed } from './texts.js'

const text = (value: string): Value => new StringValue(value)
const yesOrNo = (value: boolean): Value => new BooleanValue(value)
const spendReading = (budget: WorkBudget, ...texts: string[]): void => {
  for (const each of texts) budget.spend(textSteps(each.length))
}

/** A method that reads the text once and writes one of the same length. */
const changed =
  (change: (text: string) => string): Method<string> =>
  (held, _, budget) => {
    spendReading(budget, held, held)
    return text(change(held))
  }

const stripped =
  (start: boolean, end: boolean): Method<string> =>
  (held, args, budget) => {
    const characters = args.text(0)
    budget.spend(trimmingSteps(held, characters))
    return text(trimmed(held, { start, end, characters }))
  }

const tested =
  (pattern: RegExp): Method<string> =>
  (held, _, budget) => {
    spendReading(budget, held)
    return yesOrNo(pattern.test(held))
  }

const found =
  (find: (held: string, part: string) => number): Method<string> =>
  (held, args, budget) => {
    const part = args.wantedText(0)
    budget.spend(searchSteps(held, part))
    return new IntegerValue(find(held, part))
  }

/** Of `startswith` and `endswith`, which take a text or several. */
const beginning =
  (begins: (held: string, part: string) => boolean): Method<string> =>
  (held, args, budget) => {
    const parts = args.get(0)
    const all = parts === undefined ? [] : isArray(parts) ? parts.value : [parts]
    if (all.length === 0 && parts === undefined) throw new Error(`${args.callee}() takes a text.`)
    return yesOrNo(
      all.some(part => {
        if (!isString(part)) throw new Error(`${args.callee}() takes a text or a tuple of texts.`)
        budget.spend(1 + textSteps(part.value.length))
        return begins(held, part.value)
      }),
    )
  }

const parted =
  (find: (held: string, part: string) => number, without: (held: string) => string[]): Method<string> =>
  (held, args, budget) => {
    const part = args.wantedText(0)
    budget.spend(searchSteps(held, part))
    const at = part === '' ? -1 : find(held, part)
    const parts = at < 0 ? without(held) : [held.slice(0, at), part, held.slice(at + part.length)]
    return new TupleValue(parts.map(text))
  }

const filled =
  (start: number, end: number): Method<string> =>
  (held, args, budget) => {
    const width = args.count(0) ?? 0
    budget.fit(width)
    budget.spend(textSteps(held.length + Math.max(0, width)))
    return text(justified(held, width, args.text(1) ?? ' ', { start, end }))
  }

/** The methods of texts, as Python has them. */
export const textMethods: ReadonlyMap<string, Method<string>> = new Map(
  Object.entries<Method<string>>({
    capitalize: changed(capitalized),
    casefold: changed(held => held.toLowerCase()),
    center: filled(1, 1),
    count: (held, args, budget) => {
      const part = args.wantedText(0)
      budget.spend(searchSteps(held, part))
      return new IntegerValue(part === '' ? held.length + 1 : held.split(part).length - 1)
    },
    endswith: beginning((held, part) => held.endsWith(part)),
    find: found((held, part) => held.indexOf(part)),
    format: (held, args, budget) => text(formatted(budget, held, args)),
    isalnum: tested(/^[\p{L}\p{N}]+$/u),
    isalpha: tested(/^\p{L}+$/u),
    isdecimal: tested(/^\p{Nd}+$/u),
    isdigit: tested(/^\p{Nd}+$/u),
    islower: tested(/^[^\p{Lu}\p{Lt}]*\p{Ll}[^\p{Lu}\p{Lt}]*$/u),
    isnumeric: tested(/^\p{N}+$/u),
    isspace: tested(/^[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+$/),
    isupper: tested(/^[^\p{Ll}\p{Lt}]*\p{Lu}[^\p{Ll}\p{Lt}]*$/u),
    join: (held, args, budget) => {
      const items = args.get(0)
      if (items === undefined) throw new Error('join() takes what it joins.')
      return text(joined(budget, iterated(budget, items), held))
    },
    ljust: filled(0, 1),
    lower: changed(held => held.toLowerCase()),
    lstrip: stripped(true, false),
    partition: parted(
      (held, part) => held.indexOf(part),
      held => [held, '', ''],
    ),
    removeprefix: (held, args, budget) => {
      const part = args.wantedText(0)
      spendReading(budget, part)
      return text(held.startsWith(part) ? held.slice(part.length) : held)
    },
    removesuffix: (held, args, budget) => {
      const part = args.wantedText(0)
      spendReading(budget, part)
      return text(held.endsWith(part) ? held.slice(0, held.length - part.length) : held)
    },
    replace: (held, args, budget) => {
      const [part, by] = [args.wantedText(0), args.wantedText(1)]
      spendReplacing(budget, held, part, by)
      return text(replaced(held, part, by, args.count(2, 'count')))
    },
    rfind: found((held, part) => held.lastIndexOf(part)),
    rjust: filled(1, 0),
    rpartition: parted(
      (held, part) => held.lastIndexOf(part),
      held => ['', '', held],
    ),
    rsplit: (held, args, budget) => split(budget, held, args, splitFromEnd),
    rstrip: stripped(false, true),
    split: (held, args, budget) => split(budget, held, args, splitFromStart),
    splitlines: (held, args, budget) => {
      spendSplitting(budget, held, '\n')
      spendReading(budget, held)
      const lines =
        held.match(/[^\n\r\v\f\x1c-\x1e\x85\u2028\u2029]*(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]|$)/g) ?? []
      const kept = args.flag(0, 'keepends')
      return new ArrayValue(
        lines
          .filter(line => line !== '')
          .map(line => text(kept ? line : line.replace(/(?:\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])$/, ''))),
      )
    },
    startswith: beginning((held, part) => held.startsWith(part)),
    strip: stripped(true, true),
    swapcase: changed(held =>
      Array.from(held, each => (each === each.toLowerCase() ? each.toUpperCase() : each.toLowerCase())).join(''),
    ),
    title: (held, _, budget) => {
      budget.spend(textSteps(8 * held.length))
      return text(titled(held))
    },
    upper: changed(held => held.toUpperCase()),
    zfill: (held, args, budget) => {
      const width = args.count(0) ?? 0
      budget.fit(width)
      budget.spend(textSteps(held.length + Math.max(0, width)))
      const sign = /^[+-]/.test(held) ? held.charAt(0) : ''
      return text(sign + held.slice(sign.length).padStart(width - sign.length, '0'))
    },
  }),
)

type Split = (held: string, separator: string | undefined, limit: number) => string[]

function split(budget: WorkBudget, held: string, args: Arguments, how: Split): Value {
  const separator = args.text(0, 'sep')
  if (separator === '') throw new Error(`${args.callee}() takes a separator that is not empty.`)
  const limit = args.count(1, 'maxsplit') ?? -1
  spendSplitting(budget, held, separator)
  return new ArrayValue(how(held, separator, limit < 0 ? Number.POSITIVE_INFINITY : limit).map(text))
}

const space = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000'
const word = new RegExp(`[^${space}]+`, 'g')

function splitFromStart(held: string, separator: string | undefined, limit: number): string[] {
  if (separator !== undefined) {
    const parts = held.split(separator)
    return parts.length <= limit + 1 ? parts : [...parts.slice(0, limit), parts.slice(limit).join(separator)]
  }
  const words: string[] = []
  for (const { 0: found, index } of held.matchAll(word)) {
    if (words.length === limit) return [...words, held.slice(index)]
    words.push(found)
  }
  return words
}

function splitFromEnd(held: string, separator: string | undefined, limit: number): string[] {
  if (separator !== undefined) {
    const parts = held.split(separator)
    const first = parts.length - limit
    return first <= 1 ? parts : [parts.slice(0, first).join(separator), ...parts.slice(first)]
  }
  const words = [...held.matchAll(word)]
  const first = words.length - limit
  if (first <= 0) return words.map(({ 0: found }) => found)
  const last = words[first - 1]!
  return [held.slice(0, last.index + last[0].length), ...words.slice(first).map(({ 0: found }) => found)]
}
