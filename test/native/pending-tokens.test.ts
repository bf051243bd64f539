import { openAddon } from '../tools/native-engine.js'
import { seeded } from '../tools/random.js'

const { PendingTokens } = openAddon()

/** Why a token is there: one of them each, beside being known to the policy. */
type Reason = 'fresh' | 'rebase' | 'replay'
interface Entry {
  token: number
  reason: Reason
  known: boolean
}

/** The same as a list in which each token has its own reason. */
class Reference {
  entries: Entry[] = []

  get decodable(): number {
    const { reason } = this.entries[0]!
    if (reason === 'replay') return 1
    const alike = this.entries.findIndex(entry => entry.reason !== reason)
    return reason === 'rebase' && alike > 0 ? alike : this.entries.length
  }

  add(token: number, reason: Reason = 'fresh', known = false): void {
    this.entries.push({ token, reason, known })
  }

  decoded(count: number): boolean {
    const gone = this.entries.splice(0, count)
    return gone.at(-1)!.reason === 'rebase' && this.entries[0]?.reason !== 'rebase'
  }

  dropLast(count: number): void {
    this.entries.length -= count
    // The last one is decoded with what follows it.
    const last = this.entries.at(-1)!
    this.entries[this.entries.length - 1] = { ...last, reason: 'fresh' }
  }
}

test('each token is there for the reason that a list would have', () => {
  for (let seed = 1; seed <= 60; seed++) {
    const random = seeded(seed)
    const pending = new PendingTokens()
    let list = new Reference()
    let next = 1
    const some = (max: number) => Int32Array.from({ length: 1 + random.below(max) }, () => next++)
    const add = () => {
      list.add(next)
      pending.add(next++)
    }
    add()
    for (let step = 0; step < 300; step++) {
      const { length } = list.entries
      switch (random.below(6)) {
        case 0:
          add()
          break
        case 1: {
          const count = Math.min(length - 1, list.decodable, 1 + random.below(4))
          if (count > 0) expect(pending.decoded(count)).toBe(list.decoded(count))
          break
        }
        case 2: {
          const count = random.below(length)
          // Of those the policy knows, none is dropped: cut() refuses that.
          if (list.entries.slice(length - count).some(({ known }) => known)) break
          pending.dropLast(count)
          list.dropLast(count)
          break
        }
        case 3: {
          // Back to a checkpoint, and then to before it has been replayed.
          const again = some(5)
          pending.replay(again, next)
          list = new Reference()
          for (const token of again) list.add(token, 'replay')
          list.add(next++)
          break
        }
        case 4: {
          if (list.entries[0]!.reason === 'replay' || list.entries[0]!.reason === 'rebase') break
          const again = some(6)
          const byRebase = random.chance(0.5)
          const known = byRebase ? 0 : random.below(again.length)
          pending.cacheIsEmpty()
          list.entries = list.entries.filter(entry => !entry.known)
          const skipped = byRebase ? 0 : random.below(list.entries.length)
          pending.requeue(again, known, byRebase, skipped)
          const before = list.entries.slice(skipped)
          list = new Reference()
          again.forEach((token, i) => {
            list.add(token, byRebase ? 'rebase' : 'fresh', i < known)
          })
          list.entries.push(...before)
          break
        }
        default: {
          const token = next++
          pending.rolledBack(token)
          list = new Reference()
          list.add(token)
        }
      }
      const { entries } = list
      expect(pending.state()).toEqual({
        tokens: Int32Array.from(entries, ({ token }) => token),
        rebasing: entries[0]!.reason === 'rebase',
        replaying: entries[0]!.reason === 'replay',
        decodable: list.decodable,
        known: entries.filter(({ known }) => known).length,
      })
    }
  }
})
