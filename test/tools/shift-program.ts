// Scores a text that is too long to be done soon, and says when it has begun: for the test that ends this process.
import { scoreByShift } from '../../research/evaluation/shift.js'

let begun = false
await scoreByShift(
  {
    model: process.argv[2]!,
    tokens: new Int32Array(1_000_000).fill(300),
    policy: 'shift',
    sinks: 4,
    window: 60,
    kv: 'f32',
    flashAttention: 'off',
  },
  () => {
    if (!begun) process.stdout.write('begun\n')
    begun = true
  },
)
