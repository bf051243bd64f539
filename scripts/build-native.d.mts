export function buildNative(options?: { say?: (line: string) => void; verbose?: boolean; evaluation?: boolean }): Promise<boolean>
