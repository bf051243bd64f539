import { Command } from 'commander'
import { type BuildRequest, buildLibraries } from '../source-build/build.js'
import { followingController } from '../util/abort.js'
import { compilationProgress } from './compilation-progress.js'
import { onInterrupt } from './failure.js'
import { write } from './reply.js'
import { toNumber } from './shared-options.js'

export function buildCommand(): Command {
  return new Command('build')
    .description(
      "Build llama.cpp's libraries from source: for this machine's GPU, for other processors than there are prebuilt libraries for, or for models spread over several machines. Needs git, cmake and a C++20 compiler, and takes minutes; broken off, it goes on where it was.",
    )
    .option('--cuda', 'for NVIDIA GPUs; needs the CUDA toolkit')
    .option('--metal', 'for the GPU of a Mac')
    .option('--vulkan', "for GPUs of all makers; needs Vulkan's headers and glslc")
    .option('--rpc', 'for models spread over several machines, with the server for the others')
    .option('--native', "for this machine's processor alone: less to compile, and all that it can do is used")
    .option('--source <folder>', "llama.cpp's source (default: that of the prebuilt libraries, from npm's registry)")
    .option('--tag <tag>', 'a git tag of llama.cpp, cloned from its repository')
    .option('--out <folder>', "where the libraries go (default: the user's cache)")
    .option('--jobs <count>', 'compilers at once (default: as many as there are processors)', toNumber)
    .option(
      '--define <name=value>',
      'a definition for cmake, such as CMAKE_CUDA_ARCHITECTURES=89; may be given again',
      (text: string, all: string[] = []) => [...all, text],
    )
    .action(build)
}

async function build({ define, ...flags }: Omit<BuildRequest, 'definitions'> & { define?: string[] }): Promise<void> {
  const interrupt = onInterrupt()
  // What it has started would outlive it otherwise.
  const { controller, unlink } = followingController(interrupt.signal)
  const end = (name: string): void => controller.abort(new Error(`Ended by ${name}`))
  process.once('SIGTERM', end).once('SIGHUP', end)
  const progress = compilationProgress('Compiling')
  const say = (line: string): unknown => process.stderr.write(`${line}\n`)
  try {
    const { folder, release, built } = await buildLibraries({
      ...flags,
      definitions: define,
      signal: controller.signal,
      say,
      onProgress: progress.show,
    })
    progress.end()
    say(
      built
        ? `Built llama.cpp ${release}. To use it: loadModel(..., { libraries: ${flags.out === undefined ? "'built'" : 'FOLDER'} }), or STREAMING_LLM_LIBRARIES=${flags.out === undefined ? 'built' : 'FOLDER'}. The folder:`
        : `llama.cpp ${release} is built already, in the folder:`,
    )
    await write(process.stdout, `${folder}\n`)
  } finally {
    progress.end()
    unlink()
    process.off('SIGTERM', end).off('SIGHUP', end)
    interrupt.release()
  }
}
