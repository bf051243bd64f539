import { StreamingLLMError } from '../errors.js'

/** Whole numbers of a vocabulary's size, with white space between them. */
export function parseTokens(content: string, file: string): Int32Array {
  const words = content.split(/\s+/).filter(word => word !== '')
  return Int32Array.from(words, (word, index) => {
    const token = /^\d{1,10}$/.test(word) ? Number(word) : NaN
    if (token < 2 ** 31) return token
    const message = `score: ${file} has something else than a token at place ${index + 1}: '${word.slice(0, 40)}'`
    throw new StreamingLLMError('INVALID_OPTION', message, { details: { file, index } })
  })
}

export function summary(nll: number[]): string {
  const mean = nll.reduce((sum, value) => sum + value, 0) / nll.length
  return `${nll.length + 1} tokens, mean negative log-likelihood ${mean.toFixed(4)}, perplexity ${Math.exp(mean).toFixed(2)}`
}
