import { byteText, columns, jsonText } from '../../../lib/cli/format.js'
import { inspectionOf, inspectionText } from '../../../lib/cli/inspection.js'
import { modelsText } from '../../../lib/cli/models.js'
import { checkModelFile } from '../../../lib/gguf/check.js'
import { tokenTexts } from '../../../lib/gguf/token-texts.js'
import { estimateOf, parseEstimateOptions } from '../../../lib/model/estimate-memory.js'
import { modelMemory, traitsOfHeader } from '../../../lib/model/model-memory.js'
import { type TinyKind, type TinyOptions, tinyModel } from '../../tools/tiny-models.js'

test.each([
  [0, '0 bytes'],
  [999, '999 bytes'],
  [1000, '1.0 kB'],
  [98_362_432, '98.4 MB'],
  [999_960_000, '1.0 GB'],
  [4.92e9, '4.9 GB'],
  [2e12, '2.0 TB'],
])('%d bytes are %s', (bytes, text) => {
  expect(byteText(bytes)).toBe(text)
})

test('columns are as wide as they have to be', () => {
  expect(
    columns([
      ['a', 'long one', 'x'],
      ['bbb', 'c', 'yy'],
    ]),
  ).toBe('a    long one  x\nbbb  c         yy')
  expect(jsonText({ large: 2n ** 60n })).toBe(`{\n  "large": "${2n ** 60n}"\n}\n`)
})

async function text(kind: TinyKind, options: TinyOptions = {}, free = 8e9): Promise<string> {
  const header = await checkModelFile(tinyModel(kind, options))
  const memory = modelMemory(traitsOfHeader(header), header)
  const setting = parseEstimateOptions({})
  const estimate = estimateOf(
    header,
    setting,
    { devices: [], notices: [] },
    { device: 'cpu', name: 'a processor', free, total: 8e9 },
  )
  return inspectionText(
    { ...(await inspectionOf(header, memory, true, ids => tokenTexts(header, ids))), estimate },
    setting,
    { metadata: true },
  )
}

test.each<[TinyKind, string[]]>([
  ['gpt2', ['gpt2 has learned absolute positions', 'the sinks and half of the window are decoded again']],
  ['mamba', ['heads           none', 'recurrent: ', 'the sinks stay where they are', '  states']],
  ['jamba', ['hybrid: ', '  states']],
  ['gemma3', ['sliding window: ']],
])('%s', async (kind, words) => {
  const all = await text(kind)
  for (const each of words) expect(all).toContain(each)
})

test('a file cannot do things to the terminal, and a model without a template has none', async () => {
  const nasty = await text('llama', { chatTemplate: 'a\x1b[2Jb\nsecond' })
  expect(nasty).not.toContain('\x1b')
  expect(nasty).toContain('\n  a[2Jb\n  second\n')
  expect(await text('llama', { chatTemplate: null })).toContain('\nNo chat template.\n')
  expect(
    await text('llama', { chatTemplate: Array.from({ length: 9 }, (_, line) => `line ${line}`).join('\n') }),
  ).toContain('Chat template (9 lines; all of it: --template):\n  line 0\n')
})

test('what does not fit is told', async () => {
  expect(await text('llama', {}, 1e6)).toContain('It does not fit: 1.0 MB are free on this machine (a processor).')
})

test('the list tells of missing parts and unfinished downloads', () => {
  const model = {
    name: 'm',
    reference: 'hf:o/r/m-00001-of-00003.gguf',
    quantization: undefined,
    sizeBytes: 5e9,
    lastUsed: new Date(2026, 0, 2),
    path: '/m',
    files: [],
    missingParts: 2,
    hub: undefined,
  }
  expect(
    modelsText({
      models: [model],
      unfinished: [{ repo: 'o/r', path: '/x', sizeBytes: 3e8 }],
      hub: '/hub',
      own: '/own',
    }),
  ).toBe(
    [
      'NAME  TYPE  SIZE    LAST USED   REFERENCE',
      'm     -     5.0 GB  2026-01-02  hf:o/r/m-00001-of-00003.gguf (2 parts missing)',
      '',
      'One download is unfinished (300.0 MB, of o/r): pull again to go on, or streaming-llm models remove --unfinished.',
    ].join('\n'),
  )
})
