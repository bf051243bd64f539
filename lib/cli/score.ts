import { Command, Option } from 'commander'
import { StreamingLLMError } from '../errors.js'
import { openModel } from './open-model.js'
import { write } from './reply.js'
import { addSharedOptions, policyOptions, type SharedFlags, toNumber } from './shared-options.js'
import { readTextInput } from './text-input.js'
import { checkTokens, parseTokens, summary } from './token-scores.js'

interface ScoreFlags extends SharedFlags {
  tokensFile?: string
  textFile?: string
  tokens?: number
  json?: boolean
}

export function scoreCommand(): Command {
  return addSharedOptions(new Command('score'))
    .description(
      'How likely the model finds a text: the negative log-likelihood (natural logarithm) of each token but the first; the text from a file or stdin, without a beginning-of-sequence token.',
    )
    .argument('[file]', 'a text; "-", or no file and piped input, means stdin')
    .addOption(new Option('--text-file <file>', 'as the argument').conflicts('tokensFile'))
    .option('--tokens-file <file>', 'token ids, separated by blanks or new lines, in place of a text')
    .option('--tokens <count>', 'only the first so many tokens', toNumber)
    .option('--json', 'print {"nll":[...]} instead of a summary')
    .action(score)
}

async function score(argument: string | undefined, flags: ScoreFlags): Promise<void> {
  if (flags.tokens !== undefined && !(Number.isSafeInteger(flags.tokens) && flags.tokens >= 2)) {
    throw new StreamingLLMError('INVALID_OPTION', `--tokens must be a whole number of at least 2, got ${flags.tokens}`)
  }
  // What can be wrong with the files is found out before the model is loaded.
  const { content, name } = await readTextInput('score', { argument, ...flags })
  const given = flags.tokensFile === undefined ? undefined : parseTokens(content, name)
  const model = await openModel(flags)
  try {
    if (given !== undefined) checkTokens(given, model.vocabularySize, name)
    const all = given ?? model.tokenize(content)
    const tokens = all.slice(0, flags.tokens)
    if (tokens.length < 2) {
      throw new StreamingLLMError(
        'INVALID_OPTION',
        `score: at least 2 tokens are needed, ${name} has ${tokens.length}`,
        { details: { file: name } },
      )
    }
    // Dense without a size keeps the whole text, also where that is longer than what the model was trained on.
    const sizes = flags.policy === 'dense' && !flags.window ? { sinks: 0, window: tokens.length } : {}
    const sequence = model.createSequence({ ...policyOptions(flags), ...sizes })
    await sequence.append(tokens.slice(0, 1))
    const nll = Array.from(await sequence.score(tokens.slice(1)), value => -value)
    await write(process.stdout, `${flags.json ? JSON.stringify({ nll }) : summary(nll)}\n`)
  } finally {
    await model.close()
  }
}
