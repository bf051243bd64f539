import type { ChatMessage } from '../../../lib/messages.js'
import { ChatTemplate, type ChatTemplateOptions } from '../../../lib/templates/chat-template.js'
import { CompiledTemplate } from '../../../lib/templates/compiled-template.js'

/** Templates of the kinds that models come with, written for these tests. */
export interface Sample {
  source: string
  options: ChatTemplateOptions
}

const lines = (...parts: string[]) => parts.join('\n')

/** ChatML, with a default system prompt where none is given. */
export const chatml: Sample = {
  source: lines(
    "{%- if messages[0]['role'] != 'system' -%}",
    "{{ '<|im_start|>system\\nBe of use.<|im_end|>\\n' }}",
    '{%- endif -%}',
    '{%- for m in messages -%}',
    "{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>' + '\\n' }}",
    '{%- endfor -%}',
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}",
  ),
  options: {
    bosToken: '<|im_start|>',
    eosToken: '<|im_end|>',
    specialTokens: ['<|endoftext|>', '<|im_start|>', '<|im_end|>'],
  },
}

/**
 * Headers in the way of Llama 3: trimmed contents, the first token with the first message, a date in the system turn.
 */
export const headers: Sample = {
  source: lines(
    '{%- if messages[0].role == "system" -%}{%- set sys = messages[0].content | trim -%}{%- set rest = messages[1:] -%}',
    '{%- else -%}{%- set sys = "" -%}{%- set rest = messages -%}{%- endif -%}',
    '{{- bos_token -}}{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" -}}',
    '{%- if tools is not none -%}{{- "Environment: tools\\n" -}}{%- endif -%}',
    '{{- "It is " + strftime_now("%Y") + ".\\n\\n" + sys + "<|eot_id|>" -}}',
    '{%- for m in rest -%}',
    '{{- "<|start_header_id|>" + m.role + "<|end_header_id|>\\n\\n" + m.content | trim + "<|eot_id|>" -}}',
    '{%- endfor -%}',
    '{%- if add_generation_prompt -%}{{- "<|start_header_id|>assistant<|end_header_id|>\\n\\n" -}}{%- endif -%}',
  ),
  options: {
    bosToken: '<|begin_of_text|>',
    eosToken: '<|eot_id|>',
    specialTokens: [
      '<|begin_of_text|>',
      '<|start_header_id|>',
      '<|end_header_id|>',
      '<|eot_id|>',
      ...Array.from({ length: 250 }, (_, i) => `<|reserved_special_token_${i}|>`),
    ],
  },
}

/** [INST] with the system prompt inside of the first user turn; roles must alternate. */
export const inst: Sample = {
  source: lines(
    "{%- if messages[0]['role'] == 'system' -%}{%- set sys = messages[0]['content'] -%}{%- set loop_messages = messages[1:] -%}",
    '{%- else -%}{%- set loop_messages = messages -%}{%- set sys = false -%}{%- endif -%}',
    '{%- for m in loop_messages -%}',
    "{%- if (m['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception('Roles have to take turns: user, assistant, user, ...') }}{%- endif -%}",
    "{%- if loop.first and sys -%}{%- set content = '<<SYS>>\\n' + sys + '\\n<</SYS>>\\n\\n' + m['content'] -%}{%- else -%}{%- set content = m['content'] -%}{%- endif -%}",
    "{%- if m['role'] == 'user' -%}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}",
    "{%- else -%}{{ ' ' + content.strip() + ' ' + eos_token }}{%- endif -%}",
    '{%- endfor -%}',
  ),
  options: { bosToken: '<s>', eosToken: '</s>', specialTokens: ['<unk>', '<s>', '</s>', '[INST]', '[/INST]'] },
}

/** The system prompt goes before the latest user message. */
export const lastUser: Sample = {
  source: lines(
    "{%- if messages[0].role == 'system' -%}{%- set sys = messages[0].content -%}{%- set rest = messages[1:] -%}{%- else -%}{%- set sys = '' -%}{%- set rest = messages -%}{%- endif -%}",
    '{{- bos_token -}}',
    "{%- for m in rest -%}{%- if m.role == 'user' -%}[INST]{%- if loop.last and sys %} {{ sys + '\\n\\n' + m.content }}{%- else %} {{ m.content }}{%- endif -%}[/INST]",
    '{%- else %} {{ m.content }}{{ eos_token }}{%- endif -%}{%- endfor -%}',
  ),
  options: inst.options,
}

/** No system role; the assistant is called model; trims. */
export const gemma: Sample = {
  source: lines(
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('There is no system role') }}{% endif %}",
    "{% for m in messages %}{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Take turns') }}{% endif %}",
    "{% if m['role'] == 'assistant' %}{% set role = 'model' %}{% else %}{% set role = m['role'] %}{% endif %}",
    "{{ '<start_of_turn>' + role + '\\n' + m['content'] | trim + '<end_of_turn>\\n' }}{% endfor %}",
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}",
  ),
  options: {
    bosToken: '<bos>',
    eosToken: '<eos>',
    specialTokens: ['<pad>', '<eos>', '<bos>', '<start_of_turn>', '<end_of_turn>'],
  },
}

/**
 * ChatML that drops the reasoning of replies before the latest question, and refuses a conversation without a question.
 */
export const reasoning: Sample = {
  source: lines(
    '{%- set ns = namespace(last=-1) -%}',
    "{%- for m in messages -%}{%- if m.role == 'user' and not (m.content.startswith('<tool_response>') and m.content.endswith('</tool_response>')) -%}{%- set ns.last = loop.index0 -%}{%- endif -%}{%- endfor -%}",
    "{%- if ns.last < 0 -%}{{- raise_exception('No question found.') -}}{%- endif -%}",
    '{%- for m in messages -%}',
    "{%- if m.role == 'assistant' -%}",
    "{%- set content = m.content -%}{%- set thought = '' -%}",
    "{%- if '</think>' in content -%}{%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') -%}{%- set content = content.split('</think>')[-1].lstrip('\\n') -%}{%- endif -%}",
    "{%- if loop.index0 > ns.last and (loop.last or thought) -%}{{- '<|im_start|>assistant\\n<think>\\n' + thought.strip() + '\\n</think>\\n\\n' + content.lstrip() -}}",
    "{%- else -%}{{- '<|im_start|>assistant\\n' + content -}}{%- endif -%}{{- '<|im_end|>\\n' -}}",
    "{%- elif m.role == 'tool' -%}",
    "{%- if loop.first or messages[loop.index0 - 1].role != 'tool' -%}{{- '<|im_start|>user' -}}{%- endif -%}{{- '\\n<tool_response>\\n' + m.content + '\\n</tool_response>' -}}",
    "{%- if loop.last or messages[loop.index0 + 1].role != 'tool' -%}{{- '<|im_end|>\\n' -}}{%- endif -%}",
    "{%- else -%}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' -}}{%- endif -%}",
    '{%- endfor -%}',
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\\n' -}}{%- endif -%}",
  ),
  options: chatml.options,
}

/** The same where the vocabulary has the marks of reasoning among its control tokens. */
export const reasoningTokens: Sample = {
  source: reasoning.source,
  options: { ...chatml.options, specialTokens: [...chatml.options.specialTokens, '<think>', '</think>'] },
}

/** The system prompt bare at the start, wide bars, and the reply opened with reasoning that is dropped later. */
export const deepseek: Sample = {
  source: lines(
    "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}{% set ns = namespace(sys='') %}",
    "{%- for m in messages %}{%- if m['role'] == 'system' %}{% set ns.sys = m['content'] %}{%- endif %}{%- endfor %}",
    '{{ bos_token }}{{ ns.sys }}',
    "{%- for m in messages %}{%- if m['role'] == 'user' %}{{ '<｜User｜>' + m['content'] }}{%- endif %}",
    "{%- if m['role'] == 'assistant' %}{% set content = m['content'] %}{% if '</think>' in content %}{% set content = content.split('</think>')[-1] %}{% endif %}{{ '<｜Assistant｜>' + content + eos_token }}{%- endif %}{%- endfor -%}",
    "{% if add_generation_prompt %}{{ '<｜Assistant｜><think>\\n' }}{% endif %}",
  ),
  options: {
    bosToken: '<｜begin▁of▁sentence｜>',
    eosToken: '<｜end▁of▁sentence｜>',
    specialTokens: [
      '<｜begin▁of▁sentence｜>',
      '<｜end▁of▁sentence｜>',
      '<｜User｜>',
      '<｜Assistant｜>',
      '<think>',
      '</think>',
    ],
  },
}

/** Control tokens put together from the role. */
export const roleTokens: Sample = {
  source:
    "{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + '<|end|>\\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}",
  options: { eosToken: '<|end|>', specialTokens: ['<|system|>', '<|user|>', '<|assistant|>', '<|end|>'] },
}

/** Unkind to any marking of contents: puts them between the halves of tokens, cuts, joins, changes case. */
export const seams: Sample = {
  source: lines(
    '{% for m in messages %}{% if m.content %}',
    "{{ '[' + m.content + ']<' + m.content[1:] + '>' + m.content[:3] + '|>' + m.content | replace('x', '') | lower }}",
    "{%- if m.content.startswith('<') %}!{% endif %}{{ '<|im_end|>' }}",
    '{% else %}<|endoftext|>{% endif %}{% endfor %}',
  ),
  options: { specialTokens: ['[INST]', '<s>', '<|im_end|>', '<|endoftext|>', '|>', '\n\n'] },
}

/** Writes contents as JSON with escapes. */
export const json: Sample = {
  source: '{% for m in messages %}<|im_start|>{{ m.content | tojson(ensure_ascii=true) }}<|im_end|>\n{% endfor %}',
  options: chatml.options,
}

/** Cleans contents of its own tokens. */
export const cleaning: Sample = {
  source:
    "{% for m in messages %}<|im_start|>{{ m.role + '\\n' + m.content | replace('<|im_end|>', '') }}<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\n' }}",
  options: chatml.options,
}

export const samples = {
  chatml,
  headers,
  inst,
  lastUser,
  gemma,
  reasoning,
  reasoningTokens,
  deepseek,
  roleTokens,
  seams,
  json,
  cleaning,
}

export const make = (sample: Sample, options: Partial<ChatTemplateOptions> = {}) =>
  new ChatTemplate(sample.source, { ...sample.options, ...options })

const compiled = new Map<string, CompiledTemplate>()

/** What the template makes of the messages, without looking at what is whose. */
export function plain(sample: Sample, messages: readonly ChatMessage[], addGenerationPrompt: boolean): string {
  const { bosToken = '', eosToken = '' } = sample.options
  let template = compiled.get(sample.source)
  if (template === undefined)
    compiled.set(sample.source, (template = new CompiledTemplate(sample.source, { bosToken, eosToken })))
  return template.render(messages, addGenerationPrompt)
}

export const system = (content: string): ChatMessage => ({ role: 'system', content })
export const user = (content: string): ChatMessage => ({ role: 'user', content })
export const assistant = (content: string): ChatMessage => ({ role: 'assistant', content })
export const tool = (content: string): ChatMessage => ({ role: 'tool', content })

/** The error that `work` throws, or undefined. */
export function thrown(work: () => unknown): unknown {
  try {
    work()
    return undefined
  } catch (error) {
    return error
  }
}
