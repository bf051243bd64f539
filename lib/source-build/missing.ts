/** What a build needs, and how to get it. */
const hints: Partial<Record<string, Partial<Record<string, string>>>> = {
  git: { linux: 'apt-get install git', darwin: 'xcode-select --install', win32: 'winget install Git.Git' },
  cmake: { linux: 'apt-get install cmake', darwin: 'brew install cmake', win32: 'winget install Kitware.CMake' },
  compiler: {
    linux: 'apt-get install g++',
    darwin: 'xcode-select --install',
    win32: 'Visual Studio Build Tools 2022 with "Desktop development with C++"',
  },
  make: { linux: 'apt-get install make', darwin: 'xcode-select --install' },
  vulkan: {
    linux: 'apt-get install libvulkan-dev glslc spirv-headers',
    darwin: 'the Vulkan SDK of LunarG',
    win32: 'the Vulkan SDK of LunarG',
  },
}

function hint(what: string, platform: string): string {
  const found = hints[what]?.[platform]
  return found === undefined ? '' : ` (${platform === 'linux' ? `on Debian and Ubuntu: ${found}` : found})`
}

/** The programs without which nothing can begin. `canRun`: whether a program of this name can be started. */
export async function missingPrograms(
  needed: { git: boolean },
  canRun: (program: string) => Promise<boolean>,
  platform: string = process.platform,
): Promise<string[]> {
  const missing: string[] = []
  if (needed.git && !(await canRun('git'))) missing.push(`git${hint('git', platform)}`)
  if (!(await canRun('cmake'))) missing.push(`cmake 3.19 or later${hint('cmake', platform)}`)
  if (platform === 'win32') return missing // Visual Studio is on no path; cmake-js looks for it
  const compilers = process.env['CXX'] ? [process.env['CXX'].split(' ')[0] as string] : ['c++', 'g++', 'clang++']
  if (!(await Promise.all(compilers.map(canRun))).includes(true)) missing.push(compilerWords(platform))
  if (!(await Promise.all(['ninja', 'make', 'gmake'].map(canRun))).includes(true))
    missing.push(`make or ninja${hint('make', platform)}`)
  return missing
}

function compilerWords(platform: string): string {
  return `a C++20 compiler: g++ 11, clang 14, or Visual Studio 2022 and later${hint('compiler', platform)}`
}

/** What a build that failed lacked, as its log tells. */
export function missingByLog(log: string, platform: string = process.platform): string[] {
  const missing: string[] = []
  const add = (pattern: RegExp, words: string): void => {
    if (pattern.test(log)) missing.push(words)
  }
  add(
    /CUDA Toolkit not found|CUDAToolkit_NVCC_EXECUTABLE|No CMAKE_CUDA_COMPILER could be found|Failed to find nvcc|CMAKE_CUDA_COMPILER:? .*not (be )?found/i,
    "the CUDA toolkit: nvcc, of CUDA 12 or later, was found neither on the path nor by CUDACXX or CUDAToolkit_ROOT (NVIDIA's packages cuda-toolkit, or developer.nvidia.com/cuda-downloads)",
  )
  add(
    /unsupported GNU version|unsupported clang version|unsupported Microsoft Visual Studio version/i,
    'a C++ compiler that this CUDA toolkit knows: name one by --define CMAKE_CUDA_HOST_COMPILER=g++-12',
  )
  add(
    /Could NOT find Vulkan|missing: .*glslc|SPIRV-Headers(Config)?\.cmake|provided by "SPIRV-Headers"/i,
    `Vulkan's headers and library, glslc and SPIRV-Headers${hint('vulkan', platform)}`,
  )
  add(
    /Compiler toolset is not available|No CMAKE_CXX_COMPILER could be found|could not find any instance of Visual Studio|Could not find any Visual Studio/i,
    compilerWords(platform),
  )
  add(
    /-std=(c|gnu)\+\+20.*(unrecognized|unknown)|(unrecognized|unknown).*-std=(c|gnu)\+\+20|CXX_STANDARD.*20.*not known/i,
    `a newer compiler: ${compilerWords(platform)}`,
  )
  add(/CMAKE_MAKE_PROGRAM is not set|CMAKE_MAKE_PROGRAM-NOTFOUND/i, `make or ninja${hint('make', platform)}`)
  add(/CMake 3\.\d+(\.\d+)? or higher is required/i, `a newer cmake${hint('cmake', platform)}`)
  add(
    /npm (ERR!|error) code (E(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|404|401|403)|ENOTCACHED)|npm (ERR!|error) network/i,
    "npm's registry, from which cmake-js comes: see npm ping",
  )
  add(
    /Could not resolve host|unable to access 'https?:|Failed to connect to/i,
    'the network: git could not reach the repository of llama.cpp; use --source with a copy of it',
  )
  add(/No space left on device|ENOSPC|disk full/i, 'space on the disk')
  add(
    /Killed signal terminated program|\bout of memory\b|virtual memory exhausted|c1xx.*heap/i,
    'memory for so many compilers at once: use --jobs 1',
  )
  return missing
}
