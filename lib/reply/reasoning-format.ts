/** The texts around a model's reasoning. */
export interface ReasoningFormat {
  open: string
  close: string
}

const formats: readonly ReasoningFormat[] = [
  { open: '[THINK]', close: '[/THINK]' },
  { open: '<|START_THINKING|>', close: '<|END_THINKING|>' },
  { open: '<seed:think>', close: '</seed:think>' },
  { open: '<thought>', close: '</thought>' },
  { open: '<thinking>', close: '</thinking>' },
  { open: '<reasoning>', close: '</reasoning>' },
]

/** What most models write, also ones whose template says nothing of it. */
export const thinkTags: ReasoningFormat = { open: '<think>', close: '</think>' }

/** Finds out from a chat template's source how the model marks its reasoning. */
export function reasoningFormat(template: string): ReasoningFormat {
  if (template.includes(thinkTags.close)) return thinkTags
  return formats.find(format => template.includes(format.close)) ?? thinkTags
}

/** Whether a prompt ends by opening the reasoning, so that a reply begins within it. */
export function reasoningIsOpen(prompt: string, format: ReasoningFormat): boolean {
  return prompt.trimEnd().endsWith(format.open)
}
