import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseReference } from '../../../lib/hub/reference.js'

test.each([
  ['hf:owner/repo/model.gguf', { kind: 'hub-file', repo: 'owner/repo', revision: 'main', file: 'model.gguf' }],
  [
    'hf:o-1/r.2_x@v1.0/sub/dir/Model.GGUF',
    { kind: 'hub-file', repo: 'o-1/r.2_x', revision: 'v1.0', file: 'sub/dir/Model.GGUF' },
  ],
  ['hf:owner/repo@feature%2Fx/m.gguf', { kind: 'hub-file', repo: 'owner/repo', revision: 'feature/x', file: 'm.gguf' }],
  ['hf:owner/repo@refs/pr/7/m.gguf', { kind: 'hub-file', repo: 'owner/repo', revision: 'refs/pr/7', file: 'm.gguf' }],
  ['hf:owner/repo:Q4_K_M', { kind: 'hub-quant', repo: 'owner/repo', revision: 'main', quant: 'Q4_K_M' }],
  ['hf:owner/repo@dev:q8_0', { kind: 'hub-quant', repo: 'owner/repo', revision: 'dev', quant: 'q8_0' }],
  ['models/a.gguf', { kind: 'path', path: 'models/a.gguf' }],
  ['C:\\models\\a.gguf', { kind: 'path', path: 'C:\\models\\a.gguf' }],
  [pathToFileURL('/a b.gguf').href, { kind: 'path', path: resolve('/a b.gguf') }],
])('%s is understood', (reference, expected) => {
  expect(parseReference(reference)).toEqual(expected)
})

test.each([
  '',
  '  ',
  'hf:',
  'hf:owner',
  'hf:owner/repo',
  'hf://owner/repo/a.gguf',
  'hf:owner/repo/',
  'hf:owner/repo/readme.md',
  'hf:owner/repo/../../x.gguf',
  'hf:owner/repo/a//b.gguf',
  'hf:owner/repo/a\\..\\b.gguf',
  'hf:../repo/a.gguf',
  'hf:owner/repo@../a.gguf',
  'hf:owner/repo@%2e%2e%2Fx/a.gguf',
  'hf:owner/repo@%zz/a.gguf',
  'hf:owner/repo:',
  'https://huggingface.co/owner/repo/a.gguf',
  'file://host%/x',
  7 as unknown as string,
])('%p is refused with the accepted forms', reference => {
  expect(() => parseReference(reference)).toThrow(
    expect.objectContaining({
      code: 'INVALID_OPTION',
      message: expect.stringContaining('hf:owner/repo/file.gguf'),
    }),
  )
})
