import { TokenLedger } from '../../../lib/chat/token-ledger.js'

test('counts stay those of the whole conversation when the native sequence begins anew', () => {
  const counts = { seenTokens: 0, cachedTokens: 0, evictedTokens: 0 }
  const ledger = new TokenLedger(counts)
  expect(ledger.usage).toEqual({ seenTokens: 0, cachedTokens: 0, evictedTokens: 0 })

  ledger.begin(0, 0)
  Object.assign(counts, { seenTokens: 100, cachedTokens: 60, evictedTokens: 40 })
  const { state } = ledger
  const then = { ...counts }
  expect(ledger.usage).toEqual(counts)

  ledger.giveUp(90)
  Object.assign(counts, { seenTokens: 0, cachedTokens: 0, evictedTokens: 0 })
  expect(ledger.begun).toBe(false)
  expect(ledger.usage).toEqual({ seenTokens: 90, cachedTokens: 0, evictedTokens: 40 })

  // 50 tokens are still in the log, of which 10 are not decoded again.
  ledger.begin(50, 10)
  Object.assign(counts, { seenTokens: 45, cachedTokens: 45, evictedTokens: 0 })
  expect(ledger.usage).toEqual({ seenTokens: 95, cachedTokens: 45, evictedTokens: 50 })

  ledger.rollBackTo(state, then)
  expect(ledger.usage).toEqual({ seenTokens: 100, cachedTokens: 0, evictedTokens: 40 })
})

test('no more has been evicted than had been seen', () => {
  const ledger = new TokenLedger({ seenTokens: 100, cachedTokens: 20, evictedTokens: 80 }, { begun: true, skipped: 5 })
  ledger.giveUp(30)
  expect(ledger.usage).toEqual({ seenTokens: 35, cachedTokens: 0, evictedTokens: 35 })
})
