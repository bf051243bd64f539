import { SeededRandom } from '../../test/tools/tiny-random.js'
import { shuffled } from './shuffled.js'

/** Lines are asked for this often, and lie this far back: as in the paper. */
export const linesBetween = 10
export const linesBack = 20

/** What a stream says up to a question, and the question's right answer. */
export interface LineQuestion {
  text: string
  answer: string
}

const qualities =
  words(`amber ancient bitter bold brave bright broken busy calm careful cheap clever cold curious damp dark
  distant dusty eager early empty faint famous fancy fierce fragile frozen gentle giant golden grateful hidden hollow
  humble hungry icy jolly kind late lazy lively lonely loud lucky mellow mighty modern narrow noisy odd pale patient
  plain polite proud purple quick quiet rapid rare restless round royal rural salty shallow sharp shiny silent silver
  simple sleepy slow smooth solid sour steep stormy strange sturdy sweet swift tall tender tidy tiny vivid warm wild wooden`)
const things =
  words(`acorn anchor apron arrow badge balloon barrel basket beetle bottle bridge bucket button cactus camera
  candle canyon carpet castle chimney circle clock cloud compass copper cottage cradle desert dragon eagle elbow engine
  feather fiddle forest fountain garden glacier goblet guitar hammer harbor hedge helmet island jacket jungle kettle
  kitchen ladder lantern lemon lizard magnet marble market meadow mirror monkey mountain needle ocean olive orchard
  oyster paddle palace parrot pebble pencil pepper piano pillow pocket puzzle rabbit ribbon river rocket saddle shadow
  shovel spider statue temple ticket tunnel turtle umbrella valley velvet violin wagon walnut whistle window wizard`)

function words(text: string): string[] {
  return text.split(/\s+/)
}

/**
 * StreamEval: an endless record of lines such as "line amber-acorn: <12345>". After every tenth line the line that
 * lies twenty back is begun again, and the number it had is to be said; the question's end and the next lines are the
 * text of the next question.
 *
 * LongEval's lines say "REGISTER_CONTENT is" before the number: a model of 135M parameters finds far more of them
 * without it.
 *
 * A word of a name comes again only after most others of its kind, so that within the lines in question no two names
 * have a word in common: small models would take one for the other.
 */
export function* registerLines(lines: number, seed: number): Generator<LineQuestion, void, undefined> {
  const random = new SeededRandom(seed)
  const quality = deck(qualities, random)
  const thing = deck(things, random)
  const past: { name: string; content: string }[] = []
  let text =
    'Below is a record of lines to be remembered. From time to time one of the last lines is asked for again.\n\n'
  for (let i = 0; i < lines; i++) {
    const name = `${quality()}-${thing()}`
    const content = String(10_000 + random.integer(90_000))
    past.push({ name, content })
    if (past.length > linesBack + 1) past.shift()
    text += `${lineBegin(name)}${content}>\n`
    if ((i + 1) % linesBetween > 0 || past.length <= linesBack) continue
    const asked = past[0]!
    yield { text: text + lineBegin(asked.name), answer: asked.content }
    text = '>\n'
  }
}

function lineBegin(name: string): string {
  return `line ${name}: <`
}

/** Gives all words in a random order, and then again in another; those that came last come late. */
function deck(all: string[], random: SeededRandom): () => string {
  let left: string[] = []
  let last = new Set<string>()
  const given: string[] = []
  return () => {
    if (left.length === 0) {
      const order = shuffled(all, random)
      left = [...order.filter(word => last.has(word)), ...order.filter(word => !last.has(word))] // taken from the end
      given.length = 0
    }
    const word = left.pop()!
    given.push(word)
    if (left.length === 0) last = new Set(given.slice(-2 * linesBack))
    return word
  }
}
