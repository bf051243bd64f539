import { loadAddon } from '../../../lib/backend/addon.js'
import { StreamingLLMError } from '../../../lib/errors.js'

const missing = (text: string) => () => { throw new Error(text) }

test('the prebuilt addon comes first', () => {
  expect(loadAddon({ prebuilt: () => 'prebuilt', built: () => 'built' })).toBe('prebuilt')
  expect(loadAddon({ prebuilt: missing('not there'), built: () => 'built' })).toBe('built')
})

test('where neither loads, both reasons are told, and what to do', () => {
  let thrown: unknown
  try {
    loadAddon({ prebuilt: missing('no prebuilt\nRequire stack:\n- somewhere'), built: missing('GLIBC_2.34 not found') })
  } catch (error) {
    thrown = error
  }
  expect(StreamingLLMError.isInstance(thrown)).toBe(true)
  const error = thrown as StreamingLLMError
  expect(error.code).toBe('ADDON_NOT_FOUND')
  expect(error.details.reasons).toEqual(['no prebuilt', 'GLIBC_2.34 not found'])
  expect(error.message).toContain('- no prebuilt\n- GLIBC_2.34 not found\n')
  expect(error.message).toContain('npm run build:native')
})
