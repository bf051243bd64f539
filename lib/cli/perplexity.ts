import { Command, InvalidArgumentError, Option } from 'commander'
import { StreamingLLMError } from '../errors.js'
import type { Model } from '../model/model.js'
import { usualLimits } from '../model/usual-limits.js'
import { onInterrupt } from './failure.js'
import { openModel } from './open-model.js'
import { type OutputFile, openOutputFile } from './output-file.js'
import { perplexityBar } from './perplexity-bar.js'
import { write } from './reply.js'
import { runningPerplexity, type Scored } from './running-perplexity.js'
import { addSharedOptions, type Policy, policies, policyOptions, type SharedFlags, toNumber } from './shared-options.js'
import { readTextInput } from './text-input.js'
import { checkTokens, parseTokens } from './token-scores.js'

interface PerplexityFlags extends SharedFlags {
  policies?: Policy[]
  textFile?: string
  tokensFile?: string
  skipBytes: number
  tokens?: number
  recomputeEvery: number
  curve?: string
  json?: boolean
}

/** One line of the outcome. */
interface Result {
  policy: Policy
  sinks: number
  window: number
  kv: NonNullable<SharedFlags['kv']>
  /** Tokens of the text that were read. */
  tokens: number
  /** Tokens whose likelihood was measured: all but the first, or each k-th. */
  scored: number
  perplexity: number
  /** With `--recompute-every`: over the tokens alone at which recompute is measured, so that it can be compared. */
  perplexityOfSampled?: number
  msPerToken: number
}

export function perplexityCommand(): Command {
  return addSharedOptions(new Command('perplexity'))
    .description(
      'How well the model predicts a text, token by token, under one policy or several; the text from a file or stdin, after the beginning-of-sequence token of models that have one. All policies but dense, which has room for the whole text, keep sinks + window tokens.',
    )
    .argument('[file]', 'a text; "-", or no file and piped input, means stdin')
    .addOption(
      new Option('--policies <list>', `several policies over the same tokens, of ${policies.join(', ')}`)
        .argParser(toPolicies)
        .conflicts('policy'),
    )
    .addOption(new Option('--text-file <file>', 'as the argument').conflicts('tokensFile'))
    .option('--tokens-file <file>', 'token ids, separated by blanks or new lines, in place of a text')
    .addOption(
      new Option('--skip-bytes <count>', 'leave out the beginning of the text')
        .argParser(toCount)
        .default(0)
        .conflicts('tokensFile'),
    )
    .option('--tokens <count>', 'only the first so many tokens', toNumber)
    .option('--recompute-every <tokens>', 'measure recompute, which is slow, at each so many tokens only', toCount, 1)
    .option('--curve <file>', 'write the likelihood of each token and the running perplexity to this file, as CSV')
    .option('--json', 'print {"results":[...]} instead of a table')
    .action(perplexity)
}

async function perplexity(argument: string | undefined, flags: PerplexityFlags): Promise<void> {
  check(flags)
  const { content, name } = await readTextInput('perplexity', { argument, ...flags }, flags)
  const given = flags.tokensFile === undefined ? undefined : parseTokens(content, name, 'perplexity')
  const curve = curveFile(flags.curve)
  const results: Result[] = []
  try {
    for (const policy of flags.policies ?? [flags.policy ?? 'streaming']) {
      const result = await measure(policy, flags, content, given, curve)
      results.push(result)
      if (!flags.json) await write(process.stdout, `${line(result)}\n`)
    }
  } finally {
    curve.close()
    // What was measured before something failed is not lost.
    if (flags.json && results.length > 0) await write(process.stdout, `${JSON.stringify({ results })}\n`)
  }
}

/** Opened when there is something to write, so that a run that fails at once leaves an older file alone. */
function curveFile(path: string | undefined): OutputFile {
  let file: OutputFile | undefined
  const write = (lines: string) => {
    if (path === undefined) return
    if (file === undefined) {
      file = openOutputFile('--curve', path)
      file.write('policy,sinks,window,kv,place in the text,negative log-likelihood,perplexity so far\n')
    }
    file.write(lines)
  }
  return { write, close: () => file?.close() }
}

/** A model of its own for each policy, so that each has a cache of just its size. */
async function measure(
  policy: Policy,
  flags: PerplexityFlags,
  content: string,
  given: Int32Array | undefined,
  curve: { write: (lines: string) => void },
): Promise<Result> {
  const interrupt = onInterrupt()
  // Recomputing is all prompt: larger batches make it faster.
  const model = await openModel(flags, policy === 'recompute' ? { batchSize: 512 } : {})
  try {
    if (given !== undefined) checkTokens(given, model.vocabularySize, flags.tokensFile!, 'perplexity')
    const tokens = (given ?? model.textTokens(content)).slice(0, flags.tokens)
    if (tokens.length < 2)
      throw new StreamingLLMError('INVALID_OPTION', 'perplexity: the text is too short: at least 2 tokens are needed')
    const { sinks, window } = sizes(policy, flags, tokens.length, model)
    const kv = flags.kv ?? 'f16'
    await using sequence = model.createSequence({ ...policyOptions(flags), policy, sinks, window })
    const bar = perplexityBar(`${policy} ${sinks} + ${window}`, tokens.length - 1)
    const onScores = (scored: Scored) => {
      bar.show(scored)
      curve.write(
        scored.latest
          .map(({ token, nll, perplexity }) => `${policy},${sinks},${window},${kv},${token},${nll},${perplexity}\n`)
          .join(''),
      )
    }
    try {
      const recomputes = policy === 'recompute'
      const { scored, perplexity, sampledPerplexity, msPerToken } = await runningPerplexity(sequence, tokens, {
        every: recomputes ? flags.recomputeEvery : 1,
        sampled: flags.recomputeEvery,
        chunk: recomputes ? 1 : 16,
        signal: interrupt.signal,
        onScores,
      })
      const sampled = flags.recomputeEvery > 1 ? { perplexityOfSampled: sampledPerplexity } : {}
      return { policy, sinks, window, kv, tokens: tokens.length, scored, perplexity, ...sampled, msPerToken }
    } finally {
      bar.end()
    }
  } finally {
    interrupt.release()
    await model.close()
  }
}

/** The same number of tokens in the cache for each policy, except dense, which has room for the whole text. */
function sizes(
  policy: Policy,
  { sinks = 4, window }: PerplexityFlags,
  tokens: number,
  model: Model,
): { sinks: number; window: number } {
  if (policy === 'dense') return { sinks: 0, window: tokens }
  // Whatever batches this policy's model takes.
  const maxWindow = window ?? usualLimits({ policy: 'streaming', sinks }, model).window
  return policy === 'streaming' || policy === 'recompute'
    ? { sinks, window: maxWindow }
    : { sinks: 0, window: sinks + maxWindow }
}

function check(flags: PerplexityFlags): void {
  if (flags.tokens !== undefined && !(Number.isSafeInteger(flags.tokens) && flags.tokens >= 2)) {
    throw new StreamingLLMError('INVALID_OPTION', `--tokens must be a whole number of at least 2, got ${flags.tokens}`)
  }
  if (flags.recomputeEvery < 1) throw new StreamingLLMError('INVALID_OPTION', '--recompute-every must be at least 1')
}

function line({
  policy,
  sinks,
  window,
  kv,
  tokens,
  scored,
  perplexity,
  perplexityOfSampled,
  msPerToken,
}: Result): string {
  const shown = (value: number) => value.toFixed(value < 1000 ? 2 : 0)
  const sampled =
    perplexityOfSampled !== undefined && scored === tokens - 1
      ? ` (${shown(perplexityOfSampled)} at the tokens recomputed)`
      : ''
  const summary = `perplexity ${shown(perplexity)}${sampled}, ${msPerToken.toFixed(1)} ms a token`
  return `${policy.padEnd(9)} ${`${sinks} + ${window}`.padStart(11)}  ${kv.padEnd(4)}  ${tokens} tokens${scored < tokens - 1 ? `, ${scored} measured` : ''}: ${summary}`
}

function toPolicies(text: string): Policy[] {
  const names = text
    .split(',')
    .map(name => name.trim())
    .filter(name => name !== '')
  const wrong = names.find(name => !(policies as readonly string[]).includes(name))
  if (wrong !== undefined || names.length === 0)
    throw new InvalidArgumentError(`'${wrong ?? text}' is not one of ${policies.join(', ')}.`)
  return names as Policy[]
}

function toCount(text: string): number {
  const value = toNumber(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new InvalidArgumentError('It must be a whole number.')
  return value
}
