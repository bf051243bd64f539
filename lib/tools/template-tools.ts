import { type JsonSchema, parametersOf, type ToolDefinitions } from './tool-definitions.js'

/** A tool in the shape that chat templates expect. */
export interface TemplateTool {
  type: 'function'
  function: { name: string; description: string; parameters: JsonSchema }
}

/** The variables by which templates are given tools. */
export type ToolsVariable = 'tools' | 'xml_tools'

/** The tools as templates take them. */
export function templateTools(tools: ToolDefinitions): TemplateTool[] {
  return Object.entries(tools).map(([name, tool]) => ({
    type: 'function',
    function: { name, description: tool.description ?? '', parameters: parametersOf(tool) },
  }))
}

/** The value of such a variable. SmolLM 3's `xml_tools` are put into the text as they are, so they are text already. */
export function toolsFor(variable: ToolsVariable, tools: readonly TemplateTool[]): unknown[] {
  return variable === 'xml_tools' ? tools.map(tool => JSON.stringify(tool.function)) : [...tools]
}
