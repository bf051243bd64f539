export function buildNative(options?: {
  say?: (line: string) => void
  verbose?: boolean
  evaluation?: boolean
  sanitized?: boolean
}): Promise<boolean>
