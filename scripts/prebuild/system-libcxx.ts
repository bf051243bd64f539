/**
 * What the Mac's own C++ library gives, of the symbols that an addon lacks. llama.cpp's libraries link with that one,
 * and an exception of theirs is caught only where both sides share it. Zig has no description of it, so this makes one,
 * of what is needed; a symbol that is none of C++'s runtime stays undefined, and the link fails.
 */
export function systemCppLibrary(undefinedSymbols: Iterable<string>): string {
  const symbols = [...new Set(undefinedSymbols)].filter(isOfCppRuntime).sort()
  return [
    '--- !tapi-tbd',
    'tbd-version: 4',
    'targets: [ x86_64-macos, arm64-macos ]',
    "install-name: '/usr/lib/libc++.1.dylib'",
    'exports:',
    '  - targets: [ x86_64-macos, arm64-macos ]',
    `    symbols: [ ${symbols.map(symbol => `'${symbol}'`).join(', ')} ]`,
    '...',
    '',
  ].join('\n')
}

/**
 * A name of namespace std, of its type information, of the memory operators, or of the ABI. Mach-O puts a `_` before
 * all.
 */
export function isOfCppRuntime(symbol: string): boolean {
  return /^__Z(N[VK]*St|St|T[IVSTC](N[VK]*)?St|T[IVS]N10__cxxabi|n[aw]|d[al])|^___cxa_|^___gxx_personality_v0$/.test(
    symbol,
  )
}
