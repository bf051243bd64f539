// Places of a syntax tree whose string literals are only ever written out, not compared with anything.
const writtenOut = new Set(['body', 'alternate', 'defaultBlock', 'trueExpr', 'falseExpr'])

// The known templates have at most 53, of at most 162 characters. Only whole system prompts are longer, and templates
// do not compare these with messages. Leaving a literal out only costs some certainty about the source of a special
// token.
const maxLiterals = 200
const maxLiteralLength = 200

/**
 * The string literals that a parsed template may compare with what people wrote: arguments of `startswith`, `split` and
 * the like, sides of `in` and `==`, values of variables. Literals that are only written out are left out.
 */
export function comparedLiterals(program: object): string[] {
  const literals = new Set<string>()
  const visit = (value: unknown, written: boolean): void => {
    if (value === null || typeof value !== 'object') return
    if (Array.isArray(value)) return value.forEach(item => visit(item, written))
    if (value instanceof Map)
      return value.forEach((item, key) => {
        visit(key, false)
        visit(item, false)
      })
    const tree = value as Record<string, unknown>
    if (tree.type === 'StringLiteral') {
      if (!written && typeof tree.value === 'string' && tree.value.trim() !== '') literals.add(tree.value)
      return
    }
    const operator = (tree.operator as { value?: unknown } | undefined)?.value
    const joined = tree.type === 'BinaryExpression' && (operator === '+' || operator === '~')
    for (const [key, child] of Object.entries(tree)) visit(child, joined || writtenOut.has(key))
  }
  visit(program, false)
  return [...literals].filter(literal => literal.length <= maxLiteralLength).slice(0, maxLiterals)
}
