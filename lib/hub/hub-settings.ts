import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { StreamingLLMError } from '../errors.js'
import { readRegularFile } from '../util/regular-file.js'

const maxTokenBytes = 4096

/** How patient to be with the hub. */
export interface HubPatience {
  /** Until a request's headers arrive, connecting included, in milliseconds. */
  headersMs: number
  /** Between two pieces of a body, and for at least 1 KiB of it, in milliseconds. */
  stallMs: number
  /** For the whole of an answer that is no model's file, such as a page of a list, in milliseconds. */
  answerMs: number
  /** How often a question about a file is asked before giving up. */
  attempts: number
  /** How many connections in a row may bring no more of a file than `progressBytes` before giving up. */
  downloadAttempts: number
  progressBytes: number
  /** The first pause between attempts, in milliseconds; it doubles with each, up to 8 s. */
  backoffMs: number
}

/** Where models come from and go to. */
export interface Hub {
  /** Without a slash at its end. */
  endpoint: string
  /** The folder that holds the `models--owner--repo` folders. */
  cacheDirectory: string
  token: string | undefined
  /** Only the cache is looked at. */
  offline: boolean
  patience: HubPatience
}

export const defaultPatience: HubPatience = {
  headersMs: 20_000,
  stallMs: 30_000,
  answerMs: 120_000,
  attempts: 3,
  downloadAttempts: 6,
  progressBytes: 64 * 1024,
  backoffMs: 400,
}

/**
 * Reads the environment variables that Python's huggingface_hub reads, with the same meanings: HF_HUB_CACHE, HF_HOME,
 * XDG_CACHE_HOME, HF_ENDPOINT, HF_TOKEN, HF_TOKEN_PATH, HF_HUB_OFFLINE.
 *
 * @param overrides.cacheDirectory goes before HF_HUB_CACHE
 * @throws {StreamingLLMError} INVALID_OPTION when HF_ENDPOINT is no http(s) URL, or HF_TOKEN no token
 */
export async function hubSettings(
  overrides: { cacheDirectory?: string; patience?: Partial<HubPatience> } = {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<Hub> {
  const home = expandHome(env['HF_HOME'] || join(env['XDG_CACHE_HOME'] || '~/.cache', 'huggingface'))
  return {
    endpoint: readEndpoint(env['HF_ENDPOINT'] || 'https://huggingface.co'),
    cacheDirectory: expandHome(overrides.cacheDirectory || env['HF_HUB_CACHE'] || join(home, 'hub')),
    token:
      checkToken(env['HF_TOKEN']?.trim()) || (await readToken(expandHome(env['HF_TOKEN_PATH'] || join(home, 'token')))),
    offline: /^(1|on|yes|true)$/i.test(env['HF_HUB_OFFLINE'] ?? ''),
    patience: { ...defaultPatience, ...overrides.patience },
  }
}

function readEndpoint(text: string): string {
  const protocol = URL.canParse(text) ? new URL(text).protocol : undefined
  if (protocol === 'https:' || protocol === 'http:') return text.replace(/\/+$/, '')
  throw new StreamingLLMError(
    'INVALID_OPTION',
    `HF_ENDPOINT is "${text}", which is not a URL. Set it to one such as https://huggingface.co, or unset it.`,
    { details: { endpoint: text } },
  )
}

/** What no header can hold is no token. */
function checkToken(token: string | undefined): string | undefined {
  if (token === undefined || /^[\x21-\x7e]*$/.test(token)) return token
  throw new StreamingLLMError(
    'INVALID_OPTION',
    'HF_TOKEN has characters that no token has, such as blanks or ends of lines. Set it to a token, or unset it.',
  )
}

async function readToken(path: string): Promise<string | undefined> {
  try {
    return checkToken((await readRegularFile(path, maxTokenBytes)).toString('utf8').trim()) || undefined
  } catch {
    // Most models need no token, so an absent or unreadable one only matters once the hub refuses.
    return undefined
  }
}

/** Variables that a service manager sets come unexpanded, and Python expands these as well. */
function expandHome(path: string): string {
  return resolve(path.replace(/^~(?=$|[/\\])/, () => homedir()))
}
