import { tryInChild } from '../../../lib/util/child-trial.js'
import { deafSignal, held } from '../../tools/deaf-signal.js'

test('a signal that cannot be listened to leaves no child process behind', async () => {
  const before = held('ProcessWrap', 'Timeout')
  const trial = tryInChild('return {}', {}, { patience: 3_600_000, signal: deafSignal() })
  await expect(trial).rejects.toMatchObject({ code: 'INVALID_OPTION' })
  expect(held('ProcessWrap', 'Timeout')).toEqual(before)
})
