/** The reference that `parseReference` takes apart into these. */
export function writeReference({ repo, revision, file }: { repo: string; revision: string; file: string }): string {
  const at =
    revision === 'main'
      ? ''
      : /^refs\/(pr|convert)\/[^/]+$/.test(revision)
        ? `@${revision}`
        : `@${encodeURIComponent(revision)}`
  return `hf:${repo}${at}/${file}`
}
