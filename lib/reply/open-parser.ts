import type { CallSyntax } from '../tools/call-syntax.js'
import type { CallParser } from './call-parser.js'
import { ElementCallParser } from './element-call-parser.js'
import { JsonCallParser } from './json-call-parser.js'
import { KeywordCallParser } from './keyword-call-parser.js'
import { NamedCallParser } from './named-call-parser.js'
import type { CallContext } from './partial-call.js'

/**
 * The reader for what follows the opening of a call. `raw` is what has been read of it, `next` the first character
 * after it that is no white space.
 */
export function openParser(context: CallContext, syntax: CallSyntax, raw: string, next: string): CallParser {
  switch (syntax.body) {
    case 'json':
      return new JsonCallParser(context, syntax, raw)
    case 'headed':
      return new NamedCallParser(context, syntax, raw)
    case 'mistral':
      return next === '[' || next === '{'
        ? new JsonCallParser(context, syntax, raw)
        : new NamedCallParser(context, syntax, raw)
    case 'elements':
      // Models that know other syntaxes as well write JSON here now and then.
      return next === '{' || next === '['
        ? new JsonCallParser(context, syntax, raw)
        : new ElementCallParser(context, syntax, raw)
    case 'keywords':
      return new KeywordCallParser(context, syntax, raw)
  }
}
