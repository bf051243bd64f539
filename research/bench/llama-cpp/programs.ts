import { existsSync } from 'node:fs'
import path from 'node:path'
import { StreamingLLMError } from '../../../lib/errors.js'
import { userCacheFolder } from '../../../lib/util/user-cache.js'
import { librariesOfNodeLlamaCpp, nodeLlamaCppVersion } from '../node-llama-cpp/install.js'

/** llama.cpp's own programs, as `npm run bench:llama-cpp` builds them. */
export interface LlamaCppPrograms {
  server: string
  batchedBench: string
  /** The folder to run them in: there they find the libraries of the CPU's back ends. */
  workingDirectory: string
}

/** Where they are built, in `build`. */
export const llamaCppFolder = path.join(userCacheFolder('bench'), `llama.cpp-of-node-llama-cpp-${nodeLlamaCppVersion}`)

const programs = path.join(llamaCppFolder, 'build', 'bin')
const server = path.join(programs, 'llama-server')
const batchedBench = path.join(programs, 'llama-batched-bench')

/** True when they have been built on this machine. */
export function isBuilt(): boolean {
  return existsSync(server) && existsSync(batchedBench)
}

/** Why they are left out where they are not built, and what to do about it. */
export const notBuilt =
  'llama-server and llama-batched-bench are not built here; build them with: npm run bench:llama-cpp (some minutes)'

/** @throws {StreamingLLMError} LIBRARY_NOT_FOUND where they are not built */
export function llamaCppPrograms(): LlamaCppPrograms {
  if (!isBuilt()) throw new StreamingLLMError('LIBRARY_NOT_FOUND', notBuilt)
  return { server, batchedBench, workingDirectory: librariesOfNodeLlamaCpp().backendDirectory }
}
