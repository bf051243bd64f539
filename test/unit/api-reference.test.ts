import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'

test('docs/api.md is what the types say', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const { stdout, stderr, status } = spawnSync(
    process.execPath,
    ['--import', 'tsx', 'scripts/api-reference.ts', '--check'],
    { cwd: root, encoding: 'utf8', timeout: 500_000, killSignal: 'SIGKILL' },
  )
  expect({ status, said: stdout + stderr }).toEqual({ status: 0, said: '' })
})
