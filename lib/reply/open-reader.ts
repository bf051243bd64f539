import type { CallSyntax } from '../tools/call-syntax.js'
import type { CallReader } from './call-reader.js'
import { HeadedCall } from './headed-call.js'
import { JsonCalls } from './json-calls.js'
import type { CallContext } from './open-call.js'
import { ParameterCall } from './parameter-call.js'

/**
 * The reader for what follows the opening of a call. `raw` is what has been read of it, `next` the first character after
 * it that is no white space.
 */
export function openReader(context: CallContext, syntax: CallSyntax, raw: string, next: string): CallReader {
  switch (syntax.body) {
    case 'json':
      return new JsonCalls(context, syntax, raw)
    case 'headed':
      return new HeadedCall(context, syntax, raw)
    case 'mistral':
      return next === '[' || next === '{' ? new JsonCalls(context, syntax, raw) : new HeadedCall(context, syntax, raw)
    case 'parameters':
      return new ParameterCall(context, syntax, raw)
  }
}
