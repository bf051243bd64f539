/** The first program in TypeScript of a Markdown text. */
export function firstTypeScript(markdown: string): string {
  const found = /^```ts\n([\s\S]*?)^```$/m.exec(markdown)?.[1]
  if (found === undefined) throw new Error('There is no program in TypeScript.')
  return found
}

/** The program with a model of this machine instead of the one that it would download. */
export function withModel(program: string, model: string): string {
  const changed = program.replace(/loadModel\('hf:[^']*'/, () => `loadModel(${JSON.stringify(model)}`)
  if (changed === program) throw new Error('The program does not load a model from Hugging Face.')
  return changed
}
