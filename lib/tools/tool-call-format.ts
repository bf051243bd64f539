import { CompiledTemplate } from '../templates/compiled-template.js'
import { type CallSyntax, callSyntaxes } from './call-syntax.js'
import { probeTools, type ToolCapabilities } from './tool-probe.js'

/** How a model calls tools, and what of that its chat template writes by itself. */
export interface ToolCallFormat extends ToolCapabilities {
  syntax: CallSyntax
}

/** The format for models whose template knows nothing of tools: all is said in the system prompt and by the user. */
export const genericFormat: ToolCallFormat = {
  syntax: callSyntaxes.generic,
  toolsVariable: undefined,
  variables: {},
  rendersCalls: false,
  argumentsAs: 'object',
  emptyContent: '',
  parallel: true,
  results: 'user',
}

/**
 * Finds out from a chat template's source how the model calls tools, by rendering small conversations that hold calls.
 * A template that doesn't compile, or tells nothing, gives the generic format: then the model has to be told.
 */
export function toolCallFormat(
  template: string,
  tokens: { bosToken?: string; eosToken?: string } = {},
): ToolCallFormat {
  let compiled: CompiledTemplate
  try {
    compiled = new CompiledTemplate(template, { bosToken: tokens.bosToken ?? '', eosToken: tokens.eosToken ?? '' })
  } catch {
    return genericFormat
  }
  return compiled.together(() => probeTools(compiled)) ?? genericFormat
}
