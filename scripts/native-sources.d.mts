export function nativeFiles(...endings: string[]): string[]
export function nativeSources(): string[]
