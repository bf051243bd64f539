import { StreamingLLMError } from '../errors.js'
import { invalid } from '../options/check.js'
import { endlessRule, leftmostCost } from './grammar/analysis.js'
import { type FlatRules, readFlatRules } from './grammar/flat-rules.js'
import { Problem } from './problem.js'

const maxBytes = 1024 ** 2
/** llama.cpp's check for left recursion calls itself this deep; a thread's stack may be as small as 512 KiB. */
const maxDepth = 1000
/** Takes llama.cpp some tens of milliseconds. */
const maxSteps = 5_000_000

/** What a model's engine knows of grammars: as `NativeModel.impossibleTrigger`. */
export type ImpossibleTrigger = (grammar: string, triggers: readonly string[]) => number

/**
 * Checks a grammar in GBNF before the native side reads it, so that errors name the line. What passes has a rule
 * `root`, refers to no rule that is missing, defines none twice, and has no left recursion. A group with an empty
 * choice that is repeated without limit counts as left recursion. It is also within limits that llama.cpp needs: 1 MiB,
 * parentheses 100 deep, 50,000 rules, 250,000 elements, and repetitions below 2000 times. llama.cpp counts a rule for
 * every group and every optional repetition.
 *
 * How much time it takes while text is generated shows only then: GRAMMAR_TOO_COMPLEX.
 *
 * @param call the function whose caller is told
 * @param triggers the texts that make it active. The grammar must be able to begin with each: the text from the trigger
 * on has to follow it, so any other trigger could never be written
 * @throws {StreamingLLMError} INVALID_OPTION with `details.line`, from 1, where one line is to blame
 */
export function checkGrammar(
  source: unknown,
  call: string,
  triggers: readonly string[] = [],
  impossibleTrigger: ImpossibleTrigger = () => -1,
): void {
  if (typeof source !== 'string') throw invalid(call, 'grammar', 'the grammar must be a string', 'a grammar in GBNF')
  checkText(source, call)
  const impossible = triggers.length === 0 ? -1 : impossibleTrigger(source, triggers)
  if (impossible === -1) return
  const trigger = JSON.stringify(triggers[impossible])
  throw invalid(
    call,
    `grammar.triggers[${impossible}]`,
    `no text of the grammar begins with its trigger ${trigger}, as it must, since it holds from there on: the model could never write the trigger. Let 'root' begin with ${trigger}`,
    'a text that the grammar begins with',
  )
}

function checkText(source: string, call: string): void {
  try {
    checkSource(source)
  } catch (error) {
    if (!(error instanceof Problem)) throw error
    const { line, message } = error
    const place = line === undefined ? '' : `line ${line}: `
    throw new StreamingLLMError('INVALID_OPTION', `${call}: the grammar cannot be used: ${place}${message}`, {
      details: { call, option: 'grammar', line },
    })
  }
}

/**
 * Does the work of `checkGrammar` and returns the rules.
 *
 * @throws {Problem}
 */
export function checkSource(source: string): FlatRules {
  const bytes = Buffer.byteLength(source)
  if (bytes > maxBytes) throw new Problem('', `it has ${bytes} bytes, and at most ${maxBytes} are taken`)
  const end = source.indexOf('\0')
  if (end !== -1) throw new Problem('', 'a NUL character would end it here', source.slice(0, end).split('\n').length)
  const half = source.search(/\p{Surrogate}/u)
  if (half !== -1)
    throw new Problem('', 'half of a surrogate pair is no character', source.slice(0, half).split('\n').length)
  const flat = readFlatRules(source)
  for (const [name, rule] of flat.names) {
    if (flat.rules[rule] === undefined) throw new Problem('', `the rule '${name}' is not defined`, flat.lines[rule])
  }
  if (!flat.names.has('root')) throw new Problem('', "it has no rule 'root', where every text begins")
  const { recursive = endlessRule(flat), depth, steps } = leftmostCost(flat)
  if (recursive !== undefined) {
    throw new Problem(
      '',
      'left recursion: what begins here can begin with itself, or repeats without limit what may be empty',
      flat.lines[recursive],
    )
  }
  if (depth > maxDepth) throw new Problem('', `rules begin with rules more than ${maxDepth} deep`)
  if (steps > maxSteps)
    throw new Problem('', `its rules begin with rules in too many ways to be checked for left recursion`)
  return flat
}
