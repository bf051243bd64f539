import { StreamingLLMError } from '../errors.js'

/** Whole numbers of a vocabulary's size, with white space between them. */
export function parseTokens(content: string, file: string, command = 'score'): Int32Array {
  const words = content.split(/\s+/).filter(word => word !== '')
  return Int32Array.from(words, (word, index) => {
    const token = /^\d{1,10}$/.test(word) ? Number(word) : NaN
    if (token < 2 ** 31) return token
    const message = `${command}: ${file} has something else than a token at place ${index + 1}: '${word.slice(0, 40)}'`
    throw new StreamingLLMError('INVALID_OPTION', message, { details: { file, index } })
  })
}

/** Says which token of a file the model does not have, before any is decoded. */
export function checkTokens(tokens: Int32Array, vocabularySize: number, file: string, command = 'score'): void {
  const wrong = tokens.findIndex(token => token >= vocabularySize)
  if (wrong < 0) return
  const message = `${command}: ${file} has token ${tokens[wrong]} at place ${wrong + 1}, and the model has ${vocabularySize} tokens, from 0 on`
  throw new StreamingLLMError('INVALID_OPTION', message, { details: { file, index: wrong } })
}

export function summary(nll: number[]): string {
  const mean = nll.reduce((sum, value) => sum + value, 0) / nll.length
  return `${nll.length + 1} tokens, mean negative log-likelihood ${mean.toFixed(4)}, perplexity ${Math.exp(mean).toFixed(2)}`
}
