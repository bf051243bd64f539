import { isArray, isMapping, isString, type Key, type Value } from './jinja-runtime.js'
import type { WorkBudget } from './work-budget.js'

// What jinja's operations cost by the sizes of the values that they are given. Each function spends it from a budget,
// and is called before the operation: afterwards would be too late for one that builds what no memory can hold.

/** Characters that one step copies, compares or searches. */
const charactersPerStep = 64
/** For a new value: an element of a list, of some 100 bytes. */
const stepsPerElement = 4
/** Reaching for a method of a text or an object makes a table of all of them, which the value keeps. */
export const methodSteps = 16

/** Of reading or writing so many characters once. */
export const textSteps = (characters: number): number => characters / charactersPerStep

/** Of looking at the characters of a text one by one, whether they are among others. */
export const trimmingSteps = (text: string, characters = ''): number =>
  textSteps(4 * text.length + 8 * characters.length)

/** Of making a list of so many new values. */
export const elementSteps = (count: number): number => count * stepsPerElement

/** Of going through a list once, or copying it. */
export const listSteps = (length: number): number => length / 4

/** The characters of a key as text. */
export const keyLength = (key: Key): number => (typeof key === 'string' ? key.length : 24)

/** The characters of a value that is text, 0 for others. */
export const lengthOf = (value: Value | undefined): number =>
  value !== undefined && isString(value) ? value.value.length : 0

/** Of finding `part`: in the worst case each of its characters is compared at each place. */
export function searchSteps(text: string, part: string): number {
  return textSteps(text.length) * (1 + part.length / (part.length > charactersPerStep ? 2 : 8))
}

/** Of sorting values that have so many characters together. */
export function sortSteps(count: number, characters: number): number {
  return 2 * (count + characters / 16) * Math.ceil(Math.log2(count + 1))
}

/** How values are written one after the other within others. */
export interface Layout {
  /** Spaces by which each level is indented; 0: all in one line. */
  indent: number
  /** Characters between two items, and between a key and its value. */
  separators: number
  /** Characters that one of a text becomes, at most. */
  escaped: number
}

const plainLayout: Layout = { indent: 0, separators: 4, escaped: 1 }

/**
 * Spends what it costs to write a value as text, as JSON does, and what it takes. What is held in several places is
 * written as often, so ten lists of ten lists each are soon more than can be written.
 */
export function spendWriting(
  budget: WorkBudget,
  value: Value,
  { indent, separators, escaped }: Layout = plainLayout,
): void {
  let characters = 0
  const write = (count: number, depth: number): void => {
    budget.fit((characters += count))
    // Each level puts together once more what its items have written.
    budget.spend(2 + textSteps(count * (depth + 1)))
  }
  const visit = (each: Value, depth: number): void => {
    if (isString(each)) return write(2 + each.value.length * escaped, depth)
    if (!isArray(each) && !isMapping(each)) return write(24, depth)
    write(4 + indent * (depth + 1), depth)
    const item = separators + (indent === 0 ? 0 : 1 + indent * (depth + 1))
    if (isArray(each)) {
      for (const inner of each.value) {
        write(item, depth)
        visit(inner, depth + 1)
      }
      return
    }
    for (const [key, inner] of each.value) {
      write(item + separators + 2 + keyLength(key) * escaped, depth)
      visit(inner, depth + 1)
    }
  }
  visit(value, 0)
}

/** Spends what it costs to split a text; `separator` undefined: at white space. */
export function spendSplitting(budget: WorkBudget, text: string, separator: string | undefined): void {
  if (separator !== undefined) budget.spend(searchSteps(text, separator))
  const max = Math.ceil(budget.left / stepsPerElement)
  budget.spend(textSteps(text.length))
  budget.spend(
    elementSteps(separator === undefined ? countWords(text, max) : 1 + countOccurrences(text, separator, max)),
  )
}

/** Spends what it costs to replace all occurrences of a part. */
export function spendReplacing(budget: WorkBudget, text: string, part: string, by: string): void {
  budget.spend(searchSteps(text, part))
  const max = Math.ceil(budget.left / 2)
  const count = part === '' ? text.length + 1 : countOccurrences(text, part, max)
  const characters = text.length + count * by.length
  budget.fit(characters)
  budget.spend(2 * count + textSteps(characters))
}

/** Spends what it costs to put `width` spaces before each line. */
export function spendIndenting(budget: WorkBudget, text: string, width: number): void {
  budget.spend(textSteps(text.length))
  const lines = 1 + countOccurrences(text, '\n', Math.ceil(budget.left / stepsPerElement))
  const characters = text.length + lines * Math.max(0, width)
  budget.fit(characters)
  budget.spend(elementSteps(lines) + textSteps(characters))
}

/** The number of occurrences one after the other, as far as `max`. */
function countOccurrences(text: string, part: string, max: number): number {
  let count = 0
  for (let at = text.indexOf(part); at !== -1 && count < max; at = text.indexOf(part, at + part.length)) count++
  return count
}

function countWords(text: string, max: number): number {
  const words = /\S+/g
  let count = 0
  while (count < max && words.test(text)) count++
  return count
}
