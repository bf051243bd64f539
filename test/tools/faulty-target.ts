import type { FuzzTarget } from '../../scripts/fuzz/target.js'

export const faults = ['throws', 'aborts', 'hangs', 'rejects later', 'pollutes', 'leaks', 'nothing', 'nothing'] as const

const kept: Buffer[] = []

/** A target with faults that were put in, chosen by the input's first number: for a test of what is to find them. */
export const target: FuzzTarget = {
  description: 'faults that were put in',
  secondsPerInput: 1,
  async attempt(random, _prepared, { describe, count }) {
    delete (Object.prototype as { polluted?: boolean }).polluted
    const fault = faults[random.integer(faults.length)]!
    describe(`one that ${fault}`)
    if (fault === 'throws') throw new TypeError('put in')
    if (fault === 'aborts') process.abort()
    if (fault === 'hangs') for (;;);
    if (fault === 'pollutes') Object.assign(Object.prototype, { polluted: true })
    if (fault === 'rejects later') {
      void Promise.reject(new Error('put in'))
      await new Promise(resolve => setTimeout(resolve, 1_000))
    }
    count('fine')
  },
}

/** Each of its inputs stays in memory. */
export const leaking: FuzzTarget = {
  description: 'inputs that stay',
  async attempt() {
    kept.push(Buffer.alloc(8_192, 1))
  },
}
