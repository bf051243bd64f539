import { OurContender } from './ours.js'

/** What the paper compares with: the same window without eviction, decoded afresh for each token. */
export class RecomputeContender extends OurContender {
  constructor() {
    super('recompute')
  }
}
