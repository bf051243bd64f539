import type { BenchCase } from './case.js'
import { tokenTime } from './cases/token-time.js'

/** All cases, in the order in which they are measured. */
export const cases: BenchCase[] = [tokenTime]
