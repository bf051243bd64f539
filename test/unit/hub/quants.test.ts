import { filesOfQuant, quantsAmong } from '../../../lib/hub/quants.js'

const files = [
  'README.md',
  'Model-7B.Q4_K_M.gguf',
  'Model-7B.Q4_K_S.gguf',
  'Model-7B.IQ4_XS.gguf',
  'Model-7B.Q4_0.gguf',
  'Model-7B.Q4_0_4_4.gguf',
  'model_7b_q8_0.gguf',
  'Model-7B-f16.gguf',
  'mmproj-Model-7B-Q8_0.gguf',
  'UD/Model-7B-UD-Q2_K_XL.gguf',
  'BF16/Model-7B-BF16-00001-of-00002.gguf',
  'BF16/Model-7B-BF16-00002-of-00002.gguf',
  '../evil-Q3_K_M.gguf',
]

test.each([
  ['Q4_K_M', ['Model-7B.Q4_K_M.gguf']],
  ['q4_k_m', ['Model-7B.Q4_K_M.gguf']],
  ['Q4_0', ['Model-7B.Q4_0.gguf']],
  ['IQ4_XS', ['Model-7B.IQ4_XS.gguf']],
  ['Q8_0', ['model_7b_q8_0.gguf']],
  ['F16', ['Model-7B-f16.gguf']],
  ['BF16', ['BF16/Model-7B-BF16-00001-of-00002.gguf']],
  ['UD-Q2_K_XL', ['UD/Model-7B-UD-Q2_K_XL.gguf']],
  ['Q2_K_XL', ['UD/Model-7B-UD-Q2_K_XL.gguf']],
  ['Q4_K', []],
  ['Q4', []],
  ['4_XS', []],
  ['Q3_K_M', []],
])('%s picks %p', (quant, expected) => {
  expect(filesOfQuant(files, quant)).toEqual(expected)
})

test('lists the quants, without image projectors', () => {
  expect(quantsAmong(files)).toEqual([
    'BF16',
    'F16',
    'IQ4_XS',
    'Q4_0',
    'Q4_0_4_4',
    'Q4_K_M',
    'Q4_K_S',
    'Q8_0',
    'UD-Q2_K_XL',
  ])
})
