import { templateTools } from './template-tools.js'
import type { ToolCallFormat } from './tool-call-format.js'
import type { ToolDefinitions } from './tool-definitions.js'
import { writeCalls } from './write-calls.js'

/**
 * Text for the system prompt that tells the model which tools there are and how to call them, for templates that don't
 * (`toolsVariable` is undefined). Empty without tools.
 */
export function toolInstructions(format: ToolCallFormat, tools: ToolDefinitions): string {
  const listed = templateTools(tools)
  if (listed.length === 0) return ''
  const example = writeCalls(format.syntax, [
    { id: 'a1B2c3D4e', name: 'example_tool', arguments: { example_argument: 'its value' } },
  ])
  return [
    '# Tools',
    '',
    'You may call tools to help with what the user asks for. These are the tools, each with a JSON schema of its arguments:',
    '<tools>',
    ...listed.map(tool => JSON.stringify(format.syntax.name === 'smollm2' ? tool.function : tool)),
    '</tools>',
    '',
    'To call a tool, write exactly in this form, with the name of a tool from the list and its arguments:',
    example,
    '',
    several(format),
    ...(format.results === 'user'
      ? ['The results come in the next message, between <tool_response> and </tool_response>.']
      : []),
    'Call a tool only if it is needed, and never make up a result. If no tool is needed, just answer.',
  ].join('\n')
}

function several(format: ToolCallFormat): string {
  const { between, begin } = format.syntax.frame
  if (!format.parallel) return 'Call one tool at a time, write nothing after the call, and wait for its result.'
  const form =
    begin === '' ? 'one after another in this form' : `in one list, with ${JSON.stringify(between)} between them`
  return `You may make several calls at once, ${form}. Write nothing after them, and wait for the results.`
}
