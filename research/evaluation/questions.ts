import { SeededRandom } from '../../test/tools/tiny-random.js'
import { shuffled } from '../paper/shuffled.js'

/** Questions of the kind of MT-bench, each with one that only makes sense behind it. */
const pairs: readonly (readonly [string, string])[] = [
  ['Recommend a place for a weekend by the sea.', 'What should I pack for it?'],
  ['Why do leaves change their colour in autumn?', 'Do all trees do that?'],
  ['Write the first line of a story about a lost key.', 'Now write the last line of it.'],
  ['How do I make a simple vegetable soup?', 'How can I make it last for three days?'],
  ['What is the difference between weather and climate?', 'Give me an example of each.'],
  ['Explain what a database is to a child.', 'And what is an index in one?'],
  ['Who was Marie Curie?', 'What did she discover?'],
  ['I have two apples and buy five more. How many are there?', 'I eat three of them. How many are left?'],
  ['Suggest a name for a small café.', 'Suggest another one that is funnier.'],
  ['What is the capital of Italy?', 'What is it famous for?'],
  ['How does a bicycle stay upright?', 'Does that also hold for a scooter?'],
  ['Name an animal that can fly but is no bird.', 'What does it eat?'],
  ['Write a polite excuse for being late.', 'Make it shorter.'],
  ['What is gravity?', 'Is it weaker on the moon?'],
  ['Pretend to be a pirate and greet me.', 'Tell me where your treasure is.'],
  ['How can I sleep better?', 'Which of these helps the most?'],
  ['What does a lawyer do?', 'How does one become that?'],
  ['Describe a busy street in the rain.', 'Describe it again at night.'],
  ['Which is larger, a lake or a sea?', 'Why is that so?'],
  ['Translate the word "house" into French.', 'Use it in a sentence.'],
  ['Give me a riddle.', 'What is the answer to it?'],
  ['Should pupils wear uniforms?', 'What would somebody say against that?'],
  ['How is paper made?', 'Can it be made from something else?'],
  ['What is a prime number?', 'Name three of them.'],
  ['Plan a birthday for a grandmother.', 'What would it cost?'],
  ['Why is the sky blue?', 'And why is it red in the evening?'],
  ['What are the parts of a flower?', 'Which of them attracts the bees?'],
  ['Write two lines of a poem about winter.', 'Now two lines about spring.'],
  ['How do I learn to play the guitar?', 'How long will that take?'],
  ['What is a good breakfast before a long walk?', 'And after it?'],
]

/** The questions of a conversation of so many turns: all pairs in an order of its own for each seed and each round. */
export function questionsOf(seed: number, turns: number): string[] {
  const questions: string[] = []
  const random = new SeededRandom(seed * 2_654_435_761) // so that neighbouring seeds are far apart
  while (questions.length < turns) questions.push(...shuffled(pairs, random).flat())
  return questions.slice(0, turns)
}
