import { SeededRandom } from '../../test/tools/tiny-random.js'

const people = [
  'The miller',
  'An old sailor',
  'My neighbour',
  'The young teacher',
  'A carpenter',
  'The postman',
  'Our guest',
  'The gardener',
  'A doctor',
  'The shepherd',
]
const deeds = ['carried', 'found', 'sold', 'repaired', 'painted', 'lost', 'borrowed', 'described', 'hid', 'measured']
const things = [
  'a wooden box',
  'the red lantern',
  'two silver coins',
  'an iron key',
  'the long ladder',
  'a letter',
  'some dry bread',
  'the broken clock',
  'a map of the river',
  'three glass bottles',
]
const places = [
  'near the bridge',
  'behind the church',
  'at the market',
  'in the harbour',
  'on the hill',
  'beside the mill',
  'in the kitchen',
  'under the old tree',
  'by the station',
  'in the garden',
]
const times = [
  'in the morning',
  'before the rain',
  'last winter',
  'at noon',
  'on Sunday',
  'after supper',
  'a year ago',
  'during the storm',
  'at midnight',
  'in spring',
]

/** Plain English of so many sentences, the same each time. */
export function sentences(count: number, seed = 1): string {
  const random = new SeededRandom(seed)
  const one = (list: string[]) => list[random.integer(list.length)]!
  return Array.from(
    { length: count },
    () => `${one(people)} ${one(deeds)} ${one(things)} ${one(places)} ${one(times)}.`,
  ).join(' ')
}
