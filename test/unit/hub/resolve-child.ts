// Run as a process of its own by the tests: resolves the reference in argv and prints the path.
import { resolveModel } from '../../../lib/hub/resolve-model.js'

resolveModel(process.argv[2] ?? '').then(
  path => console.log(path),
  (error: unknown) => {
    console.error(error)
    process.exitCode = 1
  },
)
