// Small chat templates with the structure of real ones, as far as tools go.

const lines = (...parts: string[]) => parts.join('')
const chat = "{{ '<|im_start|>' + m.role + '\\n' + (m.content or '') + '<|im_end|>\\n' }}"
const opening = "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"

/** A header with the role's name, whatever it is; nothing about tools. */
export const plain = lines(
  '{% for m in messages %}',
  "{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}",
  '{% endfor %}',
  opening,
)

export const smollm2 = lines(
  "{% if messages[0].role != 'system' %}{{ '<|im_start|>system\\nYou are named SmolLM<|im_end|>\\n' }}{% endif %}",
  plain,
)

/** Users and assistants in turns, no other roles. */
export const strict = lines(
  '{% for m in messages %}',
  "{% if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('turns!') }}{% endif %}",
  "{{ '[INST] ' + m.content if m.role == 'user' else m.content + eos_token }}",
  '{% endfor %}',
)

/** Tools in the system message, calls in tags, results as a user's. `content` must be text, as in Qwen 3. */
export const hermes = lines(
  "{% if tools %}{{ '<|im_start|>system\\n' + (messages[0].content + '\\n\\n' if messages[0].role == 'system' else '') + 'Tools:' }}",
  "{% for t in tools %}{{ '\\n' + (t | tojson) }}{% endfor %}{{ '\\nWrite <tool_call>{\"name\": ...}</tool_call><|im_end|>\\n' }}",
  "{% elif messages[0].role == 'system' %}{{ '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}{% endif %}",
  '{% for m in messages %}',
  "{% if m.role == 'assistant' %}{{ '<|im_start|>assistant\\n' + m.content }}",
  "{% for c in m.tool_calls or [] %}{{ '<tool_call>\\n{\"name\": \"' + c.function.name + '\", \"arguments\": ' + (c.function.arguments if c.function.arguments is string else c.function.arguments | tojson) + '}\\n</tool_call>' }}{% endfor %}{{ '<|im_end|>\\n' }}",
  "{% elif m.role == 'tool' %}{{ '<|im_start|>user\\n<tool_response>\\n' + m.content + '\\n</tool_response><|im_end|>\\n' }}",
  "{% elif m.role == 'user' %}",
  chat,
  '{% endif %}{% endfor %}',
  opening,
)

/** Does without a conversation in which there are no tools. */
export const hermesAlways = hermes.replace('{% if tools %}', '{% for t in tools %}{% endfor %}{% if tools %}')

/** Writes no calls, takes its tools as `xml_tools` and puts each into the text as it is. */
export const smollm3 = lines(
  "{{ '<|im_start|>system\\n' + (messages[0].content if messages[0].role == 'system' else '') }}",
  "{% if xml_tools %}{{ '\\nTools:\\n' }}{% for t in xml_tools %}{{ t ~ '\\n' }}{% endfor %}{{ 'Write\\n<tool_call>\\n{\"name\": <name>, \"arguments\": <arguments>}\\n</tool_call>' }}{% endif %}{{ '<|im_end|>\\n' }}",
  "{% for m in messages %}{% if m.role == 'user' or m.role == 'assistant' %}",
  chat,
  "{% elif m.role == 'tool' %}{{ '<|im_start|>user\\n' + m.content + '<|im_end|>\\n' }}{% endif %}{% endfor %}",
  opening,
)

/** Tools in the first user's message unless told otherwise, one call at a time, JSON without a mark. */
export const llama3 = lines(
  '{% if not tools_in_user_message is defined %}{% set tools_in_user_message = true %}{% endif %}',
  "{% set system = messages[0].content if messages[0].role == 'system' else '' %}{% set messages = messages[1:] if messages[0].role == 'system' else messages %}",
  "{{ bos_token + '<|start|>system<|end|>\\n\\n' }}{% if tools is not none and not tools_in_user_message %}{% for t in tools %}{{ (t | tojson) + '\\n\\n' }}{% endfor %}{% endif %}{{ system + '<|eot|>' }}",
  "{% if tools is not none and tools_in_user_message %}{{ '<|start|>user<|end|>\\n\\n' }}{% for t in tools %}{{ (t | tojson) + '\\n\\n' }}{% endfor %}{{ messages[0].content + '<|eot|>' }}{% set messages = messages[1:] %}{% endif %}",
  "{% for m in messages %}{% if 'tool_calls' in m %}{% if m.tool_calls | length != 1 %}{{ raise_exception('one!') }}{% endif %}{% set c = m.tool_calls[0].function %}",
  '{{ \'<|start|>assistant<|end|>\\n\\n{"name": "\' + c.name + \'", "parameters": \' + (c.arguments | tojson) + \'}<|eot|>\' }}',
  "{% elif m.role == 'tool' %}{{ '<|start|>ipython<|end|>\\n\\n' + (m.content | tojson) + '<|eot|>' }}",
  "{% else %}{{ '<|start|>' + m.role + '<|end|>\\n\\n' + m.content + '<|eot|>' }}{% endif %}{% endfor %}",
)

/** As `llama3`, but tools stay in the user's message. */
export const toolsWithUser = llama3
  .replace('{% if not tools_in_user_message is defined %}{% set tools_in_user_message = true %}{% endif %}', '')
  .replaceAll('tools_in_user_message', 'true')

/** Tools before the latest user message, calls as a list with ids of nine characters, else it raises. */
export const mistral = lines(
  "{% set system = messages[0].content + '\\n' if messages[0].role == 'system' else '' %}{% set messages = messages[1:] if messages[0].role == 'system' else messages %}",
  "{% set users = messages | selectattr('role', 'equalto', 'user') | list %}{{ bos_token }}",
  "{% for m in messages %}{% if m.role == 'user' %}{% if tools is not none and m == users[-1] %}{{ '[AVAILABLE_TOOLS]' + (tools | tojson) + '[/AVAILABLE_TOOLS]' }}{% endif %}{{ '[INST]' + (system if loop.last else '') + m.content + '[/INST]' }}",
  "{% elif m.tool_calls is defined %}{{ '[TOOL_CALLS][' }}{% for c in m.tool_calls %}{% if c.id | length != 9 %}{{ raise_exception('id!') }}{% endif %}{% set f = c.function | tojson %}{{ f[:-1] + ', \"id\": \"' + c.id + '\"}' + (']' + eos_token if loop.last else ', ') }}{% endfor %}",
  "{% elif m.role == 'tool' %}{% if m.tool_call_id | length != 9 %}{{ raise_exception('id!') }}{% endif %}{{ '[TOOL_RESULTS]{\"content\": ' + m.content + ', \"call_id\": \"' + m.tool_call_id + '\"}[/TOOL_RESULTS]' }}",
  "{% elif m.role == 'assistant' %}{{ m.content + eos_token }}{% else %}{{ raise_exception('role!') }}{% endif %}{% endfor %}",
)

const calls = (call: string, before = '', after = '') =>
  lines(
    "{% for m in messages %}{% if m.role == 'assistant' and m.tool_calls %}{{ '<|im_start|>assistant\\n' + (m.content or '') }}",
    before,
    '{% for c in m.tool_calls %}{% set f = c.function %}',
    call,
    '{% endfor %}',
    after,
    "{{ '<|im_end|>\\n' }}{% else %}",
    chat,
    '{% endif %}{% endfor %}',
    opening,
  )

export const mistralNamed = calls(
  "{{ '[TOOL_CALLS]' + f.name + '[ARGS]' + (f.arguments if f.arguments is string else f.arguments | tojson) }}",
)
export const mistralIds = calls("{{ '[TOOL_CALLS]' + f.name + '[CALL_ID]' + c.id + '[ARGS]' + f.arguments | tojson }}")
/** Wants arguments as text. */
export const functionary = calls("{{ '<function=' + f.name + '>' + f.arguments + '</function>' }}")
export const deepseek = calls(
  "{{ '<｜tool▁call▁begin｜>' + c.type + '<｜tool▁sep｜>' + f.name + '\\n```json\\n' + f.arguments + '\\n```<｜tool▁call▁end｜>' }}",
  "{{ '<｜tool▁calls▁begin｜>' }}",
  "{{ '<｜tool▁calls▁end｜>' }}",
)
export const deepseek31 = calls(
  "{{ '<｜tool▁call▁begin｜>' + f.name + '<｜tool▁sep｜>' + f.arguments + '<｜tool▁call▁end｜>' }}",
  "{{ '<｜tool▁calls▁begin｜>' }}",
  "{{ '<｜tool▁calls▁end｜>' }}",
)
export const coder = calls(
  "{{ '<tool_call>\\n<function=' + f.name + '>\\n' }}{% for k, v in f.arguments | items %}{{ '<parameter=' + k + '>\\n' + (v if v is string else v | tojson) + '\\n</parameter>\\n' }}{% endfor %}{{ '</function>\\n</tool_call>' }}",
)
export const phi4 = calls("{{ '<|tool_call|>' + (f | tojson) + '<|/tool_call|>' }}")
export const lists = calls(
  "{{ (f | tojson) + ('' if loop.last else ', ') }}",
  "{{ '<tool_call>[' }}",
  "{{ ']</tool_call>' }}",
)
/** In an unknown way. */
export const unknown = calls("{{ '<call ' + f.name + '>' + (f.arguments | tojson) + '</call>' }}")
/** Writes what isn't there. */
export const careless = calls("{{ '<tool_call>\\n' + (f | tojson) + '\\n</tool_call>' }}").replace(
  "(m.content or '') }}{% for",
  "(m.content if m.content is not none else 'None') }}{% for",
)

const list = (item: string, before: string, after: string, between = ', ') =>
  calls(
    `${item.replace(/\}\}$/, '')} + ('' if loop.last else '${between}') }}`,
    `{{ '${before}' }}`,
    `{{ '${after}' }}`,
  )

/** Writes the call's id in place of its name, which it holds. */
export const kimi = calls(
  "{{ '<|tool_call_begin|>' + 'functions.' + f.name + ':' + (loop.index0 | string) + '<|tool_call_argument_begin|>' + (f.arguments | tojson) + '<|tool_call_end|>' }}",
  "{{ '<|tool_calls_section_begin|>' }}",
  "{{ '<|tool_calls_section_end|>' }}",
)
export const minimaxM1 = list('{{ (f | tojson) }}', '<tool_calls>\\n', '\\n</tool_calls>', '\\n')
export const apriel = list(
  '{{ \'{"name": "\' + f.name + \'", "arguments": \' + (f.arguments | tojson) + \', "id": "\' + c.id + \'"}\' }}',
  '\\n<tool_calls>[',
  ']</tool_calls>\\n',
)
export const nemotron = list('{{ (f | tojson) }}', '<TOOLCALL>[', ']</TOOLCALL>')
/** Counts its calls itself. */
export const commandR = list(
  '{{ \'{"tool_call_id": "\' + (loop.index0 | string) + \'", "tool_name": "\' + f.name + \'", "parameters": \' + (f.arguments | tojson) + \'}\' }}',
  '<|START_ACTION|>[\\n    ',
  '\\n]<|END_ACTION|>',
  ',\\n    ',
)
/** Writes its lists over many lines. */
export const commandRPlus = list(
  '{{ ({"tool_name": f.name, "parameters": f.arguments} | tojson(indent=4)) }}',
  'Action:\\n```json\\n[\\n',
  ']```\\n',
  ',\\n',
)
export const apertus = list(
  "{{ '{\"' + f.name + '\": ' + (f.arguments | tojson) + '}' }}",
  '<|tools_prefix|>[',
  ']<|tools_suffix|>',
)
export const gigachat = calls(
  "{{ '<|message_sep|>\\n\\nfunction call<|role_sep|>\\n' + ({'name': f.name, 'arguments': f.arguments} | tojson) }}",
)
export const gigachat31 = calls("{{ '<|function_call|>' + ({'name': f.name, 'arguments': f.arguments} | tojson) }}")
export const firefunction = list('{{ (f | tojson) }}', ' functools[', ']')
/** Writes no calls, and says in words how they look. */
export const granite33 = plain.replace(
  '{% for m in',
  "{% if tools %}{{ '<|im_start|>system\\nTo use a tool, answer with <|tool_call|> followed by a JSON list.<|im_end|>\\n' }}{% endif %}{% for m in",
)

const quoted = (text: string) => JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"')
const value = '(v if v is string else v | tojson)'
/** Arguments as elements: what stands around a name, and around a key and a value. */
const elements = (
  [beforeName, afterName, afterCall]: [string, string, string],
  [beforeKey, afterKey, afterValue]: [string, string, string],
  begin = '',
  end = '',
) =>
  calls(
    `{{ '${quoted(beforeName)}' + f.name + '${quoted(afterName)}' }}{% for k, v in f.arguments | items %}{{ '${quoted(beforeKey)}' + k + ${afterKey.startsWith('(') ? afterKey : `'${quoted(afterKey)}'`} + ${value} + '${quoted(afterValue)}' }}{% endfor %}{{ '${quoted(afterCall)}' }}`,
    `{{ '${quoted(begin)}' }}`,
    `{{ '${quoted(end)}' }}`,
  )

export const glm = elements(
  ['\n<tool_call>', '\n', '</tool_call>'],
  ['<arg_key>', '</arg_key>\n<arg_value>', '</arg_value>\n'],
)
export const glmInline = elements(
  ['<tool_call>', '', '</tool_call>'],
  ['<arg_key>', '</arg_key><arg_value>', '</arg_value>'],
)
export const minimaxM2 = elements(
  ['<invoke name="', '">\n', '</invoke>\n'],
  ['<parameter name="', '">', '</parameter>\n'],
  '<minimax:tool_call>\n',
  '</minimax:tool_call>',
)
const isText = (yes: string, no: string) => `('${quoted(yes)}' if v is string else '${quoted(no)}')`
const dsml = (outer: string) =>
  elements(
    ['<｜DSML｜invoke name="', '">\n', '</｜DSML｜invoke>\n'],
    ['<｜DSML｜parameter name="', isText('" string="true">', '" string="false">'), '</｜DSML｜parameter>\n'],
    `\n\n<｜DSML｜${outer}>\n`,
    `</｜DSML｜${outer}>`,
  )
export const deepseek32 = dsml('function_calls')
export const deepseek4 = dsml('tool_calls')
export const seed = elements(
  ['\n<seed:tool_call>\n<function=', '>\n', '</function>\n</seed:tool_call>'],
  ['<parameter=', '>', '</parameter>\n'],
)
export const minicpm = elements(['<function name="', '">', '</function>\n'], ['<param name="', '">', '</param>'])
export const kimi3 = elements(
  ['<|open|>call tool="', '" index="1"<|sep|>', '<|close|>call<|sep|>'],
  ['<|open|>argument key="', isText('" type="string"<|sep|>', '" type="number"<|sep|>'), '<|close|>argument<|sep|>'],
  '<|open|>tools<|sep|>',
  '<|close|>tools<|sep|>',
)

const keywords = (assign: string, value: string, between: string) =>
  `{% for k, v in f.arguments | items %}{{ k + '${assign}' + ${value} + ('' if loop.last else '${between}') }}{% endfor %}`
export const lfm2 = calls(
  `{{ f.name + '(' }}${keywords('=', '(v | tojson)', ', ')}{{ ')' + ('' if loop.last else ', ') }}`,
  "{{ '<|tool_call_start|>[' }}",
  "{{ ']<|tool_call_end|>' }}",
)
export const gemma4 = calls(
  `{{ '<|tool_call>call:' + f.name + '{' }}${keywords(':', `('<|"|>' + v + '<|"|>' if v is string else v | tojson)`, ',')}{{ '}<tool_call|>' }}`,
)
