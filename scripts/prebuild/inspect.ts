import { isOfCppRuntime } from './system-libcxx.js'
import { exported, oldest, partsOf, type TargetName } from './targets.js'
import { run } from './tools.js'

/** What llvm's tools tell of an addon. */
export interface AddonFacts {
  architecture: string
  exports: string[]
  /** Libraries that it asks for. */
  libraries: string[]
  /** Symbols that it takes from others. On Linux with their version, as in `wait@GLIBCXX_3.4.11`. */
  imports: string[]
  /** On macOS: the oldest system, and whether it is signed, as processors of Apple's demand. */
  oldestSystem?: string
  signed?: boolean
}

export async function addonFacts(file: string): Promise<AddonFacts> {
  const headers = await run('llvm-readobj', ['--file-headers', '--needed-libs', file])
  const architecture = /Arch: (\S+)/.exec(headers)?.[1] ?? ''
  if (/Format: COFF/.test(headers)) return { architecture, ...(await windowsFacts(file)) }
  const libraries = (/NeededLibraries \[([^\]]*)\]/.exec(headers)?.[1] ?? '')
    .split('\n')
    .map(line => line.trim().split(' ')[0] ?? '')
    .filter(Boolean)
  const names = (text: string): string[] =>
    text
      .split('\n')
      .map(line => line.trim())
      .filter(Boolean)
  if (/Format: Mach-O/.test(headers)) {
    const commands = await run('llvm-objdump', ['--macho', '--private-headers', file])
    return {
      architecture,
      libraries,
      exports: names(await run('llvm-nm', ['--extern-only', '--defined-only', '--just-symbol-name', file])).map(name =>
        name.replace(/^_/, ''),
      ),
      imports: names(await run('llvm-nm', ['--undefined-only', '--just-symbol-name', file])),
      oldestSystem: /minos ([\d.]+)/.exec(commands)?.[1],
      signed: commands.includes('LC_CODE_SIGNATURE'),
    }
  }
  return {
    architecture,
    libraries,
    exports: names(await run('llvm-nm', ['--dynamic', '--defined-only', '--just-symbol-name', file])),
    imports: names(await run('llvm-nm', ['--dynamic', '--undefined-only', '--just-symbol-name', file])),
  }
}

async function windowsFacts(file: string): Promise<Omit<AddonFacts, 'architecture'>> {
  const text = await run('llvm-readobj', ['--coff-imports', '--coff-exports', file])
  const all = (pattern: RegExp): string[] => [...text.matchAll(pattern)].map(match => match[1] as string)
  return {
    libraries: all(/^Import \{\s*Name: (\S+)/gm),
    imports: all(/^ *Symbol: (\S+)/gm),
    exports: all(/^Export \{\s*Ordinal: \d+\s*Name: (\S+)/gm),
  }
}

/** What is wrong with an addon for that platform, a line each; nothing where it is as it should be. */
export function faults(name: TargetName, facts: AddonFacts, nodeApi: readonly string[]): string[] {
  const { platform, architecture } = partsOf(name)
  const found: string[] = []
  const expect = (is: boolean, words: string): void => {
    if (!is) found.push(words)
  }
  const wanted = { x64: 'x86_64', arm64: 'aarch64' }[architecture]
  expect(facts.architecture === wanted, `its processor is ${facts.architecture}, not ${wanted}`)
  for (const symbol of exported) expect(facts.exports.includes(symbol), `it does not export ${symbol}`)
  // Of Mach-O's own two, each image has its own.
  const others = facts.exports.filter(
    symbol =>
      !exported.includes(symbol) &&
      !['__dso_handle', '__mh_dylib_header', '_mh_dylib_header', '___dso_handle'].includes(symbol),
  )
  expect(others.length === 0, `it exports more than it should: ${others.join(', ')}`)
  const strangers = facts.libraries.filter(library => !librariesOf[platform].test(library))
  expect(strangers.length === 0, `it needs ${strangers.join(', ')}`)
  if (platform === 'linux') {
    for (const symbol of facts.imports) {
      const [, family, version] = /@+(GLIBC|GLIBCXX)_([\d.]+)$/.exec(symbol) ?? []
      if (version === undefined) continue
      const max = family === 'GLIBC' ? oldest.glibc : oldest.glibcxx
      expect(compareVersions(version, max) <= 0, `${symbol} is newer than ${max}`)
    }
    expect(facts.libraries.includes('libgcc_s.so.1'), 'it does not share the unwinder of llama.cpp, libgcc_s.so.1')
  } else if (platform === 'darwin') {
    expect(facts.signed === true || architecture === 'x64', 'it is not signed')
    expect(facts.oldestSystem === oldest.macos, `it is for macOS ${facts.oldestSystem}, not ${oldest.macos}`)
    const known = new Set(nodeApi.map(each => `_${each}`))
    const unknown = facts.imports.filter(
      symbol => !known.has(symbol) && !isOfCppRuntime(symbol) && !isOfLibSystem(symbol),
    )
    expect(unknown.length === 0, `it lacks ${unknown.join(', ')}`)
    expect(
      facts.libraries.some(library => library.includes('libc++')),
      'it does not share the C++ library of llama.cpp',
    )
  } else {
    expect(!facts.imports.some(symbol => nodeApi.includes(symbol)), 'it takes Node-API from a program of a fixed name')
  }
  return found
}

const librariesOf = {
  linux:
    /^(libstdc\+\+\.so\.6|libgcc_s\.so\.1|libc\.so\.6|libm\.so\.6|libdl\.so\.2|libpthread\.so\.0|ld-linux-.*\.so\.\d)$/,
  darwin: /^(\/usr\/lib\/(libc\+\+\.1|libSystem\.B)\.dylib|@rpath\/streaming_llm\.node)$/,
  win32: /^(KERNEL32\.dll|ntdll\.dll|api-ms-win-crt-.*\.dll|ucrtbase\.dll)$/i,
}

/** C's functions, threads, the unwinder and the dynamic linker's own: what is no name of C++. */
function isOfLibSystem(symbol: string): boolean {
  return symbol === 'dyld_stub_binder' || (/^_+[a-zA-Z][\w$]*$/.test(symbol) && !symbol.startsWith('__Z'))
}

export function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map(each => each.split('.').map(Number)) as [number[], number[]]
  for (let i = 0; i < Math.max(left.length, right.length); i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}
