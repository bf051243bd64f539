import { fileURLToPath } from 'node:url'
import { runTypeScript } from '../tools/child-program.js'

test('docs/api.md is what the types say', async () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const { code, stdout, stderr } = await runTypeScript('scripts/api-reference.ts', ['--check'], { cwd: root })
  expect({ code, said: stdout + stderr }).toEqual({ code: 0, said: '' })
})
