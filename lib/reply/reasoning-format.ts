/** The texts around a model's reasoning. */
export interface ReasoningFormat {
  open: string
  close: string
  /** Marks around what is no reasoning, which say nothing: they are left out of replies. */
  ignored?: readonly string[]
}

/** What most models write, also ones whose template says nothing of it. */
export const thinkTags: ReasoningFormat = { open: '<think>', close: '</think>' }

const cohere = { open: '<|START_THINKING|>', close: '<|END_THINKING|>' }
const kimi = (what: string) => [`<|open|>${what}<|sep|>`, `<|close|>${what}<|sep|>`] as const

/** By what a template's source holds; the first counts. Many templates strip `<think>` from what they are given. */
const formats: readonly (readonly [RegExp, ReasoningFormat])[] = [
  [/<\|channel\|>analysis/, { open: '<|channel|>analysis<|message|>', close: '<|end|>' }],
  [/assistant to=self/, { open: 'to=self<|message|>', close: '<|eom|>' }],
  [/assistant<\|think\|>/, { open: '<|think|>', close: '<|end|>' }],
  [
    /BEGIN FINAL RESPONSE\]/,
    { open: 'Here are my reasoning steps:', close: '[BEGIN FINAL RESPONSE]', ignored: ['[END FINAL RESPONSE]'] },
  ],
  [/<\|END_THINKING\|>[\s\S]*<\|END_TEXT\|>/, { ...cohere, ignored: ['<|START_TEXT|>', '<|END_TEXT|>'] }],
  [/<\|END_THINKING\|>/, { ...cohere, ignored: ['<|START_RESPONSE|>', '<|END_RESPONSE|>'] }],
  [/between <response><\/response>/, { ...thinkTags, ignored: ['<response>', '</response>'] }],
  [
    /'<\|open\|>'[\s\S]*open_tag\('think'/,
    {
      open: kimi('think')[0],
      close: kimi('think')[1],
      ignored: [...kimi('response'), kimi('message')[1], '<|end_of_msg|>'],
    },
  ],
  [/<\/mm:think>/, { open: '<mm:think>', close: '</mm:think>' }],
  [/<\|channel>thought/, { open: '<|channel>thought', close: '<channel|>' }],
  [/<\|inner_suffix\|>/, { open: '<|inner_prefix|>', close: '<|inner_suffix|>' }],
  [/<\/think>/, thinkTags],
  [/\[\/THINK\]/, { open: '[THINK]', close: '[/THINK]' }],
  [/<\/seed:think>/, { open: '<seed:think>', close: '</seed:think>' }],
  [/<\/thought>/, { open: '<thought>', close: '</thought>' }],
  [/<\/thinking>/, { open: '<thinking>', close: '</thinking>' }],
  [/<\/reasoning>/, { open: '<reasoning>', close: '</reasoning>' }],
]

/** Finds out from a chat template's source how the model marks its reasoning; undefined where it says nothing of it. */
export function knownReasoning(template: string): ReasoningFormat | undefined {
  return formats.find(([pattern]) => pattern.test(template))?.[1] ?? suffixedReasoning(template)
}

/** As `knownReasoning`, or what most models write. */
export function reasoningFormat(template: string): ReasoningFormat {
  return knownReasoning(template) ?? thinkTags
}

/** Hunyuan 3: all its marks have a suffix, which the template sets by itself. */
function suffixedReasoning(template: string): ReasoningFormat | undefined {
  const suffix = /'<\/think\{\}>'\.format\((\w+)\)/.exec(template)
  const value = suffix === null ? null : new RegExp(`set ${suffix[1]} = '([^']*)'`).exec(template)
  return value === null ? undefined : { open: `<think${value[1]}>`, close: `</think${value[1]}>` }
}

/** Whether a prompt ends by opening the reasoning, so that a reply begins within it. */
export function reasoningIsOpen(prompt: string, format: ReasoningFormat): boolean {
  return prompt.trimEnd().endsWith(format.open)
}
