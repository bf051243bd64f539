let known: boolean | undefined

/** On Linux: true where the C library is musl instead of glibc. */
export function isMusl(): boolean {
  return (known ??= ask())
}

function ask(): boolean {
  // Of the report only the header is wanted; its network part would look up the names of open connections.
  const report = process.report as unknown as {
    excludeNetwork?: boolean
    getReport: () => { header: { glibcVersionRuntime?: string } }
  }
  const { excludeNetwork } = report
  report.excludeNetwork = true
  const { header } = report.getReport()
  report.excludeNetwork = excludeNetwork ?? false
  return header.glibcVersionRuntime === undefined
}
